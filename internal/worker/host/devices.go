package host

import (
	"context"
	"errors"

	"ashatai/internal/core"
	"ashatai/internal/device"
	"ashatai/internal/worker/wire"
)

// Devices implements engine.Prober with a worker for it alone. A driver that crashes or hangs costs that worker: the error
// says so, and the process has ended when Devices returns.
func (r *remote) Devices(ctx context.Context, backend string) (device.Report, error) {
	var out device.Report
	w, _, err := r.h.start(ctx, r.h.launch(r.name, "", ""))
	if err != nil {
		return out, err
	}
	err = w.ask(ctx, wire.KindDevices, wire.Devices{Backend: backend}, nil, only(wire.KindDeviceList, func(f *wire.Frame) error { return f.Decode(&out) }))
	if ctx.Err() != nil {
		w.discard() // a driver that hangs looks at nothing else
	} else {
		w.close()
	}
	exit, died := errors.AsType[*Exit](err)
	switch {
	case died:
		return out, core.Wrap(core.CodeWorkerDied, err, "The process that looked for devices ended (%s); the driver is probably broken.", word(exit.Class))
	case err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded):
		return out, core.Wrap(core.CodeDeadline, err, "The driver did not answer; the process that asked it was ended.")
	}
	return out, err
}
