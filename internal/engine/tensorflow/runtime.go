// Package tensorflow serves models of TensorFlow by tensors: SavedModels through TensorFlow's own library, and files of
// TensorFlow Lite through LiteRT. A SavedModel is a folder; one of its signatures is served. It reads nothing outside of that
// folder, and hands nothing to the libraries that packages savedmodel and tflite have not accepted.
package tensorflow

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"sync"

	"ashatai/internal/core"
	"ashatai/internal/engine"
	"ashatai/internal/engine/catalog"
	"ashatai/internal/native"
	"ashatai/internal/native/litert"
	"ashatai/internal/native/tf"
	"ashatai/internal/proc"
	"ashatai/internal/savedmodel"
	"ashatai/internal/tflite"
)

// Runtime loads models with the libraries in one folder, each of which it opens at the first use.
type Runtime struct {
	open     func() (*tf.Library, error)
	openLite func() (*litert.Library, error)
}

// New makes a runtime that uses the libraries in dir; an empty dir means share/ashatai/lib/tensorflow beside the program's
// folder.
func New(dir string) *Runtime {
	return &Runtime{open: sync.OnceValues(func() (*tf.Library, error) {
		dir, err := folder(dir)
		if err != nil {
			return nil, err
		}
		return tf.Open(dir)
	}), openLite: sync.OnceValues(func() (*litert.Library, error) {
		dir, err := folder(dir)
		if err != nil {
			return nil, err
		}
		return litert.Open(dir)
	})}
}

func folder(dir string) (string, error) {
	if dir != "" {
		return dir, nil
	}
	return tf.DefaultDir()
}

// Descriptor implements engine.Runtime.
func (r *Runtime) Descriptor() engine.Descriptor {
	d, _ := catalog.Get(catalog.TensorFlow)
	return d
}

// Probe implements engine.Runtime. It opens the library, so it belongs into a worker.
func (r *Runtime) Probe(context.Context) engine.Status {
	lib, err := r.open()
	if err != nil {
		return engine.Status{Missing: libraryError(err, "TensorFlow", tf.Release).Message}
	}
	return engine.Status{Ready: true, Version: lib.Version() + " and LiteRT " + litert.Release, Device: "cpu"}
}

// libraryError says what is wrong with a library and what to do.
func libraryError(err error, name, release string) *core.Error {
	const remedy = "Run `ashatai runtime install tensorflow` to install the pinned library."
	switch {
	case errors.Is(err, native.ErrMismatch):
		return core.Wrap(core.CodeUnavailable, err, "%s's library is not the pinned one of release %s: %v. %s", name, release, err, remedy)
	case errors.Is(err, native.ErrMissing):
		return core.Wrap(core.CodeUnavailable, err, "%s's library of release %s is not installed: %v. %s", name, release, err, remedy)
	}
	return core.Wrap(core.CodeUnavailable, err, "%s's library cannot be used: %v. %s", name, err, remedy)
}

const (
	maxSequences = 64
	maxThreads   = 4096
	maxContext   = 1 << 20
)

// signatureOption names the signature that is served.
const signatureOption = "signature"

// Load implements engine.Runtime.
func (r *Runtime) Load(ctx context.Context, spec engine.LoadSpec, progress func(float64)) (engine.Model, error) {
	for name := range spec.Options {
		if name != signatureOption {
			return nil, core.Invalid("options", "The runtime tensorflow has no option %.80q; it has %q.", name, signatureOption)
		}
	}
	for _, b := range []struct {
		name   string
		v, max int
	}{{"sequences", spec.Sequences, maxSequences}, {"context", spec.Context, maxContext}, {"batch", spec.Batch, maxContext}, {"threads", spec.Threads, maxThreads}} {
		if b.v < 0 || b.v > b.max {
			return nil, core.Invalid(b.name, "%s is %d; it must be between 0 and %d, where 0 lets the runtime choose.", b.name, b.v, b.max)
		}
	}
	if spec.Embedding {
		return nil, core.Errorf(core.CodeUnsupported, "The runtime tensorflow serves tensors; it makes no embeddings of texts by itself.")
	}
	tell := func(p float64) {
		if progress != nil {
			progress(p)
		}
	}
	threads := proc.CPUs()
	if spec.Threads > 0 {
		threads = min(spec.Threads, threads)
	}
	if strings.EqualFold(filepath.Base(spec.Path), savedmodel.Main) {
		return r.loadSaved(ctx, spec, threads, tell)
	}
	if strings.EqualFold(filepath.Ext(spec.Path), tflite.Suffix) {
		return r.loadLite(ctx, spec, tell)
	}
	return nil, core.Errorf(core.CodeBadModel, "%s is no model of TensorFlow; name the %s of a SavedModel, or a file that ends in %s.", spec.Path, savedmodel.Main, tflite.Suffix)
}

// loadSaved loads a SavedModel.
func (r *Runtime) loadSaved(ctx context.Context, spec engine.LoadSpec, threads int, tell func(float64)) (engine.Model, error) {
	f, err := inspect(spec.Path)
	if err != nil {
		return nil, err
	}
	sig, err := choose(f.model.Signatures, spec.Options[signatureOption])
	if err != nil {
		return nil, err
	}
	inputs, err := infos(sig.Inputs)
	if err != nil {
		return nil, err
	}
	outputs, err := infos(sig.Outputs)
	if err != nil {
		return nil, err
	}
	facts := factsOf(spec, threads, f.weights, inputs, outputs)
	if err := fits(facts, spec.Memory); err != nil {
		return nil, err
	}
	tell(0.1)
	lib, err := r.open()
	if err != nil {
		return nil, libraryError(err, "TensorFlow", tf.Release)
	}
	if err := ctx.Err(); err != nil {
		return nil, core.AsError(err)
	}
	tell(0.5)
	s, err := lib.Load(filepath.Dir(spec.Path), f.model.Tags, tf.Options{Threads: threads})
	if err != nil {
		return nil, core.Wrap(core.CodeBadModel, err, "TensorFlow cannot load %s: %s. A file of the model may be missing, damaged, or made for a newer release than %s; get the whole folder again.", spec.Path, reason(err), tf.Release)
	}
	b := &saved{lib: lib, session: s, outputs: outputs, from: ports(sig.Inputs), to: ports(sig.Outputs), inputs: inputs}
	for _, p := range append(ports(sig.Inputs), b.to...) {
		if !s.Has(p) {
			s.Close()
			return nil, core.Errorf(core.CodeBadModel, "The SavedModel is broken: its signature names the value %.80q %d, which its graph does not have. Export the model again.", p.Node, p.Index)
		}
	}
	tell(1)
	return newModel(facts, b), nil
}

// computeReserve is memory for the library and for what is between the inputs and the outputs, before it is known.
const computeReserve = 256 << 20

func factsOf(spec engine.LoadSpec, threads int, weights int64, inputs, outputs []core.TensorInfo) engine.Facts {
	return engine.Facts{
		Runtime: catalog.TensorFlow, Device: "cpu", Context: 1, Sequences: max(spec.Sequences, 1), Batch: 1, Threads: threads,
		Memory: engine.Memory{Weights: max(weights, 1), Compute: computeReserve}, Capabilities: []core.Capability{core.CapTensors},
		Inputs: inputs, Outputs: outputs,
	}
}

func fits(f engine.Facts, allowed int64) error {
	if need := f.Memory.Total(); allowed > 0 && need > allowed {
		return core.Errorf(core.CodeOutOfMemory, "The model needs at least %d MiB and %d MiB are allowed for it. Use a smaller model, or raise fleet.memory_budget.", need>>20, allowed>>20)
	}
	return nil
}

// reason is the part of an error that the library itself gave, in one line.
func reason(err error) string {
	s := strings.TrimPrefix(strings.TrimPrefix(err.Error(), tf.ErrFailed.Error()+": "), litert.ErrFailed.Error()+": ")
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > 400 {
		s = strings.ToValidUTF8(s[:400], "") + "…"
	}
	return strings.TrimRight(s, ". ")
}
