package models

import (
	"context"
	"sync"
)

// turns let one call at a time change what a name means, while calls for other names go on.
type turns struct {
	mu   sync.Mutex
	busy map[string]chan struct{} // by canonical name; closed when the turn ends
}

// take waits for the turn of a name. The caller ends it by done.
func (t *turns) take(ctx context.Context, name string) (done func(), err error) {
	for {
		t.mu.Lock()
		before := t.busy[name]
		if before == nil {
			mine := make(chan struct{})
			t.busy[name] = mine
			t.mu.Unlock()
			return func() { t.end(name, mine) }, nil
		}
		t.mu.Unlock()
		select {
		case <-before:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (t *turns) end(name string, mine chan struct{}) {
	t.mu.Lock()
	delete(t.busy, name)
	t.mu.Unlock()
	close(mine)
}
