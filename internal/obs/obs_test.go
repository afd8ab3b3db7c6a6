package obs

import (
	"bytes"
	"encoding/json"
	"flag"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ashatai/internal/core"
)

func TestLogCarriesTheRequestID(t *testing.T) {
	var b bytes.Buffer
	log := NewLogger(&b, LogOptions{Level: slog.LevelInfo})
	ctx := WithRequestID(t.Context(), "req_1")
	log.DebugContext(ctx, "not written")
	log.With(slog.String("part", "x")).InfoContext(ctx, "hello", slog.String("prompt", "my secret"), slog.Int("count", 3))
	var line map[string]any
	if err := json.Unmarshal(b.Bytes(), &line); err != nil {
		t.Fatalf("%v in %q", err, b.String())
	}
	delete(line, "time")
	want := map[string]any{
		"level": "INFO", "msg": "hello", "part": "x", "count": 3.0, "request_id": "req_1",
	}
	if diff := cmp.Diff(want, line); diff != "" {
		t.Error(diff)
	}
	if RequestID(t.Context()) != "" {
		t.Error("a context without a request has an id")
	}
}

func TestLogFormats(t *testing.T) {
	file, err := os.Create(t.TempDir() + "/log") // a file is no terminal
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	NewLogger(file, LogOptions{}).InfoContext(t.Context(), "x")
	text, err := os.ReadFile(file.Name())
	if err != nil || !strings.HasPrefix(string(text), "{") {
		t.Errorf("a file gets %q, %v", text, err)
	}
	var b bytes.Buffer
	NewLogger(&b, LogOptions{Format: "text"}).WithGroup("g").InfoContext(t.Context(), "x", slog.Int("count", 1))
	if !strings.Contains(b.String(), "msg=x g.count=1") {
		t.Errorf("text is %q", b.String())
	}
}

var update = flag.Bool("update", false, "rewrite golden files")

// exercise touches every metric once.
func exercise() *Metrics {
	m := NewMetrics("1.2.3")
	m.Request("openai", "/v1/chat/completions", "POST", http.StatusOK, 2*time.Second)
	m.InFlight(1)
	m.Cancelled("/v1/chat/completions")
	m.Generated(
		core.Placement{Model: "m:latest", Runtime: "mock", Fallback: "no gpu"}, core.ClassStandard,
		core.Usage{Prompt: 10, Cached: 4, Completion: 5, Queued: time.Second, Prefill: time.Second, Decode: 400 * time.Millisecond, LeftOut: core.LeftOut{Messages: 2}},
	)
	m.Evicted("idle")
	m.WorkerDied("m", "r")
	m.Refused("m", "queue_full")
	m.Replayed("m")
	m.Loaded("m", "r", "", time.Second)
	m.Loaded("m", "r", "bad_model", 0)
	m.SetQueueDepth("m", "batch", 3)
	m.SetInstances("ready", 1)
	m.SetMemory("weights", 1000)
	m.SetModel("m:latest", 1, 2, 300)
	one := map[string]uint64{"host": 1}
	m.SetEngine("m:latest", Engine{Threads: 2, Drafted: 3, Accepted: 2, Paused: 1, Began: one, Misses: one, Evictions: one, Bytes: map[string]int64{"host": 1}})
	return m
}

func scrape(t *testing.T, m *Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusOK {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	return w.Body.String()
}

func TestMetricNames(t *testing.T) {
	var got []string
	for line := range strings.Lines(scrape(t, exercise())) {
		if rest, ok := strings.CutPrefix(line, "# TYPE ashatai_"); ok {
			got = append(got, "ashatai_"+rest)
		}
	}
	slices.Sort(got)
	const golden = "testdata/metrics.golden"
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(golden, []byte(strings.Join(got, "")), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), strings.Join(got, "")); diff != "" {
		t.Errorf("names are a promise to dashboards; run with -update when the change is meant\n%s", diff)
	}
}

func TestMetricValues(t *testing.T) {
	m := exercise()
	text := scrape(t, m)
	for _, want := range []string{
		`ashatai_build_info{version="1.2.3"} 1`,
		`ashatai_requests_total{dialect="openai",method="POST",route="/v1/chat/completions",status="200"} 1`,
		`ashatai_request_duration_seconds_sum{dialect="openai",route="/v1/chat/completions"} 2`,
		`ashatai_http_requests_in_flight 1`,
		`ashatai_cancellations_total{route="/v1/chat/completions"} 1`,
		`ashatai_queue_wait_seconds_sum{class="standard",model="m:latest"} 1`,
		`ashatai_time_to_first_token_seconds_sum{model="m:latest",runtime="mock"} 2`,
		`ashatai_time_per_output_token_seconds_sum{model="m:latest",runtime="mock"} 0.1`,
		`ashatai_prompt_tokens_total{model="m:latest"} 10`,
		`ashatai_cached_tokens_total{model="m:latest"} 4`,
		`ashatai_generated_tokens_total{model="m:latest"} 5`,
		`ashatai_fallbacks_total{reason="placement"} 1`,
		`ashatai_evictions_total{reason="idle"} 1`,
		`ashatai_worker_deaths_total{model="m",runtime="r"} 1`,
		`ashatai_refusals_total{code="queue_full",model="m"} 1`,
		`ashatai_replays_total{model="m"} 1`,
		`ashatai_loads_total{model="m",outcome="ok",runtime="r"} 1`,
		`ashatai_loads_total{model="m",outcome="bad_model",runtime="r"} 1`,
		`ashatai_load_seconds_sum{model="m",runtime="r"} 1`,
		`ashatai_queue_depth{class="batch",model="m"} 3`,
		`ashatai_instances{state="ready"} 1`,
		`ashatai_memory_bytes{line="weights"} 1000`,
		`ashatai_sequences{model="m:latest",state="waiting"} 2`,
		`ashatai_kv_bytes{model="m:latest"} 300`,
		`go_goroutines`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("missing %s", want)
		}
	}
	m.ForgetModel("m:latest")
	if text := scrape(t, m); strings.Contains(text, "ashatai_kv_bytes{") || strings.Contains(text, "ashatai_sequences{") {
		t.Error("a forgotten model still has figures")
	}
	m.Generated(core.Placement{Model: "e"}, core.ClassBatch, core.Usage{Prompt: 1})
	if text := scrape(t, m); strings.Contains(text, `ashatai_time_to_first_token_seconds_sum{model="e"`) {
		t.Error("an answer without tokens has a first token")
	}
}
