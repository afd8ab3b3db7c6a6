package gate

import (
	"cmp"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"ashatai/internal/api"
	"ashatai/internal/core"
)

// recorder remembers what was answered. Unwrap lets http.ResponseController reach the connection.
type recorder struct {
	http.ResponseWriter

	status int
	bytes  int64
	wait   *core.Wait // nil where nobody waits for a model
	own    bool       // the handler bounds its writes itself
	failed int        // the status of a failure, which the dialect may tell in another way
	renew  time.Time  // when the deadline of writes is to be moved
	shared bool       // the connection, as over HTTP/2: a deadline of writes that passes ends the answer, written to or not
	quiet  bool       // nothing is being written, so there is no deadline
}

// renewEvery is how often the deadline of writes is moved while a handler writes without a thought of it.
const renewEvery = time.Second

// SetWriteDeadline is for http.ResponseController.
func (w *recorder) SetWriteDeadline(t time.Time) error {
	w.own, w.quiet = true, false
	return http.NewResponseController(w.ResponseWriter).SetWriteDeadline(t)
}

// WriteHeader keeps the final status; informational ones pass through.
func (w *recorder) WriteHeader(status int) {
	if w.status == 0 && status >= http.StatusOK {
		w.status = status
		w.tellPlace()
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write counts the bytes, and does not wait for ever for a client that stopped reading.
func (w *recorder) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
		w.tellPlace()
	}
	if now := time.Now(); w.quiet || !w.own && now.After(w.renew) {
		_ = http.NewResponseController(w.ResponseWriter).SetWriteDeadline(now.Add(api.WriteTimeout)) // a writer without deadlines is a test's
		w.renew, w.quiet = now.Add(renewEvery), false
	}
	n, err := w.ResponseWriter.Write(p)
	w.bytes += int64(n)
	if _, ok := errors.AsType[*net.OpError](err); ok {
		err = core.Wrap(core.CodeCancelled, err, "The client stopped reading the answer.") // no failure of the server
	}
	return n, err
}

// tellPlace says where the request stood in the queue when it came.
func (w *recorder) tellPlace() {
	if w.wait != nil {
		w.Header().Set(api.HeaderQueue, strconv.Itoa(w.wait.Place()))
	}
}

// Flush serves handlers that look for http.Flusher. What follows may take its time: a deadline for it is set when it comes.
func (w *recorder) Flush() {
	rc := http.NewResponseController(w.ResponseWriter)
	_ = rc.Flush()
	if w.shared {
		_ = rc.SetWriteDeadline(time.Time{})
		w.quiet = true
	}
}

// Unwrap is for http.ResponseController.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *recorder) wrote() bool { return w.status != 0 }

// outcome is what became of the request: the status that the client sees, or would see where its dialect has another word for
// failures. A handler that wrote nothing answers 200.
func (w *recorder) outcome() int {
	return cmp.Or(w.failed, w.status, http.StatusOK)
}

// panicked turns a panic into an answer, or cuts the connection when the answer has begun.
func (c *call) panicked(r *http.Request, p any) {
	if p == http.ErrAbortHandler { //nolint:errorlint // a sentinel that is panicked with, never wrapped
		c.abort = true
		return
	}
	c.g.o.Log.LogAttrs(
		r.Context(), slog.LevelError, "handler panicked",
		slog.String("route", c.row.Path), slog.Any("panic", p), slog.String("stack", string(debug.Stack())),
	)
	if c.w.wrote() {
		c.abort = true
		return
	}
	c.fail(r, core.Errorf(core.CodeInternal, "The server failed to do this. Its log has the cause under this request's id."))
}

// patientBody gives each read its own deadline: a large body may take its time, a body that stops arriving or
// trickles may not.
type patientBody struct {
	io.ReadCloser

	rc      *http.ResponseController
	timeout time.Duration
	begun   time.Time
	bytes   int64
}

// slowest is how fast a body must come on the whole, in bytes a second: one byte before each deadline would hold its place
// for days.
const slowest = 1 << 10

// Read reads under a deadline, and lifts it at the body's end: the server then only watches for the client's leaving.
// After any other error the deadline stays, since net/http reads on to empty the connection.
func (b *patientBody) Read(p []byte) (int, error) {
	now := time.Now()
	if b.begun.IsZero() {
		b.begun = now
	}
	whole := b.begun.Add(b.timeout + time.Duration(b.bytes)*time.Second/slowest)
	if next := now.Add(b.timeout); next.Before(whole) {
		whole = next
	}
	_ = b.rc.SetReadDeadline(whole)
	n, err := b.ReadCloser.Read(p)
	b.bytes += int64(n)
	if err == io.EOF {
		_ = b.rc.SetReadDeadline(time.Time{})
	}
	return n, err
}
