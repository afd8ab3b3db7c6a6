package v1_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"ashatai/internal/api"
	"ashatai/internal/api/v1"
	"ashatai/internal/core"
)

// optimizer answers by the model's name.
type optimizer struct{ types []string }

func (o *optimizer) Optimize(ctx context.Context, model string, types []string, progress func(v1.OptimizeProgress)) (*v1.Optimized, error) {
	o.types = types
	if model == "nothing" {
		return nil, core.Errorf(core.CodeModelNotFound, "There is no model.")
	}
	progress(v1.OptimizeProgress{Status: "making", Type: "q", Fraction: 0.5})
	if model == "org/breaks" {
		return nil, core.Errorf(core.CodeDiskFull, "Full.")
	}
	progress(v1.OptimizeProgress{Status: "tried", Type: "q", Trial: &v1.Trial{Type: "q", Divergence: 0.25}})
	return o.Optimized(nil), ctx.Err()
}

func (*optimizer) Optimized(*core.Manifest) *v1.Optimized {
	return &v1.Optimized{Type: "q", Trials: []v1.Trial{}}
}

func TestOptimize(t *testing.T) {
	f, o := &fake{}, &optimizer{}
	d := v1.Dialect(v1.Config{Models: f, Puller: f, Fleet: f, Tokens: f, Optimizer: o})
	h, err := api.NewMux([]api.Dialect{d}, func(row api.Route, d api.Dialect) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if err := row.Handle(w, r); err != nil && w.Header().Get("Content-Type") == "" {
				d.WriteError(w, r, core.AsError(err))
			}
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(h)
	defer srv.Close()
	for _, c := range []struct {
		method, path, body string
		status             int
		has                string
	}{
		{"POST", "/api/v1/models/m:7b/optimize", `{"types":["q"]}`, 200, `{"status":"success","result":{"type":"q","digest":""`},
		{"POST", "/api/v1/models/org%2Fm/optimize", `{}`, 200, `"divergence":0.25`},
		{"POST", "/api/v1/models/org%2Fbreaks/optimize", `{}`, 200, `disk_full`},
		{"POST", "/api/v1/models/nothing/optimize", `{}`, 404, "model_not_found"},
		{"POST", "/api/v1/models/m/optimize", `{"type":"q"}`, 400, `"param":"type"`},
		{"POST", "/api/v1/models/m/optimize", `{"types":[` + strings.Repeat(`"q",`, 40) + `"q"]}`, 400, `"param":"types"`},
		{"GET", "/api/v1/models/org/m", "", 200, `"optimized":{"type":"q"`},
	} {
		status, text := do(t, srv, c.method, c.path, c.body)
		if status != c.status || !strings.Contains(text, c.has) {
			t.Errorf("%s %s: %d %s", c.method, c.path, status, text)
		}
	}
}
