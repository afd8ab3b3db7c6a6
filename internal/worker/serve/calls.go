package serve

import (
	"context"
	"errors"
	"strconv"

	"ashatai/internal/core"
	"ashatai/internal/engine"
	"ashatai/internal/worker/wire"
)

func (s *server) probe(ctx context.Context, call uint32) error {
	return s.conn.Send(wire.KindStatus, call, wire.Status(s.runtime.Probe(ctx)), nil)
}

// load loads the model, once.
func (s *server) load(h *wire.Load) handler {
	return func(ctx context.Context, call uint32) error {
		s.mu.Lock()
		again := s.loading
		s.loading = true
		s.mu.Unlock()
		if again {
			return core.Errorf(core.CodeConflict, "This worker has its model already.")
		}
		last := -1.0
		m, err := s.runtime.Load(ctx, h.Spec, func(p float64) {
			// A percent at a time is enough for a bar.
			if p >= last+0.01 || p >= 1 && last < 1 {
				last = p
				_ = s.conn.Send(wire.KindProgress, call, wire.Progress{Fraction: p}, nil)
			}
		})
		if err != nil {
			return err
		}
		s.mu.Lock()
		s.model = m
		s.mu.Unlock()
		return s.conn.Send(wire.KindLoaded, call, wire.Loaded{Facts: m.Facts()}, nil)
	}
}

// capability finds what a call needs in the loaded model.
func capability[T any](s *server) (T, error) {
	s.mu.Lock()
	m := s.model
	s.mu.Unlock()
	c, ok := m.(T)
	if ok {
		return c, nil
	}
	if m == nil {
		return c, core.Errorf(core.CodeUnavailable, "This worker has no model yet.")
	}
	return c, core.Errorf(core.CodeUnsupported, "The runtime %s cannot do this.", s.runtime.Descriptor().Name)
}

func (s *server) generate(h *wire.Generate) handler {
	return func(ctx context.Context, call uint32) error {
		g, err := capability[engine.Generator](s)
		if err != nil {
			return err
		}
		if p, ok := g.(engine.Pusher); ok {
			return s.push(ctx, p, h.Request, call)
		}
		events, err := g.Generate(ctx, h.Request)
		if err != nil {
			return err
		}
		if err := s.conn.Send(wire.KindAccepted, call, nil, nil); err != nil {
			return err
		}
		for ev, err := range events {
			if err != nil {
				return err
			}
			if err := s.conn.SendEvent(call, &ev); err != nil {
				return err
			}
		}
		return s.conn.Send(wire.KindEnd, call, nil, nil)
	}
}

// push serves a stream whose events the model's own goroutine writes.
func (s *server) push(ctx context.Context, p engine.Pusher, req engine.GenerateRequest, call uint32) error {
	to := &sink{conn: s.conn, call: call, ended: make(chan error, 1)}
	if err := p.Push(ctx, req, to); err != nil {
		return err
	}
	if err := <-to.ended; err != nil {
		return err
	}
	return s.conn.Send(wire.KindEnd, call, nil, nil)
}

// sink puts a stream's events into the channel. An error of the channel ends the process by the reading side, so it is not
// looked at here.
type sink struct {
	conn  *wire.Conn
	call  uint32
	ended chan error
}

func (s *sink) Accept()            { _ = s.conn.Send(wire.KindAccepted, s.call, nil, nil) }
func (s *sink) Event(e core.Event) { _ = s.conn.QueueEvent(s.call, &e) }
func (s *sink) End(err error)      { s.ended <- err }
func (s *sink) Flush()             { _ = s.conn.Push() }

// vectorBytes is about how much of an answer goes into one frame.
const vectorBytes = 8 << 20

func (s *server) embed(h *wire.Embed) handler {
	return func(ctx context.Context, call uint32) error {
		e, err := capability[engine.Embedder](s)
		if err != nil {
			return err
		}
		vectors, usage, err := e.Embed(ctx, h.Prompts)
		if err != nil {
			return err
		}
		head := wire.Vectors{}
		var tail []byte
		for i, v := range vectors {
			if i > 0 && len(v) != head.Dimensions {
				return core.Wrap(core.CodeInternal, errors.New("vectors of different lengths"), "The runtime made vectors of different lengths.")
			}
			head.Count, head.Dimensions = head.Count+1, len(v)
			if tail = wire.AppendFloats(tail, v); len(tail) >= vectorBytes && i < len(vectors)-1 {
				head.More = true
				if err := s.conn.Send(wire.KindVectors, call, head, tail); err != nil {
					return err
				}
				head.Count, head.More, tail = 0, false, tail[:0]
			}
		}
		head.Usage = wire.Usage(usage)
		return s.conn.Send(wire.KindVectors, call, head, tail)
	}
}

func (s *server) rerank(h *wire.Rerank) handler {
	return func(ctx context.Context, call uint32) error {
		r, err := capability[engine.Reranker](s)
		if err != nil {
			return err
		}
		scores, usage, err := r.Rerank(ctx, h.Query, h.Documents)
		if err != nil {
			return err
		}
		head := wire.Vectors{Count: len(scores), Dimensions: 1, Usage: wire.Usage(usage)}
		return s.conn.Send(wire.KindVectors, call, head, wire.AppendFloats(nil, scores))
	}
}

// infer answers with as many tensors to a frame as fit well.
func (s *server) infer(inputs []core.Tensor, outputs []string) handler {
	return func(ctx context.Context, call uint32) error {
		m, err := capability[engine.TensorModel](s)
		if err != nil {
			return err
		}
		tensors, err := m.Infer(ctx, inputs, outputs)
		if err != nil {
			return err
		}
		for {
			head, tail, rest, err := wire.TensorsOut(tensors, wire.TensorsAtOnce)
			if err != nil {
				return err
			}
			if err := s.conn.Send(wire.KindTensors, call, wire.Tensors{Tensors: head, More: len(rest) > 0}, tail...); err != nil {
				return err
			}
			if tensors = rest; len(tensors) == 0 {
				return nil
			}
		}
	}
}

func (s *server) tokenize(h *wire.Tokenize) handler {
	return func(ctx context.Context, call uint32) error {
		t, err := capability[engine.Tokenizer](s)
		if err != nil {
			return err
		}
		ids, err := t.Tokenize(ctx, h.Prompt)
		if err != nil {
			return err
		}
		return s.conn.Send(wire.KindTokens, call, nil, wire.AppendTokens(nil, ids))
	}
}

func (s *server) detokenize(ids []int) handler {
	return func(ctx context.Context, call uint32) error {
		t, err := capability[engine.Tokenizer](s)
		if err != nil {
			return err
		}
		text, err := t.Detokenize(ctx, ids)
		if err != nil {
			return err
		}
		return s.conn.Send(wire.KindBytes, call, nil, text)
	}
}

// share is no call: what cannot share is not told.
func (s *server) share(h *wire.Share) error {
	if h.Processors < 1 {
		return &wire.BrokenError{Reason: "a share of " + strconv.Itoa(h.Processors) + " processors"}
	}
	if m, err := capability[engine.Sharer](s); err == nil {
		m.Share(h.Processors)
	}
	return nil
}

func (s *server) stats(ctx context.Context, call uint32) error {
	st, err := capability[engine.Statter](s)
	if err != nil {
		return err
	}
	now, err := st.Stats(ctx)
	if err != nil {
		return err
	}
	return s.conn.Send(wire.KindStatsNow, call, wire.Stats{Stats: now}, nil)
}
