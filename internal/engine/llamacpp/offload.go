package llamacpp

import (
	"context"
	"strings"

	"ashatai/internal/device"
	"ashatai/internal/device/probe"
	"ashatai/internal/engine"
	"ashatai/internal/engine/llamacpp/layout"
	"ashatai/internal/engine/llamacpp/offload"
	"ashatai/internal/gguf"
	"ashatai/internal/native/llama"
	"ashatai/internal/proc"
)

// Devices implements engine.Prober. It opens drivers, so it belongs into a worker, and a worker asks for one backend.
func (r *Runtime) Devices(ctx context.Context, backend string) (device.Report, error) {
	switch backend {
	case device.System:
		return probe.System(), nil
	case device.NVML:
		return probe.NVIDIA(""), nil
	}
	lib, err := r.open()
	if err != nil {
		return device.Report{}, libraryError(err)
	}
	return r.more.Probe(ctx, lib, backend), nil
}

// offload fits the model into the devices that the load names, and what is left of it into the processor's memory. The use
// is nil where the load names none.
func (r *Runtime) offload(lib *llama.Library, spec engine.LoadSpec, opt *layout.Options, f *gguf.File, l layout.Layout) (layout.Layout, *offload.Use, error) {
	if spec.Offload == nil || len(spec.Offload.Devices) == 0 {
		return l, nil, nil
	}
	free := spec
	free.Memory = 0
	l, err := layout.Fit(free, *opt, f, proc.CPUs())
	if err != nil {
		return l, nil, err
	}
	u, err := r.more.Prepare(lib, spec.Offload, offload.Want{
		Path: spec.Path, File: f, KV: opt.KV, Context: l.Context, Sequences: l.Sequences, Cells: opt.KVTokens, KeepKV: opt.Repeatable || spec.Embedding,
		Params: func(kv gguf.Type) llama.ContextParams {
			if spec.Embedding {
				return embeddingParams(lib, l)
			}
			o := *opt
			o.KV = kv
			return generationParams(lib, o, l)
		},
	})
	if err != nil {
		return l, nil, err
	}
	opt.KV, spec.Context = u.KV, u.Fit.Context
	if spec.Memory > 0 {
		spec.Memory += u.Spared()
	}
	if l, err = layout.Fit(spec, *opt, f, proc.CPUs()); err != nil {
		return l, nil, err
	}
	l.Fallback = strings.Trim(u.Note()+"; "+l.Fallback, "; ")
	return l, u, nil
}

// read reads the weights to where they belong.
func read(lib *llama.Library, path string, u *offload.Use) (*llama.Model, error) {
	if u == nil {
		return lib.LoadModel(path, lib.ModelDefaults())
	}
	return u.Load(lib, path)
}

// place tells where the model lies, once its context was made.
func place(lib *llama.Library, u *offload.Use, f *engine.Facts) {
	if u == nil {
		return
	}
	f.Device, f.Offload = u.Device(), u.Facts(lib)
	for _, d := range f.Offload {
		f.Memory.Weights, f.Memory.KV = max(0, f.Memory.Weights-d.Weights), max(0, f.Memory.KV-d.KV)
	}
}
