package serve

import (
	"context"

	"ashatai/internal/core"
	"ashatai/internal/engine"
	"ashatai/internal/worker/wire"
)

// variant makes and judges other weights. A worker does this once and nothing else.
func (s *server) variant(h *engine.VariantSpec) handler {
	return func(ctx context.Context, call uint32) error {
		o, ok := s.runtime.(engine.Optimizer)
		if !ok {
			return core.Errorf(core.CodeUnsupported, "The runtime %s cannot make other weights.", s.runtime.Descriptor().Name)
		}
		s.mu.Lock()
		again := s.loading
		s.loading = true
		s.mu.Unlock()
		if again {
			return core.Errorf(core.CodeConflict, "This worker has its work already.")
		}
		stage, last := "", 0.0
		v, err := o.Variant(ctx, *h, func(now string, part float64) {
			if now != stage || part >= last+0.01 || part >= 1 {
				stage, last = now, part
				_ = s.conn.Send(wire.KindProgress, call, wire.Progress{Stage: now, Fraction: part}, nil)
			}
		})
		if err != nil {
			return err
		}
		return s.conn.Send(wire.KindVariantMade, call, v, nil)
	}
}
