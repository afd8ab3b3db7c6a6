package collect

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"ashatai/internal/api"
	"ashatai/internal/core"
)

// sweeper remembers what it was asked.
type sweeper struct {
	grace time.Duration
	dry   bool
}

func (s *sweeper) Collect(_ context.Context, grace time.Duration, dry bool) ([]File, error) {
	s.grace, s.dry = grace, dry
	if grace == time.Hour {
		return nil, core.Errorf(core.CodeConflict, "A manifest cannot be read.")
	}
	return []File{{Where: "home", SHA256: "a", Size: 3}, {Where: "bucket", SHA256: "b", Size: 4}}, nil
}

func TestRow(t *testing.T) {
	s := &sweeper{}
	mux, err := api.NewMux([]api.Dialect{{Name: "t", Prefixes: []string{"/"}, Routes: Routes(s), WriteError: api.WriteError}}, func(row api.Route, _ api.Dialect) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if err := row.Handle(w, r); err != nil {
				api.WriteError(w, r, core.AsError(err))
			}
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		body   string
		status int
		want   string
	}{
		{`{"dry_run":true,"grace_seconds":60}`, 200, `"bytes":7`},
		{`{"grace_seconds":3600}`, 409, "cannot be read"},
		{`{"grace_seconds":59}`, 400, "60"},
		{`{"grace_seconds":-1}`, 400, "grace_seconds"},
		{`{"grace_seconds":999999999}`, 400, "grace_seconds"},
		{`{"grace":1}`, 400, "grace"},
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/api/v1/collect", strings.NewReader(c.body))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.want) {
			t.Errorf("%s: %d %s", c.body, w.Code, w.Body)
		}
		if c.status == 200 && (s.grace != time.Minute || !s.dry) {
			t.Errorf("%+v", s)
		}
	}
}
