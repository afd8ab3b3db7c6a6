package host

import (
	"context"
	"time"

	"ashatai/internal/core"
	"ashatai/internal/worker/wire"
)

// question is a call with one answer, which may come in several frames.
type question struct {
	take func(f *wire.Frame) (over bool, err error)
	done chan error
}

func (q *question) frame(f *wire.Frame) (bool, error) {
	if f.Kind == wire.KindError {
		var e wire.Error
		if err := f.Decode(&e); err != nil {
			return true, err
		}
		q.done <- e.Core()
		return true, nil
	}
	over, err := q.take(f)
	if over && err == nil {
		q.done <- nil
	}
	return over, err
}

func (q *question) fail(err *core.Error) { q.done <- err }

// ask sends a call and waits for its answer, which take reads: it gets the frames in the reading goroutine, and what it
// wrote counts when ask returns nil.
func (w *worker) ask(ctx context.Context, kind wire.Kind, header any, tail [][]byte, take func(f *wire.Frame) (bool, error)) error {
	if err := ctx.Err(); err != nil {
		return core.AsError(err)
	}
	// Room for the answer and for the worker's end, so that neither ever waits.
	q := &question{take: take, done: make(chan error, 2)}
	number, err := w.begin(q)
	if err != nil {
		return err
	}
	if err := w.conn.Send(kind, number, header, tail...); err != nil {
		return w.sendFailed(number, err)
	}
	select {
	case err := <-q.done:
		return err
	case <-ctx.Done():
		w.cancel(number)
		return core.AsError(ctx.Err())
	}
}

// sendFailed is the error of a call that could not be sent: too large a frame, or a worker that has ended.
func (w *worker) sendFailed(number uint32, err error) error {
	w.forget(number)
	if _, ok := err.(*wire.BrokenError); ok { //nolint:errorlint // Send returns it as it is
		return core.Wrap(core.CodeTooLarge, err, "The request is too large for a worker; send less at once.")
	}
	<-w.done
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.gone()
}

// only is a take for an answer of one frame.
func only(kind wire.Kind, read func(f *wire.Frame) error) func(*wire.Frame) (bool, error) {
	return func(f *wire.Frame) (bool, error) {
		if f.Kind != kind {
			return true, &wire.BrokenError{Reason: "the answer is " + f.Kind.String() + " instead of " + kind.String()}
		}
		return true, read(f)
	}
}

// timeoutMS is what is left of a context's time, at least 1; 0 when it has no end.
func timeoutMS(ctx context.Context) int64 {
	end, ok := ctx.Deadline()
	if !ok {
		return 0
	}
	return max(1, time.Until(end).Milliseconds())
}
