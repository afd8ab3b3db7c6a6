package infer

import (
	"sync"

	"ashatai/internal/chat"
)

// maxTemplates bounds the parsed templates that are kept. More models than this in use at once only cost parsing again.
const maxTemplates = 64

// templates keeps parsed chat templates by their source: two models with one template share it, and a model whose
// template is changed in the settings cannot get the old one.
type templates struct {
	mu     sync.Mutex
	parsed map[string]*chat.Template
}

func newTemplates() *templates { return &templates{parsed: map[string]*chat.Template{}} }

func (t *templates) get(source string) (*chat.Template, error) {
	t.mu.Lock()
	found := t.parsed[source]
	t.mu.Unlock()
	if found != nil {
		return found, nil
	}
	parsed, err := chat.Parse(source) // outside the lock: a slow template holds nobody else up
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.parsed) >= maxTemplates {
		for other := range t.parsed { // any one: with so many in use none is better than another
			delete(t.parsed, other)
			break
		}
	}
	t.parsed[source] = parsed
	return parsed, nil
}
