package core

import (
	"context"
	"sync/atomic"
)

// Wait is where a request stands in the queue of its model. It is told by whoever serves the request and read by whoever answers.
type Wait struct {
	first atomic.Int64
	look  atomic.Pointer[func() int]
}

// At tells a place: 1 is the next. The first one that is told stays.
func (w *Wait) At(place int) {
	if w != nil {
		w.first.CompareAndSwap(0, int64(place))
	}
}

// Place is where the request stood when it came; 0: it did not wait.
func (w *Wait) Place() int { return int(w.first.Load()) }

// By tells how to find out where the request stands at any moment.
func (w *Wait) By(look func() int) {
	if w != nil {
		w.look.Store(&look)
	}
}

// Now is where the request stands now; 0: it does not wait.
func (w *Wait) Now() int {
	if look := w.look.Load(); look != nil {
		return (*look)()
	}
	return 0
}

type waitKey struct{}

// WithWait returns a context that carries w. Only the gate calls it.
func WithWait(ctx context.Context, w *Wait) context.Context {
	return context.WithValue(ctx, waitKey{}, w)
}

// WaitFrom returns what WithWait put into ctx, or nil, to which everything may be told.
func WaitFrom(ctx context.Context) *Wait {
	w, _ := ctx.Value(waitKey{}).(*Wait)
	return w
}
