package node

import (
	"context"
	"sync/atomic"

	"ashatai/internal/api/ops"
)

// health is what the health calls tell: starting, ready, draining.
type health struct{ state atomic.Int32 }

const (
	stateReady int32 = iota + 1
	stateDraining
)

func (h *health) started() { h.state.CompareAndSwap(0, stateReady) }
func (h *health) drain()   { h.state.Store(stateDraining) }

func (h *health) draining() bool { return h.state.Load() == stateDraining }

func (h *health) isReady() bool { return h.state.Load() == stateReady }

// Live implements ops.Health: a process that answers works.
func (h *health) Live(context.Context) map[string]ops.Check {
	return map[string]ops.Check{"process": {OK: true}}
}

// Ready implements ops.Health.
func (h *health) Ready(context.Context) map[string]ops.Check {
	c := ops.Check{OK: h.state.Load() == stateReady}
	switch h.state.Load() {
	case 0:
		c.Detail = "The server is starting."
	case stateDraining:
		c.Detail = "The server is shutting down and takes no new requests."
	}
	return map[string]ops.Check{"server": c}
}

// Startup implements ops.Health.
func (h *health) Startup(context.Context) map[string]ops.Check {
	return map[string]ops.Check{"server": {OK: h.state.Load() != 0}}
}
