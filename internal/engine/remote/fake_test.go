package remote

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"ashatai/internal/core"
	"ashatai/internal/engine"
)

// fake is a server that does what a test tells it: one handler per request to a path, the last one again and again.
type fake struct {
	t    *testing.T
	http *httptest.Server

	mu    sync.Mutex
	plays map[string][]http.HandlerFunc
	asked map[string][]map[string]any // bodies, by path
	keys  []string
}

func newFake(t *testing.T) *fake {
	t.Helper()
	f := &fake{t: t, plays: map[string][]http.HandlerFunc{}, asked: map[string][]map[string]any{}}
	f.http = httptest.NewServer(http.HandlerFunc(f.serve))
	t.Cleanup(f.http.Close)
	f.on("/v1/models", answer200(`{"object":"list","data":[{"id":"org/Big-1","owned_by":"vllm","max_model_len":4096},{"id":"small","owned_by":"vllm"}]}`))
	return f
}

func (f *fake) on(path string, plays ...http.HandlerFunc) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.plays[path] = plays
}

func (f *fake) serve(w http.ResponseWriter, r *http.Request) {
	var body map[string]any
	if data, err := io.ReadAll(r.Body); err == nil && len(data) > 0 {
		if err := json.Unmarshal(data, &body); err != nil {
			f.t.Errorf("%s: the body is no JSON: %v", r.URL.Path, err)
		}
	}
	f.mu.Lock()
	f.asked[r.URL.Path] = append(f.asked[r.URL.Path], body)
	f.keys = append(f.keys, r.Header.Get("Authorization"))
	list := f.plays[r.URL.Path]
	if len(list) > 1 {
		f.plays[r.URL.Path] = list[1:]
	}
	f.mu.Unlock()
	if len(list) == 0 {
		http.Error(w, `{"detail":"Not Found"}`, http.StatusNotFound)
		return
	}
	list[0](w, r)
}

// chats is how often a conversation was asked for.
func (f *fake) chats() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.asked[chatPath])
}

func (f *fake) last(path string) map[string]any {
	f.t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	list := f.asked[path]
	if len(list) == 0 {
		f.t.Fatalf("%s was not asked", path)
	}
	return list[len(list)-1]
}

func answer200(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) }
}

func status(code int, body string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(code)
		_, _ = io.WriteString(w, body)
	}
}

// stream answers with the data of events, each flushed.
func stream(events ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for _, e := range events {
			_, _ = fmt.Fprintf(w, "data: %s\n\n", e)
			w.(http.Flusher).Flush()
		}
	}
}

// cut is stream, and then the connection is dropped.
func cut(events ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		stream(events...)(w, r)
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
}

// hang is stream, and then nothing until the client leaves.
func hang(events ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		stream(events...)(w, r)
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}
}

const (
	hello  = `{"choices":[{"index":0,"delta":{"role":"assistant","content":"Hel"}}]}`
	lo     = `{"choices":[{"index":0,"delta":{"content":"lo"}}]}`
	finish = `{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`
	used   = `{"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":2,"prompt_tokens_details":{"cached_tokens":3}}}`
	done   = `[DONE]`
)

func whole() http.HandlerFunc { return stream(hello, lo, finish, used, done) }

func (f *fake) server(change ...func(*Server)) Server {
	s := Server{Name: "box", URL: f.http.URL + "/v1", Backoff: time.Millisecond}
	for _, c := range change {
		c(&s)
	}
	return s
}

func open(t *testing.T, s Server) *Runtime {
	t.Helper()
	rt, err := New([]Server{s})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = rt.Close() })
	return rt
}

func (f *fake) model(change ...func(*Server)) engine.Model {
	f.t.Helper()
	return load(f.t, open(f.t, f.server(change...)), engine.LoadSpec{Path: Path("box", "org/Big-1")})
}

func load(t *testing.T, rt engine.Runtime, spec engine.LoadSpec) engine.Model {
	t.Helper()
	m, err := rt.Load(t.Context(), spec, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	return m
}

// said is what came of a request.
type said struct {
	text, reasoning string
	calls           []core.ToolDelta
	finish          core.FinishReason
	stop            string
	tokens          []core.Token
	usage           *core.Usage
	err             error
}

func chatRequest() engine.GenerateRequest {
	return engine.GenerateRequest{ID: "r", Choices: 1, Asked: &engine.Asked{Messages: []core.Message{{Role: core.RoleUser, Content: "Say hello"}}}}
}

func ask(ctx context.Context, t *testing.T, m engine.Model, req engine.GenerateRequest) said {
	t.Helper()
	events, err := m.(engine.Generator).Generate(ctx, req)
	if err != nil {
		return said{err: err}
	}
	var s said
	begun := false
	for ev, err := range events {
		if err != nil {
			s.err = err
			continue
		}
		if ev.Usage != nil {
			s.usage = ev.Usage
			continue
		}
		if (ev.Start != nil) == begun {
			t.Errorf("the start is told with %+v", ev)
		}
		begun = true
		s.text += ev.Text
		s.reasoning += ev.Reasoning
		s.tokens = append(s.tokens, ev.Tokens...)
		if ev.ToolCall != nil {
			s.calls = append(s.calls, *ev.ToolCall)
		}
		if ev.Finish != "" {
			s.finish, s.stop = ev.Finish, ev.StopString
		}
	}
	return s
}

func fault(t *testing.T, err error, kind engine.FaultKind, code core.Code, words ...string) {
	t.Helper()
	f, ok := err.(*engine.FaultError) //nolint:errorlint // it is handed out as it is
	if !ok || f.Kind != kind || f.Err.Code != code {
		t.Errorf("got %v, want a fault %s with the code %s", err, kind, code)
		return
	}
	for _, w := range words {
		if !strings.Contains(f.Err.Message, w) {
			t.Errorf("the message %q does not say %q", f.Err.Message, w)
		}
	}
}
