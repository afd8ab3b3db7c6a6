package llamacpp

import (
	"context"
	"iter"
	"sync"

	"ashatai/internal/core"
)

// outbox is an engine.Sink with one reader in this process. It holds no more than the events of the tokens that the request
// may make.
type outbox struct {
	mu     sync.Mutex
	events []core.Event
	err    error
	closed bool
	signal chan struct{} // one slot: something changed
}

func newOutbox() *outbox { return &outbox{signal: make(chan struct{}, 1)} }

// Accept implements engine.Sink.
func (o *outbox) Accept() {}

// Event implements engine.Sink.
func (o *outbox) Event(e core.Event) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.events = append(o.events, e)
}

// End implements engine.Sink.
func (o *outbox) End(err error) {
	o.mu.Lock()
	o.closed, o.err = true, err
	o.mu.Unlock()
	o.Flush()
}

// Flush implements engine.Sink.
func (o *outbox) Flush() {
	select {
	case o.signal <- struct{}{}:
	default:
	}
}

func (o *outbox) take() ([]core.Event, bool, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	events := o.events
	o.events = nil
	return events, o.closed, o.err
}

// stream ranges over the outbox until it is closed. Leaving the range calls cancel.
func (o *outbox) stream(ctx context.Context, cancel context.CancelFunc) iter.Seq2[core.Event, error] {
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
