package engine

import (
	"context"
	"iter"
	"sync"

	"ashatai/internal/core"
)

// Outbox is a Sink with one reader in this process. It holds no more than the events of the tokens that the request
// may make.
type Outbox struct {
	mu     sync.Mutex
	events []core.Event
	err    error
	closed bool
	signal chan struct{} // one slot: something changed
}

// NewOutbox makes an empty one.
func NewOutbox() *Outbox { return &Outbox{signal: make(chan struct{}, 1)} }

// Accept implements Sink.
func (o *Outbox) Accept() {}

// Event implements Sink.
func (o *Outbox) Event(e core.Event) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.events = append(o.events, e)
}

// End implements Sink.
func (o *Outbox) End(err error) {
	o.mu.Lock()
	o.closed, o.err = true, err
	o.mu.Unlock()
	o.Flush()
}

// Flush implements Sink.
func (o *Outbox) Flush() {
	select {
	case o.signal <- struct{}{}:
	default:
	}
}

func (o *Outbox) take() ([]core.Event, bool, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	events := o.events
	o.events = nil
	return events, o.closed, o.err
}

// Stream ranges over the outbox until it is closed. Leaving the range calls cancel.
func (o *Outbox) Stream(ctx context.Context, cancel context.CancelFunc) iter.Seq2[core.Event, error] {
	return func(yield func(core.Event, error) bool) {
		defer cancel()
		for {
			events, closed, err := o.take()
			for _, e := range events {
				if !yield(e, nil) {
					return
				}
			}
			if closed {
				if err != nil {
					yield(core.Event{}, err)
				}
				return
			}
			if len(events) > 0 {
				continue
			}
			select {
			case <-o.signal:
			case <-ctx.Done():
				yield(core.Event{}, core.AsError(context.Cause(ctx)))
				return
			}
		}
	}
}
