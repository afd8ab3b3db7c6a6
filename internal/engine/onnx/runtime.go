// Package onnx serves models in the format of ONNX through ONNX Runtime: tensors by name, and embeddings with the pooling
// that the model's files ask for. A model is a folder: the model file, and beside it what belongs to it (tokenizer.json,
// config.json, files of weights). It reads nothing outside of that folder, and hands no file to the library that package
// onnxfile has not accepted.
package onnx

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"

	"ashatai/internal/core"
	"ashatai/internal/engine"
	"ashatai/internal/engine/catalog"
	"ashatai/internal/native"
	"ashatai/internal/native/ort"
	"ashatai/internal/proc"
)

// Runtime loads models with the library in one folder, which it opens at the first use.
type Runtime struct {
	open func() (*ort.Library, error)
}

// New makes a runtime that uses the library in dir; an empty dir means share/ashatai/lib/onnxruntime beside the program's
// folder.
func New(dir string) *Runtime {
	return &Runtime{open: sync.OnceValues(func() (*ort.Library, error) {
		if dir == "" {
			var err error
			if dir, err = ort.DefaultDir(); err != nil {
				return nil, err
			}
		}
		return ort.Open(dir)
	})}
}

// Descriptor implements engine.Runtime.
func (r *Runtime) Descriptor() engine.Descriptor {
	d, _ := catalog.Get(catalog.ONNX)
	return d
}

// Probe implements engine.Runtime. It opens the library, so it belongs into a worker.
func (r *Runtime) Probe(context.Context) engine.Status {
	lib, err := r.open()
	if err != nil {
		return engine.Status{Missing: libraryError(err).Message}
	}
	return engine.Status{Ready: true, Version: lib.Version(), Device: "cpu"}
}

// libraryError says what is wrong with the library and what to do.
func libraryError(err error) *core.Error {
	const remedy = "Run `ashatai runtime install onnx` to install the pinned library."
	switch {
	case errors.Is(err, native.ErrMismatch):
		return core.Wrap(core.CodeUnavailable, err, "ONNX Runtime's library is not the pinned one of release %s: %v. %s", ort.Release, err, remedy)
	case errors.Is(err, native.ErrMissing):
		return core.Wrap(core.CodeUnavailable, err, "ONNX Runtime's library of release %s is not installed: %v. %s", ort.Release, err, remedy)
	}
	return core.Wrap(core.CodeUnavailable, err, "ONNX Runtime's library cannot be used: %v. %s", err, remedy)
}

const (
	maxSequences = 64
	maxThreads   = 4096
	maxContext   = 1 << 20
)

// Load implements engine.Runtime.
func (r *Runtime) Load(ctx context.Context, spec engine.LoadSpec, progress func(float64)) (engine.Model, error) {
	for name := range spec.Options {
		return nil, core.Invalid("options", "The runtime onnx has no option %.80q.", name)
	}
	for _, b := range []struct {
		name   string
		v, max int
	}{{"sequences", spec.Sequences, maxSequences}, {"context", spec.Context, maxContext}, {"batch", spec.Batch, maxContext}, {"threads", spec.Threads, maxThreads}} {
		if b.v < 0 || b.v > b.max {
			return nil, core.Invalid(b.name, "%s is %d; it must be between 0 and %d, where 0 lets the runtime choose.", b.name, b.v, b.max)
		}
	}
	f, err := inspect(spec.Path)
	if err != nil {
		return nil, err
	}
	if need := f.model.Weights + computeReserve; spec.Memory > 0 && need > spec.Memory {
		return nil, core.Errorf(core.CodeOutOfMemory, "The model needs at least %d MiB and %d MiB are allowed for it. Use a smaller model, or raise fleet.memory_budget.", need>>20, spec.Memory>>20)
	}
	tell := func(p float64) {
		if progress != nil {
			progress(p)
		}
	}
	tell(0.1)
	lib, err := r.open()
	if err != nil {
		return nil, libraryError(err)
	}
	if err := ctx.Err(); err != nil {
		return nil, core.AsError(err)
	}
	threads := proc.CPUs()
	if spec.Threads > 0 {
		threads = min(spec.Threads, threads)
	}
	s, err := lib.NewSession(spec.Path, ort.Options{Threads: threads})
	if err != nil {
		return nil, core.Wrap(core.CodeBadModel, err, "ONNX Runtime cannot load %s: %s. The file may need a newer release than %s, or be damaged; get it again.", spec.Path, reason(err), ort.Release)
	}
	tell(0.9)
	m, err := newModel(lib, s, f, spec, threads)
	if err != nil {
		s.Close()
		return nil, err
	}
	tell(1)
	return m, nil
}

// computeReserve is memory for what is between the inputs and the outputs, before it is known.
const computeReserve = 64 << 20

// reason is the part of an error that the library itself gave.
func reason(err error) string {
	return strings.TrimRight(strings.TrimPrefix(err.Error(), ort.ErrFailed.Error()+": "), ". \n")
}

// infos says what a session takes or gives in the words of the contract.
func infos(list []ort.Info) ([]core.TensorInfo, error) {
	out := make([]core.TensorInfo, 0, len(list))
	for _, i := range list {
		t := typeOf(i.Type)
		if t == "" {
			return nil, core.Errorf(core.CodeBadModel, "The model's %.80q is no tensor of a type that can be served (ONNX type %d). Convert the model so that it takes and gives plain tensors.", i.Name, i.Type)
		}
		out = append(out, core.TensorInfo{Name: i.Name, Type: t, Shape: slices.Clone(i.Shape)})
	}
	return out, nil
}

// types are ONNX's numbers of the element types.
func types() map[core.DataType]int {
	return map[core.DataType]int{
		core.FP32: ort.Float32, core.FP64: ort.Float64, core.FP16: ort.Float16, core.BF16: ort.BFloat16, core.Bool: ort.Bool,
		core.Int8: ort.Int8, core.Int16: ort.Int16, core.Int32: ort.Int32, core.Int64: ort.Int64,
		core.Uint8: ort.Uint8, core.Uint16: ort.Uint16, core.Uint32: ort.Uint32, core.Uint64: ort.Uint64, core.Bytes: ort.String,
	}
}

func typeOf(number int) core.DataType {
	for t, n := range types() {
		if n == number {
			return t
		}
	}
	return ""
}
