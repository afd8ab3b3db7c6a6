//go:build unix

package native

import (
	"fmt"

	"github.com/ebitengine/purego"
)

// Handle is an open shared library. It is never closed: the libraries start threads of their own.
type Handle uintptr

// Open loads a shared library and makes its symbols visible to those loaded after it.
func Open(path string) (Handle, error) {
	h, err := purego.Dlopen(path, purego.RTLD_NOW|purego.RTLD_GLOBAL)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrMissing, err)
	}
	return Handle(h), nil
}

// Symbol is the address of a function in the library.
func (h Handle) Symbol(name string) (uintptr, error) {
	p, err := purego.Dlsym(uintptr(h), name)
	if err != nil {
		return 0, fmt.Errorf("symbol %s: %w", name, err)
	}
	return p, nil
}

// LibC is the address of a function of the C library.
func LibC(name string) (uintptr, error) {
	return Handle(purego.RTLD_DEFAULT).Symbol(name)
}
