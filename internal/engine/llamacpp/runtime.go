// Package llamacpp serves GGUF models through llama.cpp's libraries. One goroutine owns the context of a loaded model and
// builds every batch; what to compute, which token to take, what may be shown and how many threads to use are decided in
// the pure packages below it (batch, sample, text, threads). It reads no settings and opens no file that package gguf has
// not accepted.
package llamacpp

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"ashatai/internal/core"
	"ashatai/internal/engine"
	"ashatai/internal/engine/catalog"
	"ashatai/internal/engine/llamacpp/guide"
	"ashatai/internal/engine/llamacpp/threads"
	"ashatai/internal/gguf"
	"ashatai/internal/native"
	"ashatai/internal/native/llama"
	"ashatai/internal/proc"
)

// Runtime loads models with the libraries in one folder, which it opens at the first use.
type Runtime struct {
	dir    string
	open   func() (*llama.Library, error)
	guides *guide.Library
}

// New makes a runtime that uses the libraries in dir; an empty dir means share/ashatai/lib/llamacpp beside the program's
// folder.
func New(dir string) *Runtime {
	r := &Runtime{dir: dir, guides: guide.NewLibrary(beside(dir))}
	r.open = sync.OnceValues(func() (*llama.Library, error) {
		d, err := r.folder()
		if err != nil {
			return nil, err
		}
		return llama.Open(d)
	})
	return r
}

// beside is the folder of llguidance's library next to that of llama.cpp's; empty for the default one.
func beside(dir string) string {
	if dir == "" {
		return ""
	}
	return filepath.Join(filepath.Dir(dir), "llguidance")
}

func (r *Runtime) folder() (string, error) {
	if r.dir != "" {
		return r.dir, nil
	}
	return llama.DefaultDir()
}

// Descriptor implements engine.Runtime.
func (r *Runtime) Descriptor() engine.Descriptor {
	d, _ := catalog.Get(catalog.LlamaCpp)
	return d
}

// Probe implements engine.Runtime. It opens the libraries, so it belongs into a worker.
func (r *Runtime) Probe(context.Context) engine.Status {
	lib, err := r.open()
	if err != nil {
		return engine.Status{Missing: libraryError(err).Message}
	}
	s := engine.Status{Ready: true, Version: lib.Version(), Device: "cpu"}
	s.Guide, s.NoGuide = r.guides.Probe()
	return s
}

// libraryError says what is wrong with the libraries and what to do.
func libraryError(err error) *core.Error {
	const remedy = "Run `make setup` to install the pinned libraries again."
	switch {
	case errors.Is(err, native.ErrMismatch):
		return core.Wrap(core.CodeUnavailable, err, "llama.cpp's libraries are not the pinned ones of release %s: %v. %s", llama.Release, err, remedy)
	case errors.Is(err, native.ErrMissing):
		return core.Wrap(core.CodeUnavailable, err, "llama.cpp's libraries of release %s cannot be loaded: %v. %s", llama.Release, err, remedy)
	}
	return core.Wrap(core.CodeUnavailable, err, "llama.cpp's libraries cannot be used: %v. %s", err, remedy)
}

// Load implements engine.Runtime.
func (r *Runtime) Load(ctx context.Context, spec engine.LoadSpec, progress func(float64)) (engine.Model, error) {
	opt, err := parseOptions(spec.Options)
	if err != nil {
		return nil, err
	}
	opt.cacheDir = spec.Scratch
	facts, err := inspect(spec.Path)
	if err != nil {
		return nil, err
	}
	if err := checkHead(facts); err != nil {
		return nil, err
	}
	plan, err := fit(spec, opt, facts, proc.CPUs())
	if err != nil {
		return nil, err
	}
	lib, err := r.open()
	if err != nil {
		return nil, libraryError(err)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	loaded, err := lib.LoadModel(spec.Path, lib.ModelDefaults())
	if err != nil {
		return nil, core.Wrap(core.CodeBadModel, err, "llama.cpp cannot load %s: %s. The file may be for a newer release than %s, or damaged; download it again.",
			spec.Path, reason(err), llama.Release)
	}
	if progress != nil {
		progress(0.5)
	}
	m, err := newModel(ctx, lib, r.guides, loaded, spec, opt, plan)
	if err != nil {
		loaded.Close()
		return nil, err
	}
	if progress != nil {
		progress(1)
	}
	return m, nil
}

// reason is the part of a load error that the library itself gave.
func reason(err error) string {
	s := strings.TrimPrefix(err.Error(), llama.ErrModel.Error()+": ")
	if s == "" {
		return "it gave no reason"
	}
	return s
}

// inspect lets package gguf accept the file before native code sees it.
func inspect(path string) (*gguf.File, error) {
	f, err := os.Open(path) //nolint:gosec // the host chose the file; the sandbox bounds what can be opened
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, core.Wrap(core.CodeBadModel, err, "The model file %s does not exist. Pull the model again.", path)
	case err != nil:
		return nil, core.Wrap(core.CodeBadModel, err, "The model file %s cannot be read; check its permissions.", path)
	}
	defer f.Close() //nolint:errcheck // read only
	info, err := f.Stat()
	if err != nil {
		return nil, core.Wrap(core.CodeBadModel, err, "The model file %s cannot be read; check its permissions.", path)
	}
	if !info.Mode().IsRegular() {
		return nil, core.Errorf(core.CodeBadModel, "%s is not a file; name a GGUF file.", path)
	}
	return gguf.Read(f, info.Size(), gguf.Limits{})
}

// layout is how much of a model's context is made.
type layout struct {
	context   int // tokens of one sequence
	sequences int
	batch     int
	threads   threads.Counts
	cells     int   // tokens that the KV space holds
	kv        int64 // bytes
	cache     int64 // bytes for prefixes in memory
	weights   int64
	pooled    bool   // the model names a way to pool embeddings
	rerank    string // the model's template for a query and a document
	fallback  string
}

const (
	maxThreads       = 4096
	defaultContext   = 8192
	defaultSequences = 4
	maxSequences     = 64
	defaultBatch     = 512
	maxBatch         = 2048
	maxEmbedContext  = 2048 // tokens of a text to embed, which is one batch
	minContext       = 256
	computeReserve   = 192 << 20 // bytes for graphs and logits, before they are known
)

// fit chooses context, sequences, batch and threads: what was asked for, within what the model, the machine and the
// memory allow. What had to be reduced stands in fallback.
func fit(spec engine.LoadSpec, opt options, f *gguf.File, cores int) (layout, error) {
	for _, b := range []struct {
		name   string
		v, max int
	}{
		{"sequences", spec.Sequences, maxSequences},
		{"context", spec.Context, 1 << 24},
		{"batch", spec.Batch, maxBatch},
		{"threads", spec.Threads, maxThreads},
	} {
		if b.v < 0 || b.v > b.max {
			return layout{}, core.Invalid(b.name, "%s is %d; it must be between 0 and %d, where 0 lets the runtime choose.", b.name, b.v, b.max)
		}
	}
	train := f.ContextLength()
	l := layout{
		context: spec.Context, sequences: spec.Sequences, batch: spec.Batch,
		weights: f.WeightBytes(), pooled: f.Pooling() != gguf.PoolingNone, rerank: f.RerankTemplate(),
	}
	if l.context == 0 {
		l.context = min(train, defaultContext)
	} else if l.context > train {
		l.fallback = fmt.Sprintf("context %d instead of %d: the model was trained for no more", train, l.context)
		l.context = train
	}
	l.context = max(l.context, min(minContext, train))
	l.sequences = orElse(l.sequences, defaultSequences)
	l.batch = min(max(orElse(l.batch, defaultBatch), 32), l.context)
	l.threads.Decode = min(orElse(spec.Threads, cores), cores)
	l.threads.Prefill = min(orElse(opt.prefill, l.threads.Decode), cores)
	if spec.Embedding {
		l.context = min(l.context, maxEmbedContext)
		l.sequences, l.batch = 1, l.context
	}
	l.cache = opt.cacheMemory
	return l.shrink(spec.Memory, opt, f)
}

func orElse(v, other int) int {
	if v == 0 {
		return other
	}
	return v
}

// shrink gives up the memory for prefixes, then sequences, then context, until the model fits into memory bytes; 0 is no
// bound.
func (l layout) shrink(memory int64, opt options, f *gguf.File) (layout, error) {
	perToken := f.KVBytesPerToken(opt.kv, opt.kv)
	size := func() int64 {
		l.cells = l.context * l.sequences
		if opt.kvTokens > 0 {
			l.cells = min(max(opt.kvTokens, l.context), l.cells)
		}
		return perToken * int64(l.cells)
	}
	wanted := l
	for memory > 0 && l.weights+size()+computeReserve > memory {
		switch {
		case l.sequences > 1:
			l.sequences--
		case l.context > 2*minContext:
			l.context /= 2
		default:
			return l, core.Errorf(core.CodeOutOfMemory, "The model needs at least %d MiB and %d MiB are allowed for it. Use a smaller model, or raise fleet.memory_budget.",
				(l.weights+size()+computeReserve)>>20, memory>>20)
		}
	}
	l.kv = size()
	if memory > 0 {
		l.cache = min(l.cache, memory-l.weights-l.kv-computeReserve)
	}
	l.batch = min(l.batch, l.context)
	if l.context != wanted.context || l.sequences != wanted.sequences {
		l.fallback = fmt.Sprintf("%d sequences of %d tokens instead of %d of %d: memory is limited to %d MiB",
			l.sequences, l.context, wanted.sequences, wanted.context, memory>>20)
	}
	return l, nil
}
