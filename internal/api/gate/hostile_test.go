package gate_test

import (
	"io"
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
