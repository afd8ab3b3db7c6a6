package responses

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ashatai/internal/api"
	"ashatai/internal/core"
)

// waiting has a queue in which requests wait for long.
type waiting struct{ *fake }

func (s waiting) Generate(ctx context.Context, req *core.Request) (*core.Stream, error) {
	<-time.After(12 * time.Second)
	return s.fake.Generate(ctx, req)
}

// full makes no more responses.
type full struct{ Runs }

func (full) Run(context.Context, core.Principal, core.Stored, []core.StoredAdd, func(context.Context, func(core.StoredEvent)) core.StoredEnd) error {
	return core.Errorf(core.CodeQueueFull, "No more.")
}

// TestFailsAfterWaiting: a stream that was told where it stands is told why there is no response, wherever that is found out.
func TestFailsAfterWaiting(t *testing.T) {
	for name, fails := range map[string]error{"as it starts": core.Errorf(core.CodeQueueFull, "No more."), "as it is kept": nil} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &fake{events: hello(), err: fails}
				rows := Routes(Config{
					Partners: Partners{Generator: waiting{f}, Catalogue: f, Counter: f, Runs: full{}}, MaxBody: 1 << 20, Now: time.Now,
					Place: func(http.ResponseWriter, core.Placement) {},
				})
				create := rows[slices.IndexFunc(rows, func(r api.Route) bool { return r.Method == http.MethodPost && r.Path == "/v1/responses" })]
				wait := &core.Wait{}
				wait.By(func() int { return 3 })
				r := httptest.NewRequestWithContext(core.WithWait(t.Context(), wait), http.MethodPost, "/v1/responses", strings.NewReader(`{"input":"hi","stream":true}`))
				w := httptest.NewRecorder()
				err := create.Handle(w, r)
				if core.CodeOf(err) != core.CodeQueueFull {
					t.Error(err)
				}
				if got := w.Body.String(); !strings.HasPrefix(got, ": queue position 3\n\nevent: error\ndata: {") || !strings.Contains(got, `"message":"No more."`) {
					t.Errorf("%s", got)
				}
			})
		})
	}
}
