package llg

import (
	"embed"
	"fmt"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"sync"

	"github.com/ebitengine/purego"

	"ashatai/internal/native"
)

// Release is the llguidance release that the bindings were audited against.
const Release = "1.9.1"

//go:embed lock/*.sha256
var locks embed.FS

// Lock returns the pinned digests of this platform's library.
func Lock() (native.Sums, error) {
	text, err := locks.ReadFile("lock/" + runtime.GOOS + "-" + runtime.GOARCH + ".sha256")
	if err != nil {
		return nil, fmt.Errorf("%w: no llguidance library is pinned for %s/%s", native.ErrMissing, runtime.GOOS, runtime.GOARCH)
	}
	return native.ParseSums(string(text))
}

// file is the library's name in its folder, as set-up writes it.
const file = "libllguidance.so"

// Library is the opened library. It lives as long as the process.
type Library struct {
	fn       functions
	tokenize uintptr // the callback of every tokenizer

	mu    sync.RWMutex
	texts map[uintptr]Tokenize // by the number that the callback is given
	last  uintptr
}

// Check looks for the library in dir and compares it with the lock, without opening it.
func Check(dir string) error {
	sums, err := Lock()
	if err != nil {
		return err
	}
	return native.Verify(dir, sums)
}

// Open verifies and opens the library in dir and binds its functions. Errors wrap native.ErrMissing or native.ErrMismatch
// where one of those is the cause.
func Open(dir string) (*Library, error) {
	if err := Check(dir); err != nil {
		return nil, err
	}
	h, err := native.Open(filepath.Join(dir, file))
	if err != nil {
		return nil, err
	}
	lib := &Library{texts: map[uintptr]Tokenize{}}
	v := reflect.ValueOf(&lib.fn).Elem()
	for i := range v.NumField() {
		addr, err := h.Symbol(v.Type().Field(i).Tag.Get("c"))
		if err != nil {
			return nil, fmt.Errorf("%w: %w", native.ErrMismatch, err)
		}
		purego.RegisterFunc(v.Field(i).Addr().Interface(), addr)
	}
	if v := lib.fn.Version(); !strings.Contains(v, "llguidance@"+Release) {
		return nil, fmt.Errorf("%w: the library in %s says it is %s, this build needs llguidance %s", native.ErrMismatch, dir, v, Release)
	}
	lib.tokenize = purego.NewCallback(lib.callTokenize)
	return lib, nil
}

// Version is what the library says of itself: its release and that of its regular expression engine.
func (l *Library) Version() string { return l.fn.Version() }
