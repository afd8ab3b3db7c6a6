package responses

import (
	"context"
	"iter"
	"strconv"

	"ashatai/internal/core"
)

// source is a running answer whose first event is there.
type source struct {
	place   core.Placement
	first   core.Event
	next    func() (core.Event, error, bool) // as iter.Pull2 makes it
	stop    func()
	dropped int // messages left out to make the prompt fit
}

// openSource starts an answer and waits for its first event, so that a failure in the queue or in the prompt is known
// before anything is told. Where truncate is set, the oldest messages are left out until the rest fits.
func (h *handler) openSource(ctx context.Context, req *core.Request, truncate bool) (*source, error) {
	dropped := 0
	for {
		s, err := h.Generator.Generate(ctx, req)
		if err == nil {
			next, stop := iter.Pull2(s.Events)
			first, failure, ok := next()
			if ok && failure == nil {
				return &source{place: s.Placement, first: first, next: next, stop: stop, dropped: dropped}, nil
			}
			stop()
			if err = failure; err == nil {
				err = core.Errorf(core.CodeInternal, "The runtime ended the answer without a reason.")
			}
		}
		if !truncate || core.CodeOf(err) != core.CodeContextExceeded {
			return nil, err
		}
		shorter := withoutOldest(req.Messages)
		if len(shorter) == len(req.Messages) {
			return nil, err
		}
		dropped += len(req.Messages) - len(shorter)
		short := *req
		short.Messages = shorter
		req = &short
	}
}

// withoutOldest leaves out an eighth of the messages before the last one of a user, the oldest first, and tool results
// whose call went with them. System messages stay.
func withoutOldest(in []core.Message) []core.Message {
	last := 0
	for i, m := range in {
		if m.Role == core.RoleUser {
			last = i
		}
	}
	loose := 0
	for _, m := range in[:last] {
		if m.Role != core.RoleSystem {
			loose++
		}
	}
	drop := (loose + 7) / 8
	out := make([]core.Message, 0, len(in))
	for i, m := range in {
		if i < last && m.Role != core.RoleSystem && (drop > 0 || m.Role == core.RoleTool && tail(out) != core.RoleAssistant && tail(out) != core.RoleTool) {
			drop--
			continue
		}
		out = append(out, m)
	}
	return out
}

func tail(list []core.Message) core.Role {
	if len(list) == 0 {
		return ""
	}
	return list[len(list)-1].Role
}

// drain gives the events to a maker and ends it. Where ctx was cancelled, its cause is the reason that is told. The error
// is the sink's.
func (s *source) drain(ctx context.Context, m *maker) error {
	defer s.stop()
	m.dropped = s.dropped
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

// headerTruncated says how many messages were left out because truncation is auto.
const headerTruncated = "X-Ashatai-Truncated"

func (s *source) truncated() string {
	if s.dropped == 0 {
		return ""
	}
	return strconv.Itoa(s.dropped)
}
