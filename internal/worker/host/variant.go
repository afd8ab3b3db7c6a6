package host

import (
	"context"
	"errors"
	"path/filepath"

	"ashatai/internal/core"
	"ashatai/internal/engine"
	"ashatai/internal/proc"
	"ashatai/internal/worker/wire"
)

// Variant implements engine.Optimizer with a worker for it alone, which may read the model's folder and write in that of
// spec.Out. The process has ended when Variant returns, also where ctx ended it.
func (r *remote) Variant(ctx context.Context, spec engine.VariantSpec, step func(string, float64)) (engine.Variant, error) {
	if !filepath.IsAbs(spec.Load.Path) || !filepath.IsAbs(spec.Out) {
		return engine.Variant{}, core.Errorf(core.CodeInvalidRequest, "The paths of the files are not absolute.")
	}
	w, _, err := r.h.start(ctx, r.h.launch(r.name, spec.Load.Path, filepath.Dir(spec.Out)))
	if err != nil {
		return engine.Variant{}, err
	}
	v, err := w.variant(ctx, spec, step)
	if ctx.Err() != nil {
		w.discard() // a library that writes a file looks at nothing else
	} else {
		w.close()
	}
	exit, died := errors.AsType[*Exit](err)
	switch {
	case died && exit.Class == proc.ClassOutOfMemory:
		return v, core.Wrap(core.CodeOutOfMemory, err, "Memory did not suffice to make and compare the weights as %s; unload other models and try again.", spec.Type)
	case died:
		return v, core.Wrap(core.CodeWorkerDied, err, "The worker process ended while it made the weights as %s (%s); the server's log has what it wrote.", spec.Type, word(exit.Class))
	}
	return v, err
}

// stagePart is one step of a variant.
type stagePart struct {
	stage string
	part  float64
}

// variant asks for the work. Progress is told from this goroutine, so that a slow listener holds up no frame.
func (w *worker) variant(ctx context.Context, spec engine.VariantSpec, step func(string, float64)) (engine.Variant, error) {
	var made engine.Variant
	steps := make(chan stagePart, 16)
	result := make(chan error, 1)
	go func() {
		result <- w.ask(ctx, wire.KindVariant, spec, nil, func(f *wire.Frame) (bool, error) {
			if f.Kind == wire.KindVariantMade {
				return true, f.Decode(&made)
			}
			var p wire.Progress
			if f.Kind != wire.KindProgress {
				return true, &wire.BrokenError{Reason: "the answer to variant is " + f.Kind.String()}
			}
			if err := f.Decode(&p); err != nil {
				return true, err
			}
			select {
			case steps <- stagePart{p.Stage, p.Fraction}:
			default:
			}
			return false, nil
		})
	}()
	for {
		select {
		case s := <-steps:
			if step != nil {
				step(s.stage, s.part)
			}
		case err := <-result:
			if err != nil {
				return engine.Variant{}, err
			}
			return made, nil
		}
	}
}
