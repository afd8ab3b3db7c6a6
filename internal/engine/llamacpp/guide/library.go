package guide

import (
	"errors"
	"os"
	"path/filepath"
	"sync"

	"ashatai/internal/core"
	"ashatai/internal/native"
	"ashatai/internal/native/llg"
)

// Library is llguidance's library in one folder, opened at the first use. It lives as long as the process.
type Library struct {
	open func() (*llg.Library, error)
}

// NewLibrary uses the library in dir; an empty dir means share/ashatai/lib/llguidance beside the program's folder.
func NewLibrary(dir string) *Library {
	return &Library{open: sync.OnceValues(func() (*llg.Library, error) {
		d, err := folder(dir)
		if err != nil {
			return nil, err
		}
		return llg.Open(d)
	})}
}

// folder is dir, or where set-up puts the library, seen from the folder of the running program.
func folder(dir string) (string, error) {
	if dir != "" {
		return dir, nil
	}
	exe, err := os.Executable()
	if err != nil {
		return "", err
	}
	if exe, err = filepath.EvalSymlinks(exe); err != nil {
		return "", err
	}
	return filepath.Join(filepath.Dir(exe), "..", "share", "ashatai", "lib", "llguidance"), nil
}

// Probe opens the library and returns its version, or a sentence that says what is missing and how to get it. What needs
// no constraint works without it.
func (l *Library) Probe() (version, missing string) {
	lib, err := l.open()
	if err != nil {
		return "", libraryError(err).Message
	}
	return lib.Version(), ""
}

// libraryError says what is wrong with the library and what to do.
func libraryError(err error) *core.Error {
	const remedy = "Run `make setup` to install the pinned library; requests without a schema or grammar work meanwhile."
	if errors.Is(err, native.ErrMismatch) {
		return core.Wrap(core.CodeUnavailable, err, "llguidance's library, which keeps an answer inside a schema, is not the pinned one of release %s: %v. %s", llg.Release, err, remedy)
	}
	return core.Wrap(core.CodeUnavailable, err, "llguidance's library of release %s, which keeps an answer inside a schema, cannot be loaded: %v. %s", llg.Release, err, remedy)
}
