package gate_test

import (
	"net/http"
	"testing"

	"ashatai/internal/api/gate"
	"ashatai/internal/core"
)

type refuses struct{}

func (refuses) Authenticate(*http.Request) (core.Principal, error) {
	return core.Principal{}, core.Errorf(core.CodeUnauthenticated, "Who are you?")
}

// TestLocalRows: such a row answers callers on this machine without credentials, but nobody who comes through a proxy here or under
// a name that is not this machine's.
func TestLocalRows(t *testing.T) {
	local := row(ok)
	local.Local, local.Scope = true, core.ScopeAdmin
	h := build(t, func(o *gate.Options) { o.Auth = refuses{} }, local)
	for _, c := range []struct {
		from, host, header string
		want               int
	}{
		{"127.0.0.1:9", "127.0.0.1:7077", "", 204},
		{"[::1]:9", "localhost", "", 204},
		{"203.0.113.9:9", "127.0.0.1:7077", "", 401},
		{"127.0.0.1:9", "127.0.0.1:7077", "X-Forwarded-For", 401},
		{"127.0.0.1:9", "evil.example", "", 403},
	} {
		w := h.do(t, func(r *http.Request) {
			r.RemoteAddr, r.Host = c.from, c.host
			if c.header != "" {
				r.Header.Set(c.header, "203.0.113.9")
			}
		}, "POST", "/x")
		if w.Code != c.want {
			t.Errorf("%+v: %d", c, w.Code)
		}
	}
}
