package wish

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"ashatai/internal/api/ollama"
	"ashatai/internal/core"
	"ashatai/internal/engine"
	"ashatai/internal/infer"
)

func TestWishesOfARequest(t *testing.T) {
	at := infer.Target{KeepAlive: time.Hour, Spec: engine.LoadSpec{Context: 100}}
	if got := Apply(t.Context(), at); got.KeepAlive != time.Hour || got.Spec.Context != 100 {
		t.Errorf("no wish: %+v", got)
	}
	for _, c := range []struct {
		keep, wantKeep time.Duration
		context, want  int
	}{
		{time.Minute, time.Minute, 200, 200},
		{0, 1, 50, 100}, // at once; and an instance that others share never shrinks
		{-1, -1, 5000, 1000},
	} {
		w := Bounded(&core.Manifest{Context: 1000}, ollama.Wish{KeepAlive: &c.keep, Context: c.context})
		if got := Apply(With(t.Context(), w), at); got.KeepAlive != c.wantKeep || got.Spec.Context != c.want {
			t.Errorf("%+v: %+v", c, got)
		}
	}
	if w := Bounded(&core.Manifest{}, ollama.Wish{Context: 7}); w.Context != 7 {
		t.Errorf("a model that does not say: %+v", w)
	}
}

func TestWhere(t *testing.T) {
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", http.NoBody)
	if WithWhere(r) != r {
		t.Error("a request that asks nothing was changed")
	}
	r.Header.Set(headerRuntime, "LlamaCpp")
	r.Header.Set(headerDevice, "GPU0")
	if got := Apply(WithWhere(r).Context(), infer.Target{}).Where; got != (engine.Where{Runtime: "llamacpp", Device: "GPU0"}) {
		t.Errorf("%+v", got)
	}
}
