package gate_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"ashatai/internal/api"
	"ashatai/internal/api/gate"
	"ashatai/internal/core"
)

// A connection from this machine may carry another's request: from a proxy here, or from a browser here that a page sent to
// a name of its own.
func TestFromHereAndNotByUs(t *testing.T) {
	for name, change := range map[string]func(*http.Request){
		"forwarded": func(r *http.Request) { r.Header.Set("X-Forwarded-For", "192.0.2.1") },
		"standard":  func(r *http.Request) { r.Header.Set("Forwarded", "for=192.0.2.1") },
		"empty":     func(r *http.Request) { r.Header.Set("X-Forwarded-For", "") },
		"two lines": func(r *http.Request) { r.Header["X-Forwarded-For"] = []string{"", "192.0.2.1"} },
		"via":       func(r *http.Request) { r.Header.Set("Via", "1.1 proxy") },
		"real":      func(r *http.Request) { r.Header.Set("X-Real-IP", "") },
		"protocol":  func(r *http.Request) { r.Header.Set("X-Forwarded-Proto", "https") },
		"rebound":   func(r *http.Request) { r.Host = "evil.example:7077" },
	} {
		local := func(r *http.Request) { r.RemoteAddr = "127.0.0.1:1"; r.Host = "localhost"; change(r) }
		open := func(o *gate.Options) { o.Auth, o.Hosts.Bound = gate.Local{Names: []string{"box.lan"}}, "0.0.0.0:7077" }
		if w := build(t, open, row(ok)).do(t, local, "POST", "/x"); w.Code != http.StatusUnauthorized {
			t.Errorf("%s: %d", name, w.Code)
		}
		admin := row(ok)
		admin.Scope = core.ScopeAdmin
		anyone := func(o *gate.Options) { o.Auth, o.Hosts.Bound = gate.Local{Anyone: true}, "0.0.0.0:7077" }
		if w := build(t, anyone, admin).do(t, local, "POST", "/x"); w.Code != http.StatusForbidden {
			t.Errorf("%s is an admin: %d", name, w.Code)
		}
		if w := build(t, open, row(ok)).do(t, func(r *http.Request) { r.RemoteAddr = "127.0.0.1:1"; r.Host = "BOX.lan" }, "POST", "/x"); w.Code != http.StatusNoContent {
			t.Errorf("a name of our own: %d", w.Code)
		}
	}
}

// TestNobodyIsHere: a caller of whom a trusted proxy on this machine says no address is not on this machine, and counted with
// every other such caller.
func TestNobodyIsHere(t *testing.T) {
	h := build(t, func(o *gate.Options) {
		o.Proxies, o.Auth = gate.ParseProxies([]string{"127.0.0.1"}), gate.Local{Anyone: true}
		o.Limit = gate.NewLimits(gate.LimitOptions{PerMinute: 1, Now: func() time.Time { return time.Unix(1000, 0) }})
	}, row(ok))
	for i, said := range []string{"", "whoever", "_hidden"} {
		w := h.do(t, func(r *http.Request) { r.Header.Set("X-Forwarded-For", said) }, "POST", "/x")
		if want := map[bool]int{true: http.StatusNoContent, false: http.StatusTooManyRequests}[i == 0]; w.Code != want {
			t.Errorf("%q: %d, want %d", said, w.Code, want)
		}
	}
	h = build(t, func(o *gate.Options) { o.Proxies = gate.ParseProxies([]string{"127.0.0.1"}) }, row(ok))
	for said, want := range map[string]int{"": http.StatusUnauthorized, "127.0.0.1": http.StatusUnauthorized, "-": http.StatusNoContent} {
		w := h.do(t, func(r *http.Request) {
			if said != "-" { // who calls without the proxy is here
				r.Header.Set("X-Forwarded-For", said)
			}
		}, "POST", "/x")
		if w.Code != want {
			t.Errorf("%q: %d, want %d", said, w.Code, want)
		}
	}
}

// TestTricklingBody: a byte before each deadline does not hold a place for ever.
func TestTricklingBody(t *testing.T) {
	read := func(w http.ResponseWriter, r *http.Request) error {
		var v []string
		if err := api.DecodeJSON(r, 1<<20, &v); err != nil {
			return err
		}
		return ok(w, r)
	}
	h := build(t, func(o *gate.Options) { o.BodyTimeout = 100 * time.Millisecond }, row(read))
	srv := httptest.NewServer(h.handler)
	defer srv.Close()
	from, to := io.Pipe()
	stop := make(chan struct{})
	go func() {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				_ = to.Close()
				return
			case <-tick.C:
				_, _ = to.Write([]byte(" "))
			}
		}
	}()
	defer close(stop)
	began := time.Now()
	res, err := post(t, srv, "/x", from)
	if err == nil {
		res.Body.Close()
		if res.StatusCode < 400 {
			t.Errorf("status %d", res.StatusCode)
		}
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it was kept for %s", took)
	}
}

// TestKeysDoNotMultiplyARate: the keys of one account are counted together.
func TestKeysDoNotMultiplyARate(t *testing.T) {
	l := gate.NewLimits(gate.LimitOptions{PerMinute: 2})
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/x", http.NoBody)
	refused := 0
	for _, key := range []string{"a", "b", "c", "d"} {
		release, err := l.Admit(http.Header{}, r, row(ok), core.Principal{User: "ann", Key: key})
		if err != nil {
			refused++
			continue
		}
		release()
	}
	if refused != 2 {
		t.Errorf("%d of 4 requests were refused, with a limit of 2", refused)
	}
	if release, err := l.Admit(http.Header{}, r, row(ok), core.Principal{User: "bob", Key: "e"}); err != nil {
		t.Errorf("another account: %v", err)
	} else {
		release()
	}
}

// deadlined is a client's connection as handlers see it.
type deadlined struct {
	*httptest.ResponseRecorder

	deadlines []time.Time
	fail      error
}

func (d *deadlined) SetWriteDeadline(t time.Time) error {
	d.deadlines = append(d.deadlines, t)
	return nil
}

func (d *deadlined) Write(p []byte) (int, error) {
	if d.fail != nil {
		return 0, d.fail
	}
	return d.ResponseRecorder.Write(p)
}

// here is a request from this machine.
func here(t *testing.T) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/x", http.NoBody)
	r.RemoteAddr, r.Host = "127.0.0.1:5555", "localhost:7077"
	return r
}

// TestWritesHaveADeadline: also a handler that writes as net/http does cannot be held for ever by a client that stops reading.
func TestWritesHaveADeadline(t *testing.T) {
	var within []time.Time
	d := &deadlined{ResponseRecorder: httptest.NewRecorder()}
	raw := build(t, nil, row(func(w http.ResponseWriter, _ *http.Request) error {
		_, err := io.WriteString(w, "x")
		within = d.deadlines
		return err
	}))
	raw.handler.ServeHTTP(d, here(t))
	if n := len(within); n < 2 || !within[n-1].After(time.Now()) {
		t.Errorf("the deadlines before the write ended: %v", within)
	}
	mine := time.Now().Add(time.Hour)
	d = &deadlined{ResponseRecorder: httptest.NewRecorder()}
	careful := build(t, nil, row(func(w http.ResponseWriter, _ *http.Request) error {
		if err := http.NewResponseController(w).SetWriteDeadline(mine); err != nil {
			return err
		}
		_, err := io.WriteString(w, "x")
		within = d.deadlines
		return err
	}))
	careful.handler.ServeHTTP(d, here(t))
	if n := len(within); n < 2 || !within[n-1].Equal(mine) {
		t.Errorf("a handler's own deadline was moved: %v", within)
	}
}

// TestGoneClientIsNoFailure: a client that cuts its line does not fill the log with failures of the server.
func TestGoneClientIsNoFailure(t *testing.T) {
	d := &deadlined{ResponseRecorder: httptest.NewRecorder(), fail: &net.OpError{Op: "write", Err: errors.New("reset")}}
	var got error
	h := build(t, nil, row(func(w http.ResponseWriter, _ *http.Request) error {
		_, got = io.WriteString(w, "x")
		return got
	}))
	h.handler.ServeHTTP(d, here(t))
	if core.CodeOf(got) != core.CodeCancelled {
		t.Errorf("%v", got)
	}
}

// TestAnnouncedBody: a body that says that it is too large is refused without being read; one byte makes the connection linger.
func TestAnnouncedBody(t *testing.T) {
	h := build(t, func(o *gate.Options) { o.MaxBody = 1 << 10 }, row(func(http.ResponseWriter, *http.Request) error {
		t.Error("the handler was called")
		return nil
	}))
	w := h.do(t, func(r *http.Request) {
		r.Body, r.ContentLength = io.NopCloser(&readOnce{t: t}), 1<<40
	}, "POST", "/x")
	if w.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

type readOnce struct {
	t    *testing.T
	read bool
}

func (n *readOnce) Read(b []byte) (int, error) {
	if n.read || len(b) != 1 {
		n.t.Errorf("%d bytes of it were to be read", len(b))
	}
	n.read = true
	return len(b), nil
}
