package obs_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"ashatai/internal/core"
	"ashatai/internal/obs"
)

// receiver is an OTLP/HTTP collector.
type receiver struct {
	mu      sync.Mutex
	spans   []*tracepb.Span
	about   []*common.KeyValue
	headers http.Header
	status  int
}

func (c *receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var in collector.ExportTraceServiceRequest
	if err != nil || r.URL.Path != "/v1/traces" || r.Header.Get("Content-Type") != "application/x-protobuf" || proto.Unmarshal(body, &in) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.status != 0 {
		w.WriteHeader(c.status)
		return
	}
	c.headers = r.Header
	for _, rs := range in.GetResourceSpans() {
		c.about = rs.GetResource().GetAttributes()
		for _, ss := range rs.GetScopeSpans() {
			c.spans = append(c.spans, ss.GetSpans()...)
		}
	}
}

func (c *receiver) start(t *testing.T, log io.Writer) *obs.Tracer {
	t.Helper()
	srv := httptest.NewServer(c)
	t.Cleanup(srv.Close)
	tr, err := obs.NewTracer(t.Context(), obs.TraceOptions{
		URL: srv.URL + "/v1/traces", Headers: map[string]string{"X-Team": "lab"}, Service: "here", Version: "1", Client: srv.Client(),
		Log: obs.NewLogger(log, obs.LogOptions{}),
	})
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

func (c *receiver) named(name string) []*tracepb.Span {
	var out []*tracepb.Span
	for _, s := range c.spans {
		if s.GetName() == name {
			out = append(out, s)
		}
	}
	return out
}

func values(all []*common.KeyValue) map[string]string {
	out := map[string]string{}
	for _, kv := range all {
		out[kv.GetKey()] = strings.TrimSpace(strings.SplitN(kv.GetValue().String(), ":", 2)[1])
	}
	return out
}

// TestTrace: an answer is a span with the conventions' names and three parts that follow each other, in its caller's trace, and nothing
// that anybody wrote is in it.
func TestTrace(t *testing.T) {
	c := &receiver{}
	tr := c.start(t, io.Discard)
	ctx := obs.WithTrace(t.Context(), http.Header{"Traceparent": {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}})
	temperature := 0.5
	req := &core.Request{
		ID: "req_1", Model: "whisper-model", Messages: []core.Message{{Content: "whisper"}}, MaxTokens: 9, Choices: 2,
		Sampling: core.Sampling{Temperature: &temperature},
	}
	a := tr.Begin(ctx, req)
	a.Accepted(core.Placement{Model: "m:latest", Runtime: "mock", Device: "cpu"})
	a.See(core.Event{Text: "whisper"})
	a.See(core.Event{Finish: core.FinishStop})
	a.See(core.Event{Usage: &core.Usage{Prompt: 7, Cached: 2, Completion: 3, Queued: time.Second, Prefill: 2 * time.Second, Decode: 3 * time.Second}})
	a.End(nil)
	a.End(context.Canceled)
	refused := tr.Begin(t.Context(), &core.Request{Prompt: "whisper"})
	refused.End(core.Errorf(core.CodeQueueFull, "whisper"))
	broken := tr.Begin(t.Context(), &core.Request{Prompt: "whisper"})
	broken.Accepted(core.Placement{})
	broken.End(core.Errorf(core.CodeWorkerDied, "whisper"))
	if err := tr.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	chat := c.named("chat")
	if len(c.spans) != 8 || len(chat) != 1 || len(c.named("queue")) != 3 {
		t.Fatalf("%d spans: %v", len(c.spans), c.spans)
	}
	got := values(chat[0].GetAttributes())
	for k, want := range map[string]string{
		"gen_ai.operation.name": `"chat"`, "gen_ai.response.model": `"m:latest"`, "gen_ai.request.max_tokens": "9", "gen_ai.request.temperature": "0.5",
		"gen_ai.usage.input_tokens": "7", "gen_ai.usage.output_tokens": "3", "ashatai.request.id": `"req_1"`,
	} {
		if got[k] != want {
			t.Errorf("%s is %s, want %s", k, got[k], want)
		}
	}
	if chat[0].GetKind() != tracepb.Span_SPAN_KIND_SERVER || chat[0].GetTraceId()[0] != 0x0a || chat[0].GetParentSpanId()[0] != 0xb7 || chat[0].GetStatus().GetCode() == tracepb.Status_STATUS_CODE_ERROR {
		t.Errorf("%v", chat[0])
	}
	at := chat[0].GetStartTimeUnixNano()
	for i, name := range []string{"queue", "prefill", "decode"} {
		s := c.named(name)[0]
		if s.GetStartTimeUnixNano() != at || s.GetEndTimeUnixNano()-at != uint64(i+1)*1e9 || !slices.Equal(s.GetParentSpanId(), chat[0].GetSpanId()) {
			t.Errorf("%s: from %d to %d, parent %x", name, s.GetStartTimeUnixNano()-at, s.GetEndTimeUnixNano()-at, s.GetParentSpanId())
		}
		at = s.GetEndTimeUnixNano()
	}
	failed := c.named("text_completion")
	if s := failed[0]; s.GetStatus().GetCode() != tracepb.Status_STATUS_CODE_ERROR || values(s.GetAttributes())["error.type"] != `"queue_full"` {
		t.Errorf("%v", s)
	}
	if values(c.about)["service.name"] != `"here"` || c.headers.Get("X-Team") != "lab" {
		t.Errorf("%v, %v", c.about, c.headers)
	}
	for _, s := range c.spans {
		if strings.Contains(s.String(), "whisper") {
			t.Errorf("a text is in a span: %v", s)
		}
	}
}

// TestNoCollector: a collector that refuses is a line in the log, and no Tracer makes no spans.
func TestNoCollector(t *testing.T) {
	c := &receiver{status: http.StatusServiceUnavailable}
	var log strings.Builder
	tr := c.start(t, &log)
	tr.Begin(t.Context(), &core.Request{}).End(nil)
	if err := tr.Stop(t.Context()); err != nil || !strings.Contains(log.String(), "traces were not taken") || !strings.Contains(log.String(), `"count":2`) {
		t.Errorf("%v\n%s", err, log.String())
	}
	tr = nil
	a := tr.Begin(t.Context(), &core.Request{})
	a.Accepted(core.Placement{})
	a.See(core.Event{Finish: core.FinishStop})
	a.End(nil)
	if err := tr.Stop(t.Context()); err != nil || obs.WithTrace(t.Context(), http.Header{}) != t.Context() {
		t.Error(err)
	}
}
