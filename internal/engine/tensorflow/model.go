package tensorflow

import (
	"context"
	"slices"
	"time"

	"ashatai/internal/core"
	"ashatai/internal/engine"
	"ashatai/internal/engine/door"
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
	door  *door.Door
}

func newModel(facts engine.Facts, b backend) *model {
	m := &model{facts: facts, b: b, door: door.New(facts.Sequences)}
	m.door.OnClose(b.stop)
	return m
}

// Facts implements engine.Model.
func (m *model) Facts() engine.Facts {
	f := m.facts
	f.Capabilities, f.Inputs, f.Outputs = slices.Clone(f.Capabilities), slices.Clone(f.Inputs), slices.Clone(f.Outputs)
	return f
}

// Close implements engine.Model. What computes is told to end, and waited for.
func (m *model) Close() error {
	m.door.Close(m.b.close)
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
	if err := m.door.Enter(ctx); err != nil {
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
		defer m.door.Leave()
		began := time.Now()
		tensors, err := m.b.compute(inputs, places, limit)
		m.door.Computed(began)
		done <- result{tensors, err}
	}()
	select {
	case r := <-done:
		if gone := m.door.Alive(ctx); gone != nil && r.err != nil {
			return nil, gone
		}
		return r.tensors, r.err
	case <-ctx.Done():
	case <-m.door.Closed():
	}
	return nil, m.door.Alive(ctx)
}

// Stats implements engine.Statter.
func (m *model) Stats(ctx context.Context) (engine.Stats, error) {
	s, err := m.door.Stats(ctx)
	s.Threads = m.facts.Threads
	return s, err
}
