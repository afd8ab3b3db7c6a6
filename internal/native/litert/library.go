package litert

import (
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"runtime"

	"github.com/ebitengine/purego"

	"ashatai/internal/native"
	locks "ashatai/native"
)

// Release is the LiteRT release that the library is pinned at. The library does not say its own.
const Release = "2.3.0"

// file is the library's name in its folder.
const file = "libLiteRt.so"

// ErrFailed is wrapped by what the library refused.
var ErrFailed = errors.New("LiteRT")

// Check looks for the library in dir and compares it with the lock, without opening it.
func Check(dir string) error {
	text, err := locks.Files.ReadFile("tensorflow/" + runtime.GOOS + "-" + runtime.GOARCH + ".sha256")
	if err != nil {
		return fmt.Errorf("%w: no LiteRT library is pinned for %s/%s", native.ErrMissing, runtime.GOOS, runtime.GOARCH)
	}
	sums, err := native.ParseSums(string(text))
	if err != nil {
		return err
	}
	return native.Verify(dir, native.Sums{file: sums[file]})
}

// Library is the opened library. It lives as long as the process.
type Library struct {
	fn  functions
	env handle
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
	l := &Library{}
	v := reflect.ValueOf(&l.fn).Elem()
	for i := range v.NumField() {
		addr, err := h.Symbol(v.Type().Field(i).Tag.Get("c"))
		if err != nil {
			return nil, fmt.Errorf("%w: %w", native.ErrMismatch, err)
		}
		purego.RegisterFunc(v.Field(i).Addr().Interface(), addr)
	}
	return l, l.check("open", l.fn.CreateEnvironment(0, nil, &l.env))
}

func (l *Library) check(what string, st status) error {
	if st == 0 {
		return nil
	}
	return fmt.Errorf("%w: %s: status %d", ErrFailed, what, st)
}
