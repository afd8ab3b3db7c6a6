package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// fake streams max_tokens words, one every gap, and reports usage.
func fake(t *testing.T, gap time.Duration, refuse string) *httptest.Server {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/models" {
			fmt.Fprint(w, `{"data":[{"id":"m"}]}`)
			return
		}
		var q map[string]any
		if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if _, ok := q[refuse]; ok && refuse != "" {
			http.Error(w, `{"error":{"message":"unknown field `+refuse+`"}}`, http.StatusBadRequest)
			return
		}
		n := 0
		for _, m := range q["messages"].([]any) {
			n += 5 + len(strings.Fields(m.(map[string]any)["content"].(string)))
		}
		w.Header().Set("Content-Type", "text/event-stream")
		k := int(q["max_tokens"].(float64))
		fmt.Fprint(w, "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":null}}]}\n\n")
		for range k {
			select {
			case <-time.After(gap):
			case <-r.Context().Done():
				return
			}
			fmt.Fprint(w, "data: {\"choices\":[{\"delta\":{\"content\":\"x \"}}]}\n\n")
			w.(http.Flusher).Flush()
		}
		fmt.Fprintf(w, "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":%d,\"completion_tokens\":%d}}\n\ndata: [DONE]\n\n", n, k)
	}))
	t.Cleanup(srv.Close)
	return srv
}

func TestTimesAndCalibration(t *testing.T) {
	srv := fake(t, 5*time.Millisecond, "")
	c := newClient(srv.URL+"/v1", "", "", "chat", "default", 10*time.Second)
	ctx, rng := t.Context(), rand.New(rand.NewPCG(1, 1))
	if m, err := c.firstModel(ctx); err != nil || m != "m" {
		t.Fatalf("model %q, %v", m, err)
	}
	if err := c.calibrate(ctx, rng); err != nil {
		t.Fatal(err)
	}
	rs, wall := wave(ctx, c, []request{{msgs: user(c.prompt(rng, 100)), maxTokens: 20}, {msgs: user(c.prompt(rng, 100)), maxTokens: 20}}, 2)
	s := summarise("x", 2, rs, wall, []float64{steady(rs)})
	if s.Errors != 0 || s.OutTokens != 40 || s.PromptTokens != 100 || s.Cached != -1 {
		t.Fatalf("%+v", s)
	}
	if s.ITLp50 < 4.5 || s.ITLp50 > 30 || s.TTFTp50 < 4.5 || s.SteadyTPS > 450 {
		t.Fatalf("%+v", s)
	}
}

func TestRefusedFieldIsDropped(t *testing.T) {
	srv := fake(t, 0, "ignore_eos")
	c := newClient(srv.URL, "m", "", "chat", "default", 10*time.Second)
	r := c.do(t.Context(), request{msgs: user("a b"), maxTokens: 2})
	if r.err != nil || r.outTokens != 2 || c.ignoreEOS.Load() {
		t.Fatalf("%+v", r)
	}
}

func TestCancelAndErrors(t *testing.T) {
	srv := fake(t, 5*time.Millisecond, "")
	c := newClient(srv.URL, "m", "", "chat", "default", 10*time.Second)
	r := c.do(t.Context(), request{msgs: user("a"), maxTokens: 1000, cancelAfter: 60 * time.Millisecond})
	if r.err != nil || !r.cancelled || len(r.stamps) == 0 || len(r.stamps) > 20 {
		t.Fatalf("cancelled=%v chunks=%d err=%v", r.cancelled, len(r.stamps), r.err)
	}
	bad := httptest.NewServer(http.NotFoundHandler())
	defer bad.Close()
	c = newClient(bad.URL, "m", "", "chat", "default", time.Second)
	if r := c.do(t.Context(), request{msgs: user("a"), maxTokens: 1}); r.err == nil {
		t.Fatal("404 passed")
	}
}

func TestPct(t *testing.T) {
	if pct(nil, .5) != 0 || pct([]float64{3, 1, 2}, .5) != 2 || pct([]float64{1, 2}, 1) != 2 {
		t.Fatal("quantiles")
	}
}
