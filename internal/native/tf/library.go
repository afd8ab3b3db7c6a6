package tf

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"unsafe"

	"github.com/ebitengine/purego"

	"ashatai/internal/native"
	locks "ashatai/native"
)

// Release is the TensorFlow release that the libraries are pinned at.
const Release = "2.21.0"

// files are the libraries in their folder; the second refers to the first.
func files() []string { return []string{"libtensorflow_framework.so.2", "libtensorflow_cc.so.2"} }

// ErrFailed is wrapped by what the library refused; the text is its own.
var ErrFailed = errors.New("TensorFlow")

// ErrTimeout is wrapped where a run took longer than it was allowed to.
var ErrTimeout = errors.New("the run took too long")

// Lock returns the pinned digests of this platform's libraries.
func Lock() (native.Sums, error) {
	text, err := locks.Files.ReadFile("tensorflow/" + runtime.GOOS + "-" + runtime.GOARCH + ".sha256")
	if err != nil {
		return nil, fmt.Errorf("%w: no TensorFlow library is pinned for %s/%s", native.ErrMissing, runtime.GOOS, runtime.GOARCH)
	}
	all, err := native.ParseSums(string(text))
	if err != nil {
		return nil, err
	}
	own := native.Sums{} // the list has the other files of the folder too
	for _, name := range files() {
		own[name] = all[name]
	}
	return own, nil
}

// DefaultDir is share/ashatai/lib/tensorflow beside the program's folder.
func DefaultDir() (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("%w: %w", native.ErrMissing, err)
	}
	if real, err := filepath.EvalSymlinks(self); err == nil {
		self = real
	}
	return filepath.Join(filepath.Dir(filepath.Dir(self)), "share", "ashatai", "lib", "tensorflow"), nil
}

// Check looks for the libraries in dir and compares them with the lock, without opening them.
func Check(dir string) error {
	sums, err := Lock()
	if err != nil {
		return err
	}
	return native.Verify(dir, sums)
}

// Library is the opened library. It lives as long as the process.
type Library struct {
	fn functions
}

// Open verifies and opens the libraries in dir and binds their functions. Errors wrap native.ErrMissing or
// native.ErrMismatch where one of those is the cause.
func Open(dir string) (*Library, error) {
	if err := Check(dir); err != nil {
		return nil, err
	}
	var open []native.Handle
	for _, name := range files() {
		h, err := native.Open(filepath.Join(dir, name))
		if err != nil {
			return nil, err
		}
		open = append(open, h)
	}
	l := &Library{}
	if err := l.bind(open); err != nil {
		return nil, err
	}
	if v := l.fn.Version(); v != Release {
		return nil, fmt.Errorf("%w: the library in %s says it is %s, this build needs TensorFlow %s", native.ErrMismatch, dir, v, Release)
	}
	return l, nil
}

// bind fills the functions by their names, which lie in one library or the other.
func (l *Library) bind(open []native.Handle) error {
	v := reflect.ValueOf(&l.fn).Elem()
	for i := range v.NumField() {
		name := v.Type().Field(i).Tag.Get("c")
		addr, err := open[0].Symbol(name)
		for _, h := range open[1:] {
			if err != nil {
				addr, err = h.Symbol(name)
			}
		}
		if err != nil {
			return fmt.Errorf("%w: %w", native.ErrMismatch, err)
		}
		purego.RegisterFunc(v.Field(i).Addr().Interface(), addr)
	}
	return nil
}

// Version is the release that the library says it is.
func (l *Library) Version() string { return l.fn.Version() }

// Operators is the list of all operators of the library, an OpList of protobuf.
func (l *Library) Operators() []byte {
	b := l.fn.AllOps()
	defer l.fn.DeleteBuffer(b)
	return append([]byte{}, contents(b)...)
}

// contents is the memory of a TF_Buffer, which holds until it is deleted.
func contents(b handle) []byte {
	view := *(**buffer)(unsafe.Pointer(&b))              //nolint:gosec // memory of the library
	return unsafe.Slice((*byte)(view.Data), view.Length) //nolint:gosec // memory of the library
}

// The codes of a status that are told apart (tsl/c/tsl_status.h).
const (
	codeOK       = 0
	codeDeadline = 4
)

// checked calls f with a status, and makes an error of what it says then.
func (l *Library) checked(f func(st handle)) error {
	st := l.fn.NewStatus()
	defer l.fn.DeleteStatus(st)
	f(st)
	switch l.fn.Code(st) {
	case codeOK:
		return nil
	case codeDeadline:
		return fmt.Errorf("%w: %w: %s", ErrFailed, ErrTimeout, l.fn.Message(st))
	}
	return fmt.Errorf("%w: %s", ErrFailed, l.fn.Message(st))
}

// text makes a C text.
func text(s string) *byte { return unsafe.SliceData(append([]byte(s), 0)) } //nolint:gosec // memory of this text
