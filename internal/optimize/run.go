package optimize

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"

	"ashatai/internal/core"
	"ashatai/internal/engine"
)

const (
	reserve    = 512 << 20 // bytes of a trial beside the weights: contexts, logits
	widestBits = 8.5       // of a weight of the widest type
)

// Run tries the types, keeps the best one that may be used, and writes down what was found; a model that is best as it is
// gets a record without a winner. Step, which is never nil, is called from this goroutine. Ending ctx stops within
// seconds and leaves what was found before as it was. A type that fails does not stop the others. Errors: CodeConflict
// while another run is on, CodeUnsupported, CodeOutOfMemory, CodeDiskFull, those of Maker when every type failed.
func (s *Service) Run(ctx context.Context, t Target, step func(Progress)) (*Record, error) {
	if !s.running.TryLock() {
		return nil, core.Errorf(core.CodeConflict, "Another model is being optimized; wait until that is done.")
	}
	defer s.running.Unlock()
	ctx, end := s.begin(ctx)
	defer end()
	if err := t.check(); err != nil {
		return nil, err
	}
	job, err := os.MkdirTemp(s.cfg.Dir, jobPrefix)
	if err != nil {
		return nil, s.explain(err)
	}
	defer func() { _ = os.RemoveAll(job) }() // the next start tries again
	rec := &Record{Model: t.Model.Name, Digest: t.Model.Digest, Machine: s.cfg.Machine, Made: s.cfg.Now().UTC()}
	best, file := -1, ""
	var failed error
	for _, typ := range t.Types {
		out := filepath.Join(job, typ+suffix)
		v, err := s.try(ctx, t, typ, out, step)
		if ctx.Err() != nil {
			return nil, core.AsError(context.Cause(ctx))
		}
		if err != nil {
			failed = err
			v = engine.Variant{Type: typ, Refused: "they could not be tried: " + core.AsError(err).Message}
			s.cfg.Log.WarnContext(ctx, "a type of weights could not be tried", slog.String("model", rec.Model), slog.String("type", typ), slog.String("error", err.Error()))
		} else {
			v.Refused = objection(v)
			rec.Release = v.Release
		}
		rec.Trials = append(rec.Trials, v)
		step(Progress{Type: typ, Trial: &v})
		old := out
		if v.Refused == "" && (best < 0 || score(v) > score(rec.Trials[best])) {
			old, best, file = file, len(rec.Trials)-1, out
		}
		if old != "" {
			_ = os.Remove(old) // the folder goes at the end
		}
	}
	if failed != nil && rec.Release == "" {
		return nil, failed // not one was tried
	}
	if err := s.keep(ctx, rec, best, file); err != nil {
		return nil, err
	}
	return rec, nil
}

// check refuses what cannot be tried.
func (t Target) check() error {
	m := t.Model
	if t.Maker == nil || len(t.Types) == 0 {
		return core.Errorf(core.CodeUnsupported, "The runtime of %s cannot make other weights; only GGUF models under llama.cpp can be optimized.", m.Name)
	}
	if !m.Can(core.CapGenerate) && !m.Can(core.CapChat) {
		return core.Errorf(core.CodeUnsupported, "%s does not generate text; only a model that does can be optimized.", m.Name)
	}
	if need := m.Size() + int64(float64(m.Parameters)*widestBits/8) + reserve; t.Free > 0 && need > t.Free {
		return core.Errorf(core.CodeOutOfMemory, "Optimizing %s takes %d MiB of memory, as both weights are loaded at once to compare them, and %d MiB are free for models. Unload other models, or raise fleet.memory_budget.",
			m.Name, need>>20, t.Free>>20)
	}
	return nil
}

func (s *Service) try(ctx context.Context, t Target, typ, out string, step func(Progress)) (engine.Variant, error) {
	spec := engine.VariantSpec{Load: t.Load, Type: typ, Out: out, MaxDivergence: MaxDivergence}
	spec.Load.Scratch = "" // it serves nobody
	v, err := t.Maker.Variant(ctx, spec, func(stage string, part float64) { step(Progress{Type: typ, Stage: stage, Part: part}) })
	if err == nil && v.Type != typ {
		err = core.Wrap(core.CodeInternal, errors.New("wrong type"), "The runtime made weights of the type %q instead of %q.", v.Type, typ)
	}
	return v, err
}
