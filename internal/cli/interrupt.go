package cli

import (
	"context"
	"sync"
)

// interrupts decides what Ctrl-C means: the end of the program, or of what a chat has under way.
type interrupts struct {
	root context.CancelFunc // ends the command

	mu    sync.Mutex
	inner func() // takes the interrupt instead, while it is set
	ended bool
}

// hit takes one interrupt. It reports false when the command was told to end before, and has not: no more patience.
func (i *interrupts) hit() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	switch {
	case i.inner != nil:
		i.inner()
	case i.ended:
		return false
	default:
		i.ended = true
		i.root()
	}
	return true
}

// divert gives interrupts to f until the returned function is called. f must not block.
func (i *interrupts) divert(f func()) (restore func()) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.inner = f
	return func() {
		i.mu.Lock()
		defer i.mu.Unlock()
		i.inner = nil
	}
}
