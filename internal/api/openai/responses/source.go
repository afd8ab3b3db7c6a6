package responses

import (
	"context"
	"iter"

	"ashatai/internal/api"
	"ashatai/internal/core"
)

// source is a running answer whose first event is there.
type source struct {
	place core.Placement
	first core.Event
	next  func() (core.Event, error, bool) // as iter.Pull2 makes it
	stop  func()
}

// openSource starts an answer and waits for its first event, so that a failure in the queue or in the prompt is known
// before anything is told, but to somebody who waits for long at sse.
func (h *handler) openSource(ctx context.Context, req *core.Request, sse *api.SSE) (*source, error) {
	s, err := sse.Queued(ctx, sse != nil, func(ctx context.Context) (*core.Stream, error) { return h.Generator.Generate(ctx, req) })
	if err != nil {
		return nil, err
	}
	next, stop := iter.Pull2(s.Events)
	first, failure, ok := next()
	if ok && failure == nil {
		return &source{place: s.Placement, first: first, next: next, stop: stop}, nil
	}
	stop()
	if failure == nil {
		failure = core.Errorf(core.CodeInternal, "The runtime ended the answer without a reason.")
	}
	return nil, failure
}

// drain gives the events to a maker and ends it. Where ctx was cancelled, its cause is the reason that is told. The error
// is the sink's.
func (s *source) drain(ctx context.Context, m *maker) error {
	defer s.stop()
	ev, err, ok := s.first, error(nil), true
	for ok && err == nil {
		if err := m.see(&ev); err != nil {
			return err
		}
		ev, err, ok = s.next()
	}
	return m.end(reason(ctx, err))
}

// reason is why work ended: the cause of its context's end where that ended it.
func reason(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}
