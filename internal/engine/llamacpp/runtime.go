// Package llamacpp serves GGUF models through llama.cpp's libraries. One goroutine owns the context of a loaded model and
// builds every batch; what to compute, which token to take, what may be shown and how many threads to use are decided in
// the pure packages below it (batch, layout, sample, text, threads, tokens). It reads no settings and opens no file that
// package gguf has not accepted.
package llamacpp

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"ashatai/internal/core"
	"ashatai/internal/engine"
	"ashatai/internal/engine/catalog"
	"ashatai/internal/engine/llamacpp/guide"
	"ashatai/internal/engine/llamacpp/layout"
	"ashatai/internal/engine/llamacpp/offload"
	"ashatai/internal/gguf"
	"ashatai/internal/native"
	"ashatai/internal/native/llama"
	"ashatai/internal/proc"
)

// Runtime loads models with the libraries in one folder, which it opens at the first use.
type Runtime struct {
	dir    string
	more   offload.Libraries
	open   func() (*llama.Library, error)
	guides *guide.Library
}

// New makes a runtime that uses the libraries in dir; an empty dir means share/ashatai/lib/llamacpp beside the program's
// folder. The libraries in more are opened for the devices that a load names.
func New(dir string, more offload.Libraries) *Runtime {
	r := &Runtime{dir: dir, more: more, guides: guide.NewLibrary(beside(dir))}
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
	opt, err := layout.Parse(spec.Options)
	if err != nil {
		return nil, err
	}
	opt.CacheDir = spec.Scratch
	facts, err := inspect(spec.Path)
	if err != nil {
		return nil, err
	}
	if err := checkHead(facts); err != nil {
		return nil, err
	}
	plan, err := layout.Fit(spec, opt, facts, proc.CPUs())
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
	plan, use, err := r.offload(lib, spec, &opt, facts, plan)
	if err != nil {
		return nil, err
	}
	loaded, err := read(lib, spec.Path, use)
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
	place(lib, use, &m.facts)
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
