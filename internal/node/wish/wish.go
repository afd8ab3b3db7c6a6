// Package wish carries what one request asks of its model's place past the parts that have no word for it: how long it stays
// loaded, how large its context is, on which runtime and device it runs.
package wish

import (
	"context"
	"net/http"
	"strings"
	"time"

	"ashatai/internal/api/ollama"
	"ashatai/internal/core"
	"ashatai/internal/engine"
	"ashatai/internal/infer"
)

type wishKey struct{}

// With carries how one request wants its model to be kept past infer, which has no word for it, to where infer's target
// becomes the fleet's.
func With(ctx context.Context, w ollama.Wish) context.Context {
	return context.WithValue(ctx, wishKey{}, w)
}

// Apply applies the wish in ctx, if there is one, to a target. It never makes a context smaller: the instance is shared.
func Apply(ctx context.Context, t infer.Target) infer.Target {
	t.Where = whereOf(ctx)
	w, _ := ctx.Value(wishKey{}).(ollama.Wish)
	if w.KeepAlive != nil {
		t.KeepAlive = *w.KeepAlive
		if t.KeepAlive == 0 {
			t.KeepAlive = KeepAlive(0)
		}
	}
	t.Spec.Context = max(t.Spec.Context, w.Context)
	return t
}

// Bounded cuts a wish to what the model was trained for.
func Bounded(m *core.Manifest, w ollama.Wish) ollama.Wish {
	if m.Context > 0 {
		w.Context = min(w.Context, m.Context)
	}
	return w
}

type whereKey struct{}

// Headers by which a request asks for its place.
const (
	headerRuntime = "X-Ashatai-Runtime"
	headerDevice  = "X-Ashatai-Device"
)

// WithWhere carries what a request asks of its place past the dialects, which have no word for it.
func WithWhere(r *http.Request) *http.Request {
	w := engine.Where{Runtime: strings.ToLower(r.Header.Get(headerRuntime)), Device: r.Header.Get(headerDevice)}
	if w == (engine.Where{}) {
		return r
	}
	return r.WithContext(context.WithValue(r.Context(), whereKey{}, w))
}

func whereOf(ctx context.Context) engine.Where {
	w, _ := ctx.Value(whereKey{}).(engine.Where)
	return w
}

// KeepAlive translates a wish: 0 is "at once", which the fleet knows as the shortest time.
func KeepAlive(d time.Duration) time.Duration { return max(d, 1) }
