package ops_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"ashatai/internal/api"
	"ashatai/internal/api/ops"
	"ashatai/internal/core"
)

type health struct{ ready bool }

func (health) Live(context.Context) map[string]ops.Check { return nil }
func (h health) Ready(context.Context) map[string]ops.Check {
	return map[string]ops.Check{"store": {OK: true}, "fleet": {OK: h.ready, Detail: "Draining."}}
}

func (health) Startup(context.Context) map[string]ops.Check {
	return map[string]ops.Check{"models": {OK: true}}
}

func text(s string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(s)) })
}

func get(t *testing.T, c ops.Config, path, accept string) *httptest.ResponseRecorder {
	t.Helper()
	h, err := api.NewMux([]api.Dialect{ops.Dialect(c)}, func(row api.Route, d api.Dialect) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if err := row.Handle(w, r); err != nil {
				d.WriteError(w, r, core.AsError(err))
			}
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
	r.Header.Set("Accept", accept)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestOps(t *testing.T) {
	c := ops.Config{
		Health: health{ready: true}, Metrics: text("metrics"), Page: text("page"),
		Document: func() ([]byte, error) { return []byte(`{"openapi":"3.1.0"}`), nil },
	}
	down, plain, broken := c, c, c
	down.Health, plain.Page = health{}, nil
	broken.Document = func() ([]byte, error) { return nil, errors.New("x") }
	for _, x := range []struct {
		c            ops.Config
		path, accept string
		status       int
		has          string
	}{
		{c, "/health/live", "", 200, `{"status":"ok","checks":{}}`},
		{c, "/health/startup", "", 200, `"models":{"ok":true}`},
		{c, "/health/ready", "", 200, `"status":"ok"`},
		{down, "/health/ready", "", 503, `"fleet":{"ok":false,"detail":"Draining."}`},
		{down, "/health/live", "", 200, `"ok"`},
		{c, "/metrics", "", 200, "metrics"},
		{c, "/openapi.json", "", 200, "3.1.0"},
		{broken, "/openapi.json", "", 500, "internal"},
		{c, "/", "text/html,*/*", 200, "page"},
		{c, "/", "*/*", 200, "Ollama is running"},
		{plain, "/", "text/html", 200, "Ollama is running"},
		{c, "/assets/app.js", "", 200, "page"},
		{plain, "/assets/app.js", "", 404, "not_found"},
		{c, "/health", "", 404, "not_found"},
	} {
		w := get(t, x.c, x.path, x.accept)
		if w.Code != x.status || !strings.Contains(w.Body.String(), x.has) {
			t.Errorf("%s (%s): %d %s", x.path, x.accept, w.Code, w.Body)
		}
	}
}
