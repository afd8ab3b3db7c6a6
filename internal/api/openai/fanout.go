package openai

import (
	"context"
	"sync"

	"ashatai/internal/core"
)

// together is how many prompts of one request run at once. It keeps one caller's list from filling the model's queue.
const together = 8

// generateAll runs several requests and merges their events: choice i of prompt p becomes p*n+i. The first prompt is
// accepted before it returns, so that a request that cannot start fails with its own error; the first failure of any
// prompt ends the whole.
func (h *handler) generateAll(ctx context.Context, reqs []*core.Request) (*core.Stream, error) {
	if len(reqs) == 1 {
		return h.gen.Generate(ctx, reqs[0])
	}
	ctx, cancel := context.WithCancel(ctx)
	first, err := h.gen.Generate(ctx, reqs[0])
	if err != nil {
		cancel()
		return nil, err
	}
	return &core.Stream{Placement: first.Placement, Events: func(yield func(core.Event, error) bool) {
		defer cancel()
		m := merger{gen: h.gen, reqs: reqs, first: first, out: make(chan merged), next: 0}
		m.run(ctx, cancel, yield)
	}}, nil
}

type merged struct {
	ev  core.Event
	err error
}

// merger hands the events of several streams to one consumer.
type merger struct {
	gen   Generator
	reqs  []*core.Request
	first *core.Stream
	out   chan merged

	mu   sync.Mutex
	next int // index of the next request to start
}

func (m *merger) run(ctx context.Context, cancel context.CancelFunc, yield func(core.Event, error) bool) {
	var running sync.WaitGroup
	for range min(together, len(m.reqs)) {
		running.Go(func() { m.work(ctx) })
	}
	go func() { running.Wait(); close(m.out) }()
	// However this ends, every worker is gone before the consumer goes on: nothing outlives the request.
	defer running.Wait()
	defer cancel()

	var total core.Usage
	for got := range m.out {
		if got.err != nil {
			yield(core.Event{}, got.err)
			return
		}
		if got.ev.Usage != nil {
			add(&total, *got.ev.Usage)
			continue
		}
		if !yield(got.ev, nil) {
			return
		}
	}
	if err := ctx.Err(); err != nil { // workers that saw the end before they could report it
		yield(core.Event{}, err)
		return
	}
	yield(core.Event{Usage: &total}, nil)
}

// work runs one request after another until none is left.
func (m *merger) work(ctx context.Context) {
	for ctx.Err() == nil {
		i, ok := m.take()
		if !ok {
			return
		}
		s, err := m.first, error(nil)
		if i > 0 {
			s, err = m.gen.Generate(ctx, m.reqs[i])
		}
		if err != nil {
			m.send(ctx, merged{err: err})
			return
		}
		for ev, err := range s.Events {
			ev.Choice += i * m.reqs[i].Choices
			if !m.send(ctx, merged{ev, err}) || err != nil {
				return
			}
		}
	}
}

func (m *merger) take() (int, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.next++
	return m.next - 1, m.next <= len(m.reqs)
}

func (m *merger) send(ctx context.Context, v merged) bool {
	select {
	case m.out <- v:
		return true
	case <-ctx.Done():
		return false
	}
}

// add sums what prompts cost; the times are those of the slowest, since they ran side by side.
func add(total *core.Usage, u core.Usage) {
	total.Prompt += u.Prompt
	total.Cached += u.Cached
	total.Completion += u.Completion
	total.Queued = max(total.Queued, u.Queued)
	total.Prefill = max(total.Prefill, u.Prefill)
	total.Decode = max(total.Decode, u.Decode)
}
