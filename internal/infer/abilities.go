package infer

import (
	"cmp"
	"sync"

	"ashatai/internal/core"
)

// maxAbilities bounds the chat templates whose abilities are remembered. More of them only cost parsing again.
const maxAbilities = 4096

// abilities keeps what each chat template adds, by its source: lists of models ask for all of them every time. A template that
// cannot be read adds nothing, and that is kept too.
type abilities struct {
	mu  sync.Mutex
	all map[string][]core.Capability
}

func (a *abilities) of(source string, find func() []core.Capability) []core.Capability {
	a.mu.Lock()
	found, known := a.all[source]
	a.mu.Unlock()
	if known {
		return found
	}
	found = find() // outside the lock: a slow template holds nobody else up
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.all) >= maxAbilities {
		clear(a.all)
	}
	a.all[source] = found
	return found
}

// Abilities is what the chat template of a model adds to what its file can do: calls in a form that the model was taught, and
// reasoning. Callers do not change the list. Tools work with other models too, which are told of them in their system prompt; nothing says how well they follow.
func (s *Service) Abilities(m *core.Manifest) []core.Capability {
	m, set := s.prompting(m)
	source := cmp.Or(set.Template, m.Template)
	if source == "" || set.Template == "" && !m.Can(core.CapChat) {
		return nil
	}
	return s.abilities.of(source, func() []core.Capability { return s.abilitiesIn(source) })
}

func (s *Service) abilitiesIn(source string) []core.Capability {
	t, err := s.templates.get(source)
	if err != nil {
		return nil // whoever talks with the model is told why it cannot be used
	}
	var out []core.Capability
	if t.ShowsTools() {
		out = append(out, core.CapTools)
	}
	if t.Form().Thinks() {
		out = append(out, core.CapThinking)
	}
	return out
}
