package tensorflow

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"ashatai/internal/core"
	"ashatai/internal/engine"
)

// backend computes. Several goroutines may call compute at once, at most as many as the model has sequences; close comes after
// all of them.
type backend interface {
	compute(inputs []core.Tensor, places []int, limit time.Duration) ([]core.Tensor, error)
	stop() // has what computes end as soon as the library looks
	close()
}

// model is a loaded model.
type model struct {
	facts engine.Facts
	b     backend

	slots chan struct{}
	gone  chan struct{} // closed by Close
	once  sync.Once
	work  sync.RWMutex // held for reading while a call computes

	waiting, active atomic.Int64
	steps, busy     atomic.Uint64
}

func newModel(facts engine.Facts, b backend) *model {
	return &model{facts: facts, b: b, slots: make(chan struct{}, facts.Sequences), gone: make(chan struct{})}
}

// Facts implements engine.Model.
func (m *model) Facts() engine.Facts {
	f := m.facts
	f.Capabilities, f.Inputs, f.Outputs = slices.Clone(f.Capabilities), slices.Clone(f.Inputs), slices.Clone(f.Outputs)
	return f
}

// Close implements engine.Model. What computes is told to end, and waited for.
func (m *model) Close() error {
	m.once.Do(func() {
		close(m.gone)
		m.b.stop()
		m.work.Lock()
		defer m.work.Unlock()
		m.b.close()
	})
	return nil
}

// enter takes a place, and the right to compute until leave.
func (m *model) enter(ctx context.Context) error {
	m.waiting.Add(1)
	defer m.waiting.Add(-1)
	if err := m.alive(ctx); err != nil {
		return err
	}
	select {
	case m.slots <- struct{}{}:
	case <-ctx.Done():
		return core.AsError(ctx.Err())
	case <-m.gone:
		return m.alive(ctx)
	}
	m.work.RLock()
	if err := m.alive(ctx); err != nil {
		m.work.RUnlock()
		<-m.slots
		return err
	}
	m.active.Add(1)
	return nil
}

func (m *model) leave() {
	m.active.Add(-1)
	m.work.RUnlock()
	<-m.slots
}

// alive is the reason for which a call must end, if there is one.
func (m *model) alive(ctx context.Context) error {
	select {
	case <-m.gone:
		return core.Errorf(core.CodeUnavailable, "The model was unloaded while the request ran; send it again.")
	default:
	}
	if err := ctx.Err(); err != nil {
		return core.AsError(err)
	}
	return nil
}

// Infer implements engine.TensorModel. The libraries do not look between operators whether a run is still wanted, so a call
// whose ctx ends returns at once, and its run keeps its place until it ends by itself.
func (m *model) Infer(ctx context.Context, inputs []core.Tensor, outputs []string) ([]core.Tensor, error) {
	if err := core.Fits(m.facts.Inputs, inputs); err != nil {
		return nil, err
	}
	places, err := core.Wanted(m.facts.Outputs, outputs)
	if err != nil {
		return nil, err
	}
	if err := m.enter(ctx); err != nil {
		return nil, err
	}
	limit := time.Duration(0)
	if end, ok := ctx.Deadline(); ok {
		limit = max(time.Until(end), time.Millisecond)
	}
	type result struct {
		tensors []core.Tensor
		err     error
	}
	done := make(chan result, 1)
	go func() {
		defer m.leave()
		began := time.Now()
		tensors, err := m.b.compute(inputs, places, limit)
		m.steps.Add(1)
		m.busy.Add(uint64(time.Since(began))) //nolint:gosec // not negative
		done <- result{tensors, err}
	}()
	select {
	case r := <-done:
		if gone := m.alive(ctx); gone != nil && r.err != nil {
			return nil, gone
		}
		return r.tensors, r.err
	case <-ctx.Done():
	case <-m.gone:
	}
	return nil, m.alive(ctx)
}

// Stats implements engine.Statter.
func (m *model) Stats(ctx context.Context) (engine.Stats, error) {
	if err := m.alive(ctx); err != nil {
		return engine.Stats{}, err
	}
	return engine.Stats{
		Active: int(m.active.Load()), Waiting: int(m.waiting.Load()), Threads: m.facts.Threads, Steps: m.steps.Load(),
		Busy: time.Duration(m.busy.Load()), //nolint:gosec // far below 2⁶³
	}, nil
}
