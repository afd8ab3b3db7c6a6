package fallback

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"time"

	"ashatai/internal/core"
	"ashatai/internal/device"
	"ashatai/internal/engine"
)

// Reasons of a fallback, as metrics name them.
const (
	ReasonMissing = "device_missing" // no device, no library, no driver
	ReasonMemory  = "device_memory"  // it has no room
	ReasonFailed  = "device_failed"  // the load on it failed, crashed or hung
	ReasonReduced = "device_reduced" // it has room for less than was asked for
)

// Config are the two ways to load a model.
type Config struct {
	CPU      engine.Runtime // its processes may open no device
	GPU      engine.Runtime // its processes may
	Registry *Registry
	Fell     func(reason string) // counts a fallback; may be nil
	Log      *slog.Logger
}

// New makes a runtime whose loads use the devices that LoadSpec.Offload wishes for, where that can be.
func New(c Config) *Runtime {
	if c.Fell == nil {
		c.Fell = func(string) {}
	}
	return &Runtime{c: c, loading: make(chan struct{}, 1)}
}

// Runtime implements engine.Runtime and engine.Optimizer.
type Runtime struct {
	c       Config
	loading chan struct{} // holds one value while a load on devices runs, so that the next one sees what it took
}

// Descriptor implements engine.Runtime.
func (r *Runtime) Descriptor() engine.Descriptor { return r.c.CPU.Descriptor() }

// Probe implements engine.Runtime.
func (r *Runtime) Probe(ctx context.Context) engine.Status {
	s := r.c.CPU.Probe(ctx)
	if ready := Ready(r.c.Registry.Report(ctx)); s.Ready && len(ready) > 0 {
		s.Device = strings.Join(append(ready, s.Device), ", ")
	}
	return s
}

// Variant implements engine.Optimizer, on the processor.
func (r *Runtime) Variant(ctx context.Context, spec engine.VariantSpec, step func(string, float64)) (engine.Variant, error) {
	o, ok := r.c.CPU.(engine.Optimizer)
	if !ok {
		return engine.Variant{}, core.Errorf(core.CodeUnsupported, "The runtime %s cannot make other weights.", r.Descriptor().Name)
	}
	spec.Load.Offload = nil
	return o.Variant(ctx, spec, step)
}

// Load implements engine.Runtime.
func (r *Runtime) Load(ctx context.Context, spec engine.LoadSpec, progress func(float64)) (engine.Model, error) {
	o := spec.Offload
	if o == nil || o.Policy == "" || o.Policy == device.PolicyCPU {
		spec.Offload = nil
		return r.c.CPU.Load(ctx, spec, progress)
	}
	select {
	case r.loading <- struct{}{}:
	case <-ctx.Done():
		return nil, core.AsError(ctx.Err())
	}
	m, reason, err := r.onDevices(ctx, spec, progress)
	<-r.loading
	if err == nil {
		return m, nil
	}
	e := core.AsError(err)
	if ctx.Err() != nil || e.Code == core.CodeInvalidRequest {
		return nil, err
	}
	if o.Policy == device.PolicyRequire {
		return nil, core.Wrap(refusal(e.Code), err, "The model must run on a device (require-gpu), and none serves it: %s", e.Message)
	}
	r.c.Fell(reason)
	r.c.Log.WarnContext(ctx, "a model falls back to the processor", slog.String("path", spec.Path), slog.String("reason", reason), slog.Any("error", err))
	spec.Offload = nil
	spec.Fallback = strings.Trim(spec.Fallback+"; the processor instead of a device: "+sentence(e.Message), "; ")
	return r.c.CPU.Load(ctx, spec, progress)
}

// refusal is the code of a load that may not fall back.
func refusal(c core.Code) core.Code {
	if c == core.CodeOutOfMemory {
		return c
	}
	return core.CodeUnavailable
}

func wishOf(o *engine.Offload) device.Wish {
	return device.Wish{Policy: o.Policy, Backend: o.Backend, Devices: o.Wanted, Index: o.Index}
}

// Expect is what a load that needs so many bytes in all is expected to take of devices. It looks at none.
func (r *Runtime) Expect(spec engine.LoadSpec, estimate int64) []device.Part {
	if spec.Offload == nil || spec.Offload.Policy == "" || spec.Offload.Policy == device.PolicyCPU {
		return nil
	}
	return r.c.Registry.expect(spec, estimate)
}

// onDevices loads on the devices that the spec wishes for. A load that took more than its part of a device is made once more, with what
// was learned by it.
func (r *Runtime) onDevices(ctx context.Context, spec engine.LoadSpec, progress func(float64)) (_ engine.Model, reason string, _ error) {
	// What was found may be gone: a driver that was updated or removed, a machine that slept.
	wish := wishOf(spec.Offload)
	chosen, why := device.Choose(r.c.Registry.Report(ctx), wish)
	if why != "" {
		chosen, why = device.Choose(r.c.Registry.Look(ctx), wish)
	}
	if why != "" {
		return nil, ReasonMissing, core.Errorf(core.CodeUnavailable, "%s.", strings.ToUpper(why[:1])+why[1:])
	}
	// A driver that hangs in a load must leave time for the load on the processor.
	limited, cancel := half(ctx)
	defer cancel()
	m, reason, err := r.load(limited, spec, chosen, progress)
	if errors.Is(err, errOver) {
		r.c.Log.InfoContext(ctx, "a model took more of a device than it may, and is loaded again", slog.String("path", spec.Path), slog.Any("error", err))
		m, reason, err = r.load(limited, spec, chosen, progress)
	}
	if err != nil {
		if errors.Is(limited.Err(), context.DeadlineExceeded) && ctx.Err() == nil {
			err = core.Wrap(core.CodeUnavailable, err, "The load on %s took too long; its driver probably hangs.", chosen[0].ID)
		}
		return nil, reason, err
	}
	r.c.Registry.hold(m)
	if m.Facts().Fallback != "" {
		r.c.Fell(ReasonReduced)
	}
	return m, "", nil
}

// errOver: a model took more of a device than it may.
var errOver = errors.New("more than the limit")

// load loads once, within what the limits leave of the devices, and learns what it took.
func (r *Runtime) load(ctx context.Context, spec engine.LoadSpec, chosen []device.Device, progress func(float64)) (_ engine.Model, reason string, _ error) {
	o := *spec.Offload
	o.Devices = nil
	for _, d := range chosen {
		room := r.c.Registry.room(d.ID)
		if room < 0 {
			return nil, ReasonMemory, core.Errorf(core.CodeOutOfMemory, "Models take all of the memory that gpu.memory_limits allows of %s.", d.ID)
		}
		o.Devices = append(o.Devices, engine.DeviceShare{ID: d.ID, Limit: room, Beyond: r.c.Registry.beyond(spec, d.ID)})
	}
	spec.Offload = &o
	m, err := r.c.GPU.Load(ctx, spec, progress)
	if err != nil {
		if core.CodeOf(err) == core.CodeOutOfMemory {
			r.c.Registry.doubt(spec)
		}
		return nil, reasonOf(err), err
	}
	f := m.Facts()
	r.c.Registry.learn(ctx, spec, f)
	for _, u := range f.Offload {
		i := slices.IndexFunc(o.Devices, func(s engine.DeviceShare) bool { return s.ID == u.ID })
		if i < 0 || o.Devices[i].Limit == 0 || u.Total() <= o.Devices[i].Limit {
			continue
		}
		return nil, ReasonMemory, errors.Join(closed(m), core.Wrap(core.CodeOutOfMemory, errOver, "The model took %d MiB of %s, and gpu.memory_limits leaves it %d.", u.Total()>>20, u.ID, o.Devices[i].Limit>>20))
	}
	return m, "", nil
}

// closed closes a model, and waits until its memory is free.
func closed(m engine.Model) error {
	err := m.Close()
	<-done(m)
	return err
}

// done is closed when nothing is left of a model. One that does not tell is gone at once.
func done(m engine.Model) <-chan struct{} {
	if d, ok := m.(interface{ Done() <-chan struct{} }); ok {
		return d.Done()
	}
	gone := make(chan struct{})
	close(gone)
	return gone
}

// reasonOf is why a load on devices failed, as metrics name it.
func reasonOf(err error) string {
	switch core.CodeOf(err) { //nolint:exhaustive // all others are failures
	case core.CodeOutOfMemory:
		return ReasonMemory
	case core.CodeUnavailable:
		return ReasonMissing
	}
	return ReasonFailed
}

// half is ctx with an end after half of the time that is left.
func half(ctx context.Context) (context.Context, context.CancelFunc) {
	end, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, time.Until(end)/2)
}
