package fetch

import (
	"context"
	"errors"
	"net/http"
	"time"

	"ashatai/internal/core"
)

// transientError is a failure that may pass. It ends as its sentence when it does not.
type transientError struct{ sentence *core.Error }

func (e transientError) Error() string { return e.sentence.Error() }

func passing(cause error, format string, args ...any) error {
	return transientError{core.Wrap(core.CodeUnavailable, cause, format, args...)}
}

var errStalled = errors.New("no bytes for too long")

// line is one answer being read, with a watch on its silence. It has one user.
type line struct {
	ctx    context.Context //nolint:containedctx // the answer's own, which lost needs to tell why it ended
	resp   *http.Response
	cancel context.CancelCauseFunc
	watch  *time.Timer
	stall  time.Duration
	host   string
}

// dial sends a request. The caller closes the line.
func (d *download) dial(ctx context.Context, req *http.Request) (*line, error) {
	lctx, cancel := context.WithCancelCause(ctx)
	l := &line{ctx: lctx, cancel: cancel, stall: d.Limits.Stall, host: d.Host}
	l.watch = time.AfterFunc(l.stall, func() { cancel(errStalled) })
	req.Header.Set("Accept-Encoding", "identity") // the bytes that the hash is about
	resp, err := d.Doer.Do(req.WithContext(lctx)) //nolint:bodyclose // line.close does
	if err != nil {
		err = l.lost(err) // before closing, which ends lctx too
		l.close()
		return nil, err
	}
	l.resp = resp
	return l, nil
}

func (l *line) close() {
	l.watch.Stop()
	if l.resp != nil {
		_ = l.resp.Body.Close() // it was read to its end, or is given up
	}
	l.cancel(nil)
}

// Read reads the body. Each byte resets the watch.
func (l *line) Read(p []byte) (int, error) {
	n, err := l.resp.Body.Read(p)
	if n > 0 {
		l.watch.Reset(l.stall)
	}
	return n, err
}

// lost says what a broken connection means: a sentence is final, the end of the pull is its context's, the rest may pass.
func (l *line) lost(err error) error {
	if errors.Is(context.Cause(l.ctx), errStalled) {
		return passing(errStalled, "The server %s sent nothing for %s; pull again to go on from there.", l.host, l.stall)
	}
	if _, ok := errors.AsType[transientError](err); ok {
		return err
	}
	if e, ok := errors.AsType[*core.Error](err); ok && l.ctx.Err() == nil {
		if e.Code == core.CodeUnavailable || e.Code == core.CodeDeadline {
			return transientError{e}
		}
		return e
	}
	return passing(err, "The connection to the server %s failed; check the network and pull again to go on from there.", l.host)
}

// tries counts failures in a row.
type tries struct {
	d        *download
	at       func() int64
	most     int64
	failures int
}

// tries begins a count. at is how many bytes are there.
func (d *download) tries(at func() int64) *tries { return &tries{d: d, at: at, most: at()} }

// again waits before the next try, or returns why there is none.
func (t *tries) again(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	passes, ok := errors.AsType[transientError](err)
	if !ok {
		return err
	}
	t.failures++
	if at := t.at(); at > t.most {
		t.most, t.failures = at, 0
	}
	if t.failures >= maxFailures {
		return passes.sentence
	}
	t.d.logInterrupted(ctx, t.at(), err)
	timer := time.NewTimer(min(t.d.Limits.RetryWait<<t.failures, maxBackoff))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
