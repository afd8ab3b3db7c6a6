package serve

import (
	"context"

	"ashatai/internal/core"
	"ashatai/internal/engine"
	"ashatai/internal/worker/wire"
)

// devices looks for what a backend finds. A driver that crashes here takes this process with it and nothing else.
func (s *server) devices(h *wire.Devices) handler {
	return func(ctx context.Context, call uint32) error {
		p, ok := s.runtime.(engine.Prober)
		if !ok {
			return core.Errorf(core.CodeUnsupported, "The runtime %s looks for no devices.", s.runtime.Descriptor().Name)
		}
		r, err := p.Devices(ctx, h.Backend)
		if err != nil {
			return err
		}
		return s.conn.Send(wire.KindDeviceList, call, r, nil)
	}
}
