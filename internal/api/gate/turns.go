package gate

import (
	"context"
	"io"
	"net/http"
	"sync"
	"time"

	"ashatai/internal/api"
	"ashatai/internal/core"
)

// turnIdle is the longest that a stream of requests may stand still between two of them.
const turnIdle = 10 * time.Minute

// turns makes a request whose body is a stream of requests. Each of them passes what one of its own would pass: whose it is, and what
// is open to that one, may change while a stream lasts. over must be called before the handler returns.
func (c *call) turns(r *http.Request) (turning *http.Request, over func()) {
	rc, raw := http.NewResponseController(c.w), r.Body
	body := &turnBody{raw: raw, rc: rc, fresh: func() io.ReadCloser {
		return &patientBody{ReadCloser: http.MaxBytesReader(c.w.ResponseWriter, raw, c.maxBody()), rc: rc, timeout: c.g.o.BodyTimeout}
	}}
	ctx, turn := r.Context(), r
	stop := func() bool { return true }
	if c.g.o.Leaving != nil {
		stop = context.AfterFunc(c.g.o.Leaving, body.leave) //nolint:contextcheck // the server's
	}
	r = r.WithContext(api.WithTurns(ctx, func() (context.Context, func(error), error) {
		body.next()
		return c.turn(turn)
	}))
	r.Body = body
	return r, func() {
		stop()
		body.end()
	}
}

// turn is one request of a stream.
func (c *call) turn(r *http.Request) (context.Context, func(error), error) {
	for _, step := range []func() error{
		func() error { return c.admit(r) }, c.drain, c.feature, func() error { return c.prioritise(r) }, func() error { return c.g.o.Limit.Again(r, c.row, c.who) },
	} {
		if err := step(); err != nil {
			return nil, nil, err
		}
	}
	r, cancel := c.bound(r.WithContext(core.WithPrincipal(r.Context(), c.who)))
	finish := func(int) {}
	if c.row.Audit != api.AuditNone {
		recorded, f, err := c.record(r)
		if err != nil {
			cancel()
			return nil, nil, err
		}
		r, finish = recorded, f
	}
	return r.Context(), func(err error) {
		cancel()
		status := http.StatusOK
		if err != nil {
			e := core.AsError(err)
			c.logError(r, e)
			status = api.Status(e.Code)
		}
		finish(status)
	}, nil
}

// turnBody is the body of a stream of requests. Between two of them it may stand still for turnIdle and ends when the server leaves;
// within one it is bounded as a body is.
type turnBody struct {
	raw   io.ReadCloser
	rc    *http.ResponseController
	fresh func() io.ReadCloser

	mu      sync.Mutex
	body    io.ReadCloser // of the request that is being read; nil between two
	leaving bool
	over    bool // the handler is done with it, and with the connection
}

// next says that a request was read. While it is answered nothing is waited for.
func (b *turnBody) next() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.body = nil; !b.leaving {
		_ = b.rc.SetReadDeadline(time.Time{})
	}
}

// end says that the handler is done: what it was given of the connection must not be used any more, and is no more with HTTP/2.
func (b *turnBody) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.over = true
}

// leave ends the wait for the next request.
func (b *turnBody) leave() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.leaving = true; b.body == nil && !b.over {
		_ = b.rc.SetReadDeadline(time.Unix(1, 0))
	}
}

// Read implements io.Reader. Only the first byte of a request is waited for long.
func (b *turnBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	body, leaving := b.body, b.leaving
	if body == nil && !leaving {
		_ = b.rc.SetReadDeadline(time.Now().Add(turnIdle))
	}
	b.mu.Unlock()
	switch {
	case body != nil:
		return body.Read(p)
	case leaving:
		return 0, errLeaving()
	case len(p) == 0:
		return 0, nil
	}
	n, err := b.raw.Read(p[:1])
	b.mu.Lock()
	defer b.mu.Unlock()
	if n > 0 {
		b.body = b.fresh()
	} else if b.leaving {
		err = errLeaving()
	}
	return n, err
}

// Close implements io.Closer.
func (b *turnBody) Close() error { return b.raw.Close() }

func errLeaving() error {
	return core.Errorf(core.CodeDraining, "The server is shutting down and takes no new requests.")
}
