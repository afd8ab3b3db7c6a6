package host

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"ashatai/internal/core"
	"ashatai/internal/engine"
	"ashatai/internal/proc"
	"ashatai/internal/worker/wire"
)

// Runtime makes a runtime of which every loaded model is a worker process. The models implement all capability interfaces
// and answer CodeUnsupported for what the worker's model cannot do; they also have Done, Exit, PID and Tier.
func (h *Host) Runtime(name string, d engine.Descriptor) engine.Runtime {
	return &remote{h: h, name: name, d: d}
}

type remote struct {
	h    *Host
	name string
	d    engine.Descriptor
}

// Descriptor is the one that Runtime was given.
func (r *remote) Descriptor() engine.Descriptor { return r.d }

// Probe asks a worker that is started for it alone.
func (r *remote) Probe(ctx context.Context) engine.Status {
	i, err := r.h.Inspect(ctx, r.name)
	if err != nil {
		return engine.Status{Missing: core.AsError(err).Message}
	}
	return i.Status
}

// Inspection is what a worker says of itself without a model.
type Inspection struct {
	Build  string
	Tier   string // the sandbox in force, with what is missing and why
	Status engine.Status
}

// Inspect starts a worker of a runtime, asks it about itself and ends it.
func (h *Host) Inspect(ctx context.Context, runtime string) (Inspection, error) {
	w, hello, err := h.start(ctx, h.launch(runtime, "", ""))
	if err != nil {
		return Inspection{}, err
	}
	defer w.close()
	var st wire.Status
	err = w.ask(ctx, wire.KindProbe, nil, nil, only(wire.KindStatus, func(f *wire.Frame) error { return f.Decode(&st) }))
	if err != nil {
		return Inspection{}, err
	}
	return Inspection{Build: hello.Build, Tier: hello.Tier, Status: engine.Status(st)}, nil
}

// launch makes the arguments for a worker that reads the folder of one model file, and writes in scratch when that is not
// empty.
func (h *Host) launch(runtime, path, scratch string) wire.Launch {
	l := wire.Launch{
		Runtime: runtime, Heartbeat: h.cfg.HeartbeatEvery, MemoryBytes: h.cfg.Limits.MemoryBytes, OpenFiles: h.cfg.Limits.OpenFiles,
		ReadPaths: append([]string{}, h.cfg.ReadPaths...), Devices: h.cfg.Devices,
	}
	if path == "" {
		return l
	}
	if scratch != "" {
		l.WritePaths = []string{scratch}
	}
	l.ReadPaths = append(l.ReadPaths, filepath.Dir(path))
	// The sandbox follows names to what they mean when it is entered, so both folders must be given.
	if real, err := filepath.EvalSymlinks(path); err == nil && real != path {
		l.ReadPaths = append(l.ReadPaths, filepath.Dir(real))
	}
	return l
}

// Load starts a worker and loads the model in it. Besides the contract's errors: a worker that dies while it loads is
// CodeOutOfMemory or CodeBadModel, with an *Exit in the chain.
func (r *remote) Load(ctx context.Context, spec engine.LoadSpec, progress func(float64)) (engine.Model, error) {
	if !filepath.IsAbs(spec.Path) {
		return nil, core.Errorf(core.CodeInvalidRequest, "The path of the model file is not absolute.")
	}
	if spec.Scratch != "" {
		// It must be there before the sandbox is, which lets the worker reach only what exists.
		if err := os.MkdirAll(spec.Scratch, 0o700); err != nil {
			return nil, core.Wrap(core.CodeDiskFull, err, "The folder %s for the model's cache cannot be made. Free some space, or check who owns the folder above it.", spec.Scratch)
		}
	}
	w, hello, err := r.h.start(ctx, r.h.launch(r.name, spec.Path, spec.Scratch))
	if err != nil {
		return nil, err
	}
	facts, err := w.load(ctx, spec, progress)
	if err != nil {
		if ctx.Err() != nil {
			w.discard() // a library may not look at the cancellation for long
		} else {
			w.close()
		}
		return nil, loadError(err)
	}
	facts.Fallback = strings.Trim(spec.Fallback+"; "+facts.Fallback, "; ")
	return &model{w: w, hello: hello, facts: facts}, nil
}

// load asks for the model. Progress is told from this goroutine, so that a slow listener holds up no frame.
func (w *worker) load(ctx context.Context, spec engine.LoadSpec, progress func(float64)) (engine.Facts, error) {
	var loaded wire.Loaded
	steps := make(chan float64, 128)
	result := make(chan error, 1)
	go func() {
		result <- w.ask(ctx, wire.KindLoad, wire.Load{Spec: spec}, nil, func(f *wire.Frame) (bool, error) {
			if f.Kind == wire.KindLoaded {
				return true, f.Decode(&loaded)
			}
			var p wire.Progress
			if f.Kind != wire.KindProgress {
				return true, &wire.BrokenError{Reason: "the answer to load is " + f.Kind.String()}
			}
			if err := f.Decode(&p); err != nil {
				return true, err
			}
			select {
			case steps <- p.Fraction:
			default:
			}
			return false, nil
		})
	}()
	tell := func(p float64) {
		if progress != nil {
			progress(p)
		}
	}
	for {
		select {
		case p := <-steps:
			tell(p)
		case err := <-result:
			for err == nil && len(steps) > 0 {
				tell(<-steps)
			}
			return loaded.Facts, err
		}
	}
}

// loadError turns the death of a loading worker into an answer about the model.
func loadError(err error) error {
	exit, ok := errors.AsType[*Exit](err)
	if !ok {
		return err
	}
	switch exit.Class { //nolint:exhaustive // the rest is put down to the file
	case proc.ClassOutOfMemory:
		return core.Wrap(core.CodeOutOfMemory, err, "Memory did not suffice to load the model; free some, or load it with a smaller context.")
	case proc.ClassKilled:
		return core.Wrap(core.CodeWorkerDied, err, "The worker process was killed while it loaded the model; ask again. If it happens again, "+
			"something else on this machine ends processes: one that guards memory, such as earlyoom or systemd-oomd, or an administrator.")
	}
	return core.Wrap(core.CodeBadModel, err, "The worker process ended while it loaded the model (%s); the file is probably broken or of a kind that the runtime cannot read.", word(exit.Class))
}
