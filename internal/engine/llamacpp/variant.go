package llamacpp

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"ashatai/internal/core"
	"ashatai/internal/engine"
	"ashatai/internal/engine/llamacpp/crew"
	"ashatai/internal/engine/llamacpp/duel"
	"ashatai/internal/engine/llamacpp/layout"
	"ashatai/internal/gguf"
	"ashatai/internal/native/llama"
	"ashatai/internal/proc"
)

// fileTypes are the mixtures that the catalog's types of weights mean.
func fileTypes() map[string]llama.FileType {
	return map[string]llama.FileType{
		"q8_0": llama.FileQ8_0, "q5_0": llama.FileQ5_0, "q4_k_m": llama.FileQ4_K_M, "iq4_nl": llama.FileIQ4_NL, "q4_0": llama.FileQ4_0,
	}
}

// The parts of Variant that its listener is told of.
const (
	stageMake    = "making"
	stageCompare = "comparing"
	stageMeasure = "measuring"
)

// Variant implements engine.Optimizer. Writing the weights cannot be interrupted, so a caller that cancels must end the
// process.
func (r *Runtime) Variant(ctx context.Context, spec engine.VariantSpec, step func(string, float64)) (engine.Variant, error) {
	to, ok := fileTypes()[spec.Type]
	switch {
	case !ok:
		return engine.Variant{}, core.Errorf(core.CodeUnsupported, "The llama.cpp runtime makes no weights of the type %q.", spec.Type)
	case !filepath.IsAbs(spec.Out):
		return engine.Variant{}, core.Invalid("out", "The path of the file to write is not absolute.")
	}
	if step == nil {
		step = func(string, float64) {}
	}
	opt, err := layout.Parse(spec.Load.Options)
	if err != nil {
		return engine.Variant{}, err
	}
	old, err := inspect(spec.Load.Path)
	if err != nil {
		return engine.Variant{}, err
	}
	cores := proc.CPUs()
	plan, err := layout.Fit(spec.Load, opt, old, cores)
	if err != nil {
		return engine.Variant{}, err
	}
	lib, err := r.open()
	if err != nil {
		return engine.Variant{}, libraryError(err)
	}
	step(stageMake, 0)
	if err := lib.Quantize(spec.Load.Path, spec.Out, to, cores); err != nil {
		return engine.Variant{}, core.Wrap(core.CodeDiskFull, err, "llama.cpp could not write the weights as %s: %s. Check that the disk has room for them.",
			spec.Type, strings.TrimPrefix(err.Error(), llama.ErrQuantize.Error()+": "))
	}
	step(stageMake, 1)
	v := engine.Variant{Type: spec.Type, Release: llama.Release}
	made, err := inspect(spec.Out)
	if err != nil {
		return v, err
	}
	if info, err := os.Stat(spec.Out); err == nil {
		v.Bytes = info.Size()
	}
	if v.Refused = misfit(spec.Load, opt, old, made, plan, cores); v.Refused != "" {
		return v, nil
	}
	step(stageCompare, 0)
	found, err := duel.Run(ctx, duel.Config{
		Library: lib, AsIs: spec.Load.Path, Other: spec.Out, Threads: plan.Threads.Most(), Poll: crew.Polling, MaxDivergence: spec.MaxDivergence,
		Step: func(measuring bool, part float64) {
			if measuring {
				step(stageMeasure, part)
			} else {
				step(stageCompare, part)
			}
		},
	})
	if err != nil {
		return v, err
	}
	v.Divergence, v.Agreement, v.Tokens, v.Speeds = found.Divergence, found.Agreement, found.Tokens, found.Speeds
	if found.Speeds == nil {
		v.Refused = fmt.Sprintf("they differ too much: %.3f nats per token, %.3g are allowed", v.Divergence, spec.MaxDivergence)
	}
	return v, nil
}

// misfit says why the made weights could not serve as the old ones do; empty when they can.
func misfit(load engine.LoadSpec, opt layout.Options, old, made *gguf.File, plan layout.Layout, cores int) string {
	if made.QuantizationName() == old.QuantizationName() {
		return "the file has these weights already"
	}
	if made.ParameterCount() != old.ParameterCount() || made.VocabSize() != old.VocabSize() || made.Architecture() != old.Architecture() {
		return "the file that was written is of another shape"
	}
	now, err := layout.Fit(load, opt, made, cores)
	if err != nil {
		return "they do not fit the memory: " + core.AsError(err).Message
	}
	if now.Context < plan.Context || now.Sequences < plan.Sequences || now.Cells < plan.Cells {
		return fmt.Sprintf("with them the memory has room for %d sequences of %d tokens instead of %d of %d", now.Sequences, now.Context, plan.Sequences, plan.Context)
	}
	return ""
}
