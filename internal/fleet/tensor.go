package fleet

import (
	"context"
	"time"

	"ashatai/internal/core"
	"ashatai/internal/engine"
)

// Infer computes tensors. What does not fit the model is refused here, before it goes to a worker. Its placement is Embed's;
// usage holds times only.
func (f *Fleet) Infer(ctx context.Context, t Target, it Item, inputs []core.Tensor, outputs []string) ([]core.Tensor, core.Usage, core.Placement, error) {
	ctx, c, err := f.submit(ctx, &ticket{target: t, item: it, sequences: 1})
	if err != nil {
		return nil, core.Usage{}, core.Placement{}, err
	}
	defer c.end()
	var (
		answer []core.Tensor
		place  core.Placement
		usage  core.Usage
	)
	err = c.use(ctx, func(ctx context.Context, on *live) error {
		m, ok := on.model.(engine.TensorModel)
		if !ok || len(on.facts.Outputs) == 0 {
			return cannot(on, "take tensors")
		}
		if err := core.Fits(on.facts.Inputs, inputs); err != nil {
			return err
		}
		if _, err := core.Wanted(on.facts.Outputs, outputs); err != nil {
			return err
		}
		place = on.placement()
		began := time.Now()
		answer, err = m.Infer(ctx, inputs, outputs)
		usage.Prefill = time.Since(began)
		return err
	})
	if err != nil {
		return nil, core.Usage{}, place, err
	}
	usage.Queued = c.queued
	return answer, usage, place, nil
}
