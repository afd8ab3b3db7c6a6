package life

import (
	"context"
	"sync"
)

// Base is the part of a service that is the same everywhere: one goroutine, started once and ended once. Embed it, and
// write a Start that calls Launch. The zero value is ready to use; it must not be copied.
type Base struct {
	mu       sync.Mutex
	launched bool
	ended    bool // Stop was called
	started  chan struct{}
	stopped  chan struct{}
	cancel   context.CancelFunc
}

// Launch runs the service's goroutine. Run gets a context that has ctx's values and ends at Stop; the service has
// stopped when run returns. Launch does nothing when the service runs already, returns ErrStopped after Stop, and
// ctx's error when ctx has ended.
func (b *Base) Launch(ctx context.Context, run func(ctx context.Context)) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.init()
	switch {
	case b.ended:
		return ErrStopped
	case b.launched:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	}
	// The service outlives the context that bounds its start.
	runCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	b.launched, b.cancel = true, cancel
	go func() {
		defer close(b.stopped)
		defer cancel()
		run(runCtx)
	}()
	close(b.started)
	return nil
}

// Stop ends the goroutine's context and waits for the goroutine, or for ctx.
func (b *Base) Stop(ctx context.Context) error {
	b.mu.Lock()
	b.init()
	if !b.launched && !b.ended {
		close(b.stopped)
	}
	b.ended = true
	if b.cancel != nil {
		b.cancel()
	}
	b.mu.Unlock()
	select {
	case <-b.stopped:
		return nil
	default:
	}
	select {
	case <-b.stopped:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Started is closed when the service was launched.
func (b *Base) Started() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.init()
	return b.started
}

// Stopped is closed when nothing of the service runs any more: its goroutine returned, or it was stopped before it was
// started.
func (b *Base) Stopped() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.init()
	return b.stopped
}

func (b *Base) init() {
	if b.started == nil {
		b.started, b.stopped = make(chan struct{}), make(chan struct{})
	}
}
