package ort

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strconv"
	"strings"
	"unsafe"

	"github.com/ebitengine/purego"

	"ashatai/internal/native"
	locks "ashatai/native"
)

// Release is the ONNX Runtime release that the library is pinned at.
const Release = "1.30.0"

// file is the library's name in its folder, as set-up writes it.
const file = "libonnxruntime.so.1"

// ErrFailed is wrapped by what the library refused; the text is its own.
var ErrFailed = errors.New("ONNX Runtime")

// Lock returns the pinned digests of this platform's library.
func Lock() (native.Sums, error) {
	text, err := locks.Files.ReadFile("onnxruntime/" + runtime.GOOS + "-" + runtime.GOARCH + ".sha256")
	if err != nil {
		return nil, fmt.Errorf("%w: no ONNX Runtime library is pinned for %s/%s", native.ErrMissing, runtime.GOOS, runtime.GOARCH)
	}
	return native.ParseSums(string(text))
}

// DefaultDir is share/ashatai/lib/onnxruntime beside the program's folder.
func DefaultDir() (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("%w: %w", native.ErrMissing, err)
	}
	if real, err := filepath.EvalSymlinks(self); err == nil {
		self = real
	}
	return filepath.Join(filepath.Dir(filepath.Dir(self)), "share", "ashatai", "lib", "onnxruntime"), nil
}

// Check looks for the library in dir and compares it with the lock, without opening it.
func Check(dir string) error {
	sums, err := Lock()
	if err != nil {
		return err
	}
	return native.Verify(dir, sums)
}

// Library is the opened library. It lives as long as the process.
type Library struct {
	fn        functions
	env       handle
	memory    handle // of the CPU
	allocator handle
	version   string
	stops     chan handle // that nobody uses, to be used again
}

// keptStops is how many run options are kept to be used again; they are small.
const keptStops = 16

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
	addr, err := h.Symbol("OrtGetApiBase")
	if err != nil {
		return nil, fmt.Errorf("%w: %w", native.ErrMismatch, err)
	}
	var base func() *apiBase
	purego.RegisterFunc(&base, addr)
	b := base()
	var getAPI func(version uint32) unsafe.Pointer
	var getVersion func() string
	purego.RegisterFunc(&getAPI, b.GetAPI)
	purego.RegisterFunc(&getVersion, b.GetVersion)
	l := &Library{version: getVersion(), stops: make(chan handle, keptStops)}
	if l.version != Release {
		return nil, fmt.Errorf("%w: the library in %s says it is %s, this build needs ONNX Runtime %s", native.ErrMismatch, dir, l.version, Release)
	}
	table := getAPI(apiVersion)
	if table == nil {
		return nil, fmt.Errorf("%w: ONNX Runtime %s does not serve version %d of its interface", native.ErrMismatch, l.version, apiVersion)
	}
	if err := l.bind(table); err != nil {
		return nil, err
	}
	return l, l.begin()
}

// bind fills the functions from the table.
func (l *Library) bind(table unsafe.Pointer) error {
	v := reflect.ValueOf(&l.fn).Elem()
	for i := range v.NumField() {
		place, err := strconv.Atoi(strings.Split(v.Type().Field(i).Tag.Get("ort"), ",")[0])
		if err != nil {
			return fmt.Errorf("the binding %s has no place: %w", v.Type().Field(i).Name, err)
		}
		addr := *(*uintptr)(unsafe.Add(table, place*int(unsafe.Sizeof(uintptr(0)))))
		purego.RegisterFunc(v.Field(i).Addr().Interface(), addr)
	}
	return nil
}

// begin makes what every session shares.
func (l *Library) begin() error {
	const (
		warnings       = 2 // OrtLoggingLevel: less is not written to standard error
		arenaAllocator = 1
		defaultMemory  = 0
	)
	if err := l.check(l.fn.CreateEnv(warnings+1, text("ashatai"), &l.env)); err != nil {
		return err
	}
	if err := l.check(l.fn.DisableTelemetry(l.env)); err != nil {
		return err
	}
	if err := l.check(l.fn.CPUMemory(arenaAllocator, defaultMemory, &l.memory)); err != nil {
		return err
	}
	return l.check(l.fn.Allocator(&l.allocator))
}

// Version is the release that the library says it is.
func (l *Library) Version() string { return l.version }

// Providers lists the execution providers that the library was compiled with. That says nothing about the machine.
func (l *Library) Providers() ([]string, error) {
	var list unsafe.Pointer
	var n int32
	if err := l.check(l.fn.AvailableProvider(&list, &n)); err != nil {
		return nil, err
	}
	var out []string
	for _, p := range unsafe.Slice((*unsafe.Pointer)(list), n) { //nolint:gosec // memory of the library, or of this text
		out = append(out, goText(p))
	}
	return out, l.check(l.fn.FreeProviders(list, n))
}

// check makes an error of a status, and frees it.
func (l *Library) check(s status) error {
	if s == 0 {
		return nil
	}
	err := fmt.Errorf("%w: %s", ErrFailed, l.fn.ErrorMessage(s))
	l.fn.ReleaseStatus(s)
	return err
}

// text makes a C text.
func text(s string) *byte { return unsafe.SliceData(append([]byte(s), 0)) } //nolint:gosec // memory of the library, or of this text

// goText copies a C text.
func goText(p unsafe.Pointer) string {
	if p == nil {
		return ""
	}
	n := 0
	for *(*byte)(unsafe.Add(p, n)) != 0 {
		n++
	}
	return string(unsafe.Slice((*byte)(p), n)) //nolint:gosec // memory of the library, or of this text
}
