package fleet

import (
	"context"
	"iter"
	"sync/atomic"

	"ashatai/internal/core"
	"ashatai/internal/engine"
)

// Generate asks a model for text. It returns when the engine has accepted the request, so that whatever is wrong before
// the first token is a plain error; the stream's own errors come after that. A request whose client has seen nothing
// yet is done again on a new instance when its first one dies. The stream must be ranged over, or its ctx ended: either
// frees everything.
func (f *Fleet) Generate(ctx context.Context, t Target, it Item, req engine.GenerateRequest) (*core.Stream, error) {
	ctx, c, err := f.submit(ctx, &ticket{target: t, item: it, sequences: max(1, req.Choices)})
	if err != nil {
		return nil, err
	}
	s := &stream{call: c, req: req}
	if err := s.accept(ctx); err != nil {
		c.end()
		return nil, err
	}
	// A stream that nobody ranges over ends with its context.
	forget := context.AfterFunc(ctx, func() {
		if s.taken.CompareAndSwap(false, true) {
			s.close()
		}
	})
	return &core.Stream{
		Placement: s.on.placement(),
		Events: func(yield func(core.Event, error) bool) {
			if !s.taken.CompareAndSwap(false, true) {
				yield(core.Event{}, failure(ctx, errEarly()))
				return
			}
			forget()
			defer s.close()
			s.play(ctx, yield)
		},
	}, nil
}

// stream is a call that answers with events.
type stream struct {
	*call
	attempt
	req    engine.GenerateRequest
	events iter.Seq2[core.Event, error]
	taken  atomic.Bool // somebody ranges over it, or it ended before anybody did
	seen   bool        // the client got an event
}

func (s *stream) close() {
	s.stop()
	s.end()
}

// accept waits until an engine has accepted the request.
func (s *stream) accept(ctx context.Context) error {
	for {
		attemptCtx, a, err := s.admitted(ctx)
		if err != nil {
			return err
		}
		s.attempt = a
		g, ok := a.on.model.(engine.Generator)
		if !ok {
			a.stop()
			return cannot(a.on, "generate text")
		}
		if s.events, err = g.Generate(attemptCtx, s.req); err == nil {
			return nil
		}
		a.stop()
		if !s.lost(ctx, a.on, err) {
			return failure(ctx, err)
		}
	}
}

// play passes the events on, and begins anew where the instance dies before the first.
func (s *stream) play(ctx context.Context, yield func(core.Event, error) bool) {
	for {
		err, lost := s.pass(ctx, yield)
		if !lost {
			if err != nil {
				yield(core.Event{}, err)
			}
			return
		}
		s.stop()
		if err := s.accept(ctx); err != nil {
			yield(core.Event{}, err)
			return
		}
	}
}

// pass passes one attempt's events on. It returns what the client must be told, and whether the instance died, which
// makes the loop say how it goes on.
func (s *stream) pass(ctx context.Context, yield func(core.Event, error) bool) (fail error, lost bool) {
	for ev, err := range s.events {
		if err != nil {
			return s.broken(ctx, err)
		}
		if !s.seen {
			if !s.commit() {
				return nil, true
			}
			s.seen = true
		}
		if ev.Usage != nil {
			u := *ev.Usage
			u.Queued = s.queued
			ev.Usage, s.done = &u, true
			s.made, s.took = u.Completion, u.Decode
		}
		if !yield(ev, nil) {
			return nil, false
		}
	}
	if s.done {
		return nil, false
	}
	return s.broken(ctx, errEarly())
}

func (s *stream) broken(ctx context.Context, err error) (fail error, lost bool) {
	if s.lost(ctx, s.on, err) {
		return nil, true
	}
	return failure(ctx, err), false
}

// commit tells the loop that the client is about to get its first event, so that the request cannot be done again. It
// is false when the loop has already decided otherwise.
func (s *stream) commit() bool {
	still := make(chan bool, 1)
	s.f.tell(seeing{s.ticket, s.on, still})
	select {
	case ok := <-still:
		return ok
	case <-s.f.Stopped():
		return false
	}
}
