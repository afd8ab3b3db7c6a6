package gate_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"ashatai/internal/api"
	"ashatai/internal/api/gate"
	"ashatai/internal/core"
)

// turns is a row whose requests are lines; each is answered with its length, or with what is wrong.
func turns(limit int64) api.Route {
	return api.Route{
		Method: http.MethodPost, Path: "/turns", Summary: "Turns.", Scope: core.ScopeInfer, Limit: api.LimitInfer, Audit: api.AuditUse, MaxBody: limit, Turns: true,
		Handle: func(w http.ResponseWriter, r *http.Request) error {
			lines := bufio.NewReaderSize(oneByOne{r.Body}, 16)
			for {
				line, err := lines.ReadString('\n')
				if errors.Is(err, io.EOF) {
					return nil
				}
				if err != nil {
					return api.BodyError(r, err)
				}
				ctx, end, err := api.NextTurn(r.Context())
				if err == nil {
					if _, bounded := ctx.Deadline(); !bounded || core.PrincipalFrom(ctx).User == "" {
						err = errors.New("the turn is not bounded, or nobody's")
					}
					if line == "bad\n" {
						err = core.Invalid("line", "bad")
					}
					end(err)
				}
				_, _ = fmt.Fprintln(w, len(line), err)
			}
		},
	}
}

// oneByOne reads no byte of the next request with one.
type oneByOne struct{ io.Reader }

func (r oneByOne) Read(p []byte) (int, error) { return r.Reader.Read(p[:min(1, len(p))]) }

func (h house) lines(t *testing.T, body string) *httptest.ResponseRecorder {
	t.Helper()
	return h.do(t, func(r *http.Request) { r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), -1 }, http.MethodPost, "/turns")
}

func TestTurns(t *testing.T) {
	h := build(t, func(o *gate.Options) {
		o.RequestTimeout = time.Minute
		o.Limit = gate.NewLimits(gate.LimitOptions{PerMinute: 5, Own: true, Concurrent: 1})
	}, turns(6))
	a := h.lines(t, "1234\nbad\n1234\n")
	if a.Code != http.StatusOK || a.Body.String() != "5 <nil>\n4 invalid_request: bad\n5 <nil>\n" {
		t.Errorf("%d %s", a.Code, a.Body)
	}
	if a := h.log.lines(t, "audit"); len(a) != 3 || a[0]["status"] != 200.0 || a[1]["status"] != 400.0 || a[2]["status"] != 200.0 {
		t.Errorf("the audit has %v", a)
	}
	if a := h.lines(t, "12345678\n"); a.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("a request over the limit of one: %d %s", a.Code, a.Body)
	}
	if a := h.lines(t, "1\n"); a.Code != http.StatusTooManyRequests {
		t.Errorf("a sixth request: %d %s", a.Code, a.Body)
	}

	h = build(t, func(o *gate.Options) {
		o.RequestTimeout = time.Minute
		o.Limit = gate.NewLimits(gate.LimitOptions{PerMinute: 2, Own: true})
	}, turns(0))
	if a := h.lines(t, "1\n1\n"); !strings.Contains(a.Body.String(), "2 <nil>\n2 rate_limited") {
		t.Errorf("over the rate: %s", a.Body)
	}
}

// TestTurnsEndWithTheServer: no further request is waited for.
func TestTurnsEndWithTheServer(t *testing.T) {
	left, leave := context.WithCancel(t.Context())
	leave()
	h := build(t, func(o *gate.Options) { o.RequestTimeout, o.Leaving = time.Minute, left }, turns(0))
	deadline := time.Now().Add(30 * time.Second)
	for { // leaving is told in a goroutine of its own
		a := h.lines(t, strings.Repeat("1\n", 1000))
		if a.Code == http.StatusServiceUnavailable || strings.Count(a.Body.String(), "\n") < 1000 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("a stream does not end with the server")
		}
	}
}

// ended is a writer whose connection is gone once its handler has returned, as that of HTTP/2 is.
type ended struct {
	*httptest.ResponseRecorder

	over atomic.Bool
	late atomic.Int32
}

func (e *ended) SetReadDeadline(time.Time) error {
	if e.over.Load() {
		e.late.Add(1)
	}
	return nil
}

// TestTurnsAreOverWithTheirHandler: a server that leaves later touches nothing of them, which would end the whole process.
func TestTurnsAreOverWithTheirHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		left, leave := context.WithCancel(t.Context())
		h := build(t, func(o *gate.Options) { o.RequestTimeout, o.Leaving = time.Minute, left }, turns(0))
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/turns", io.NopCloser(strings.NewReader("1\n")))
		r.RemoteAddr, r.Host, r.ContentLength = "127.0.0.1:5555", "localhost:7077", -1
		w := &ended{ResponseRecorder: httptest.NewRecorder()}
		h.handler.ServeHTTP(w, r)
		w.over.Store(true)
		leave()
		synctest.Wait()
		if !strings.HasPrefix(w.Body.String(), "2 <nil>") || w.late.Load() > 0 {
			t.Errorf("%s; %d late", w.Body, w.late.Load())
		}
	})
}

// TestTurnIsRefused: what is refused a request of its own is refused one of a stream, without the act.
func TestTurnIsRefused(t *testing.T) {
	var draining bool
	h := build(t, func(o *gate.Options) {
		o.RequestTimeout = time.Minute
		o.Draining = func() bool { defer func() { draining = true }(); return draining } // from the first request on
	}, turns(0))
	if a := h.lines(t, "1\n"); !strings.HasPrefix(a.Body.String(), "2 draining") {
		t.Errorf("%s", a.Body)
	}
	h = build(t, func(o *gate.Options) { o.RequestTimeout, o.Audit = time.Minute, brokenAudit{} }, turns(0))
	if a := h.lines(t, "1\n"); !strings.HasPrefix(a.Body.String(), "2 unavailable") {
		t.Errorf("%s", a.Body)
	}
}

// TestQuietStream: over HTTP/2 a deadline of writes that passes ends the answer also while nothing is written. So each write has one,
// and the time between two of them none.
func TestQuietStream(t *testing.T) {
	d := &deadlined{ResponseRecorder: httptest.NewRecorder()}
	last := func() time.Time { return d.deadlines[len(d.deadlines)-1] }
	pieces := row(func(w http.ResponseWriter, _ *http.Request) error {
		sse := api.NewSSE(w, 0)
		for range 3 {
			before := len(d.deadlines)
			if err := sse.Data("x"); err != nil {
				return err
			}
			if set := d.deadlines[before:]; len(set) < 2 || set[0].IsZero() || !last().IsZero() {
				t.Errorf("the deadlines of a write: %v", set)
			}
		}
		return nil
	})
	r := here(t)
	r.ProtoMajor = 2
	build(t, nil, pieces).handler.ServeHTTP(d, r)
	if d.Code != http.StatusOK || last().IsZero() {
		t.Errorf("%d; what is still buffered at the end has the deadline %v", d.Code, last())
	}
}
