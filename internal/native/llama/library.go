package llama

import (
	"embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"

	"github.com/ebitengine/purego"

	"ashatai/internal/native"
	pins "ashatai/native"
)

// Release is the llama.cpp release that the bindings were audited against.
const Release = "v0.5.0"

//go:embed lock/*.sha256
var locks embed.FS

// Lock returns the pinned digests of this platform's libraries.
func Lock() (native.Sums, error) {
	text, err := locks.ReadFile("lock/" + runtime.GOOS + "-" + runtime.GOARCH + ".sha256")
	if err != nil {
		return nil, fmt.Errorf("%w: no llama.cpp libraries are pinned for %s/%s", native.ErrMissing, runtime.GOOS, runtime.GOARCH)
	}
	return native.ParseSums(string(text))
}

// Library is the opened libraries. It lives as long as the process.
type Library struct {
	fn   functions
	pool poolFunctions
	log  *logTail
	zero uintptr // strlen, see NewAbort
}

// files names the libraries in the order in which they are opened, so that each finds those it needs.
func files() []string {
	switch runtime.GOOS {
	case "windows":
		return []string{"ggml-base.dll", "ggml." + Release + ".dll", "llama." + Release + ".dll"}
	case "darwin":
		return []string{"libggml-base.dylib", "libggml." + Release + ".dylib", "libllama." + Release + ".dylib"}
	default:
		return []string{"libggml-base.so", "libggml." + Release + ".so", "libllama." + Release + ".so"}
	}
}

// Check looks for the libraries in dir and compares them with the lock, without opening them.
func Check(dir string) error {
	sums, err := Lock()
	if err != nil {
		return err
	}
	return native.Verify(dir, sums)
}

// CheckBackend compares the library of a backend with the lock, where the file's name is pinned there and it lies where set-up
// puts it; another is an operator's own.
func CheckBackend(path string) error {
	folder := filepath.Base(filepath.Dir(path))
	text, err := pins.Files.ReadFile(folder + "/" + runtime.GOOS + "-" + runtime.GOARCH + ".sha256")
	if err != nil {
		if _, err := os.Stat(path); err != nil {
			return fmt.Errorf("%w: %s", native.ErrMissing, path)
		}
		return nil
	}
	sums, err := native.ParseSums(string(text))
	if err != nil {
		return err
	}
	return native.Verify(filepath.Dir(path), sums)
}

// Open verifies and opens the libraries in dir and binds their functions. Errors wrap native.ErrMissing or
// native.ErrMismatch where one of those is the cause.
func Open(dir string) (*Library, error) {
	if err := Check(dir); err != nil {
		return nil, err
	}
	var opened []native.Handle
	for _, name := range files() {
		h, err := native.Open(filepath.Join(dir, name))
		if err != nil {
			return nil, err
		}
		opened = append(opened, h)
	}
	lib := &Library{log: &logTail{}}
	if err := bind(&lib.fn, opened); err != nil {
		return nil, err
	}
	zero, err := native.LibC("strlen")
	if err != nil {
		return nil, err
	}
	lib.zero = zero
	lib.fn.LogSet(purego.NewCallback(lib.log.write), 0)
	lib.fn.BackendInit()
	lib.fn.BackendLoadAll(dir)
	if lib.fn.DevCount() == 0 {
		return nil, fmt.Errorf("%w: llama.cpp found no backend for this processor in %s", native.ErrMissing, dir)
	}
	if err := bindPool(lib); err != nil {
		return nil, err
	}
	if v := lib.fn.Version(); !strings.Contains(v, strings.TrimPrefix(Release, "v")) {
		return nil, fmt.Errorf("%w: the library in %s says it is llama.cpp %s, this build needs %s", native.ErrMismatch, dir, v, Release)
	}
	return lib, nil
}

// bind fills every field of fns from the libraries by the name in its tag.
func bind(fns *functions, libs []native.Handle) error {
	v := reflect.ValueOf(fns).Elem()
	for i := range v.NumField() {
		name := v.Type().Field(i).Tag.Get("c")
		addr, err := find(libs, name)
		if err != nil {
			return fmt.Errorf("%w: %w", native.ErrMismatch, err)
		}
		purego.RegisterFunc(v.Field(i).Addr().Interface(), addr)
	}
	return nil
}

func find(libs []native.Handle, name string) (uintptr, error) {
	var all []error
	for _, h := range libs {
		addr, err := h.Symbol(name)
		if err == nil {
			return addr, nil
		}
		all = append(all, err)
	}
	return 0, errors.Join(all...)
}

// Version is what the library says of itself.
func (l *Library) Version() string { return l.fn.Version() }

// Warnings returns the last warnings and errors that the library logged, and forgets them.
func (l *Library) Warnings() string { return l.log.take() }

// DefaultDir is where set-up puts the libraries, seen from the folder of the running program: ../share/ashatai/lib/llamacpp.
func DefaultDir() (string, error) {
	exe, err := os.Executable()
	if err != nil {
		return "", err
	}
	exe, err = filepath.EvalSymlinks(exe)
	if err != nil {
		return "", err
	}
	return filepath.Join(filepath.Dir(exe), "..", "share", "ashatai", "lib", "llamacpp"), nil
}
