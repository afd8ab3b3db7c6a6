package host

import (
	"context"
	"iter"
	"sync"

	"ashatai/internal/core"
	"ashatai/internal/engine"
	"ashatai/internal/worker/wire"
)

// stream is one running generation. Events wait in its own queue, so that a slow reader holds up nobody else; the queue is
// bounded by the number of events that its request can have.
type stream struct {
	accepted chan error // one value: nil, or why not
	more     chan struct{}

	mu     sync.Mutex
	queue  []core.Event
	left   int // events that may still come
	began  bool
	over   bool
	reason error // why it is over; nil when it is complete
}

func newStream(limit int) *stream {
	return &stream{accepted: make(chan error, 1), more: make(chan struct{}, 1), left: limit}
}

func (s *stream) frame(f *wire.Frame) (bool, error) {
	switch f.Kind { //nolint:exhaustive // the rest is an error
	case wire.KindAccepted:
		return false, s.accept()
	case wire.KindEvent:
		ev, err := f.Event()
		if err != nil {
			return true, err
		}
		return false, s.push(ev)
	case wire.KindEnd:
		s.end(nil)
		return true, nil
	case wire.KindError:
		var e wire.Error
		if err := f.Decode(&e); err != nil {
			return true, err
		}
		s.end(e.Core())
		return true, nil
	}
	return true, &wire.BrokenError{Reason: f.Kind.String() + " comes in a stream"}
}

func (s *stream) accept() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.began {
		return &wire.BrokenError{Reason: "a stream is accepted twice"}
	}
	s.began = true
	if !s.over {
		s.accepted <- nil
	}
	return nil
}

func (s *stream) push(ev core.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.began {
		return &wire.BrokenError{Reason: "an event comes before its stream is accepted"}
	}
	if s.left--; s.left < 0 {
		return &wire.BrokenError{Reason: "a stream has more events than its request can have"}
	}
	if !s.over {
		s.queue = append(s.queue, ev)
		s.wake()
	}
	return nil
}

// end ends the stream behind what is queued.
func (s *stream) end(reason error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endLocked(reason)
}

func (s *stream) endLocked(reason error) {
	if s.over {
		return
	}
	s.over, s.reason = true, reason
	if !s.began {
		if reason == nil {
			reason = core.Errorf(core.CodeInternal, "The worker ended a stream that it had not accepted.")
		}
		s.accepted <- reason
	}
	s.wake()
}

// fail ends the stream because its worker has ended.
func (s *stream) fail(err *core.Error) { s.end(err) }

// drop ends the stream at once, and forgets what is queued.
func (s *stream) drop(reason error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.over {
		s.queue = nil
	}
	s.endLocked(reason)
}

func (s *stream) wake() {
	select {
	case s.more <- struct{}{}:
	default:
	}
}

// take swaps the queue against an empty one.
func (s *stream) take(empty []core.Event) (events []core.Event, over bool, reason error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	events, s.queue = s.queue, empty
	return events, s.over, s.reason
}

// eventLimit is how many events a request can have: each token at most one, and a few for the ends.
func eventLimit(req engine.GenerateRequest, contextTokens int) int {
	tokens := contextTokens
	if req.MaxTokens > 0 {
		tokens = min(tokens, req.MaxTokens)
	}
	return max(1, req.Choices)*(tokens+4) + 4
}

// Generate sends the request and returns when the worker has accepted it.
func (m *model) Generate(ctx context.Context, req engine.GenerateRequest) (iter.Seq2[core.Event, error], error) {
	if err := ctx.Err(); err != nil {
		return nil, core.AsError(err)
	}
	s := newStream(eventLimit(req, m.facts.Context))
	number, err := m.w.begin(s)
	if err != nil {
		return nil, err
	}
	if err := m.w.conn.Send(wire.KindGenerate, number, wire.Generate{Request: req, TimeoutMS: timeoutMS(ctx)}, nil); err != nil {
		return nil, m.w.sendFailed(number, err)
	}
	// From here on the context's end frees the sequence, whether anybody ranges or not.
	release := context.AfterFunc(ctx, func() {
		s.drop(core.AsError(ctx.Err()))
		m.w.cancel(number)
	})
	if err := <-s.accepted; err != nil {
		release()
		return nil, err
	}
	return func(yield func(core.Event, error) bool) {
		defer m.w.cancel(number)
		defer release()
		s.each(yield)
	}, nil
}

func (s *stream) each(yield func(core.Event, error) bool) {
	var events, spare []core.Event
	for {
		var over bool
		var reason error
		events, over, reason = s.take(spare[:0])
		for _, ev := range events {
			if !yield(ev, nil) {
				return
			}
		}
		clear(events)
		spare = events
		if over {
			if reason != nil {
				yield(core.Event{}, reason)
			}
			return
		}
		<-s.more
	}
}
