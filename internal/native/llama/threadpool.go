package llama

import (
	"fmt"
	"reflect"

	"github.com/ebitengine/purego"

	"ashatai/internal/native"
)

// ThreadPool is a set of threads that computes graphs. Without one the library starts and ends its threads anew for every
// graph. It is closed after the contexts that use it.
type ThreadPool struct {
	lib *Library
	ptr uintptr
}

// PoolParams describe a pool.
type PoolParams struct {
	Threads int   // at most, the caller of Decode counted; up to MaxThreads
	Poll    int   // 0 to 100: how long a thread spins for the next graph before it sleeps
	Pin     []int // one processor for each thread, the caller's the last; empty leaves the choice to the system
}

// MaxThreads is the largest number of threads of a pool.
const MaxThreads = maxThreads

// bindPool finds the functions of thread pools, which only the backend of the processor has.
func bindPool(lib *Library) error {
	reg := lib.fn.RegByName("CPU")
	if reg == 0 {
		return fmt.Errorf("%w: llama.cpp has no backend for the processor", native.ErrMissing)
	}
	v := reflect.ValueOf(&lib.pool).Elem()
	for i := range v.NumField() {
		name := v.Type().Field(i).Tag.Get("c")
		addr := lib.fn.RegProcAddress(reg, name)
		if addr == 0 {
			return fmt.Errorf("%w: the backend of the processor has no %s", native.ErrMismatch, name)
		}
		purego.RegisterFunc(v.Field(i).Addr().Interface(), addr)
	}
	return nil
}

// NewThreadPool starts the threads. With Pin the calling thread is bound to the last processor too.
func (l *Library) NewThreadPool(p PoolParams) (*ThreadPool, error) {
	c := cThreadPoolParams{
		NThreads: int32(min(p.Threads, MaxThreads)), Poll: uint32(p.Poll), StrictCPU: len(p.Pin) > 0, //nolint:gosec // bounded by their documents
	}
	for _, n := range p.Pin {
		if n >= 0 && n < maxThreads {
			c.CPUMask[n] = true
		}
	}
	ptr := l.pool.New(&c)
	if ptr == 0 {
		return nil, fmt.Errorf("%w: no pool of %d threads", ErrContext, p.Threads)
	}
	return &ThreadPool{lib: l, ptr: ptr}, nil
}

// Close ends the threads.
func (t *ThreadPool) Close() {
	if t.ptr != 0 {
		t.lib.pool.Free(t.ptr)
		t.ptr = 0
	}
}

// Attach makes c compute with the threads of t.
func (c *Context) Attach(t *ThreadPool) { c.lib.fn.AttachThreadPool(c.ptr, t.ptr, t.ptr) }
