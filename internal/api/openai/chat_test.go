package openai

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"ashatai/internal/core"
)

const chatPath = "/v1/chat/completions"

const minimal = `{"messages":[{"role":"user","content":"hi"}]}`

var ids = regexp.MustCompile(`(chatcmpl-|cmpl-|"fp_)([A-Z2-7]{26}|[0-9a-f]{10})`)

// golden hides what differs from call to call.
func golden(s string) string { return ids.ReplaceAllString(s, "${1}X") }

func TestChatWhole(t *testing.T) {
	w := newFake().call(t, "POST", chatPath, minimal)
	want := `{"id":"chatcmpl-X","object":"chat.completion","created":1700000000,"model":"tiny:latest","system_fingerprint":"fp_X",` +
		`"choices":[{"index":0,"message":{"role":"assistant","content":"Hello \"you\"\n","refusal":null,"annotations":[]},"logprobs":null,"finish_reason":"stop"}],` +
		`"usage":{"prompt_tokens":9,"completion_tokens":2,"total_tokens":11,"prompt_tokens_details":{"cached_tokens":4},"completion_tokens_details":{"reasoning_tokens":0}}}` + "\n"
	if diff := cmp.Diff(want, golden(w.Body.String())); diff != "" {
		t.Fatal(diff)
	}
	for k, v := range map[string]string{
		"Content-Type": "application/json", "X-Ashatai-Runtime": "mock", "X-Ashatai-Device": "cpu", "X-Ashatai-Fallback": "no GPU was found",
	} {
		if got := w.Header().Get(k); got != v {
			t.Errorf("%s is %q, want %q", k, got, v)
		}
	}
}

func TestChatStream(t *testing.T) {
	head := `{"id":"chatcmpl-X","object":"chat.completion.chunk","created":1700000000,"model":"tiny:latest","system_fingerprint":"fp_X","choices":[`
	chunk := func(delta, finish, end string) string {
		return head + `{"index":0,"delta":` + delta + `,"logprobs":null,"finish_reason":` + finish + `}]` + end
	}
	for name, c := range map[string]struct {
		options, end string
		usage        []string
	}{
		"plain": {"", "}", nil},
		"usage": {`,"stream_options":{"include_usage":true,"include_obfuscation":false}`, `,"usage":null}`, []string{
			head + `],"usage":{"prompt_tokens":9,"completion_tokens":2,"total_tokens":11,"prompt_tokens_details":{"cached_tokens":4},"completion_tokens_details":{"reasoning_tokens":0}}}`,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newFake().call(t, "POST", chatPath, `{"messages":[{"role":"user","content":"hi"}],"stream":true`+c.options+`}`)
			want := append([]string{
				chunk(`{"role":"assistant","content":"","refusal":null}`, "null", c.end),
				chunk(`{"content":"Hel"}`, "null", c.end),
				chunk(`{"content":"lo \"you\"\n"}`, "null", c.end),
				chunk(`{}`, `"stop"`, c.end),
			}, append(c.usage, "[DONE]")...)
			if diff := cmp.Diff(want, data(golden(w.Body.String()))); diff != "" {
				t.Fatal(diff)
			}
			if ct := w.Header().Get("Content-Type"); !strings.HasPrefix(ct, "text/event-stream") {
				t.Fatal(ct)
			}
		})
	}
}

// TestTimings: whoever asks for times gets them at the end of the answer, once.
func TestTimings(t *testing.T) {
	f := newFake()
	f.events = play(
		core.Event{Text: "a", Finish: core.FinishStop},
		core.Event{Usage: &core.Usage{Prompt: 9, Cached: 4, Completion: 3, Prefill: 20 * time.Millisecond, Decode: 1500 * time.Microsecond}},
	)
	const want = `,"timings":{"cache_n":4,"prompt_n":5,"prompt_ms":20.000,"prompt_per_second":250.000,"predicted_n":3,"predicted_ms":1.500,"predicted_per_second":2000.000}}`
	for path, body := range map[string]string{chatPath: `{"timings_per_token":true,` + minimal[1:], "/v1/completions": `{"timings_per_token":true,"prompt":"x"}`} {
		if got := strings.TrimSpace(f.call(t, "POST", path, body).Body.String()); !strings.HasSuffix(got, "}"+want) {
			t.Errorf("%s: %s", path, got)
		}
		for more, end := range map[string]string{
			`{"stream":true,`: `"choices":[]` + want,
			`{"stream":true,"stream_options":{"include_usage":true},`: `"completion_tokens_details":{"reasoning_tokens":0}}` + want,
		} {
			events := data(f.call(t, "POST", path, more+body[1:]).Body.String())
			if n := len(events); events[n-1] != "[DONE]" || !strings.HasSuffix(events[n-2], end) || strings.Contains(strings.Join(events[:n-2], ""), "timings") {
				t.Errorf("%s: %q", path, events)
			}
		}
		if got := f.call(t, "POST", path, strings.Replace(body, "true", "false", 1)).Body.String(); strings.Contains(got, "timings") {
			t.Errorf("%s: %s", path, got)
		}
	}
	f = newFake() // nothing took any time
	if got := f.call(t, "POST", chatPath, `{"timings_per_token":true,`+minimal[1:]).Body.String(); !strings.Contains(got, `"predicted_per_second":0.000`) {
		t.Error(got)
	}
}

func TestChatChoicesInterleave(t *testing.T) {
	f := newFake()
	f.events = play(
		core.Event{Choice: 1, Text: "b"}, core.Event{Choice: 0, Text: "a"}, core.Event{Choice: 1, Text: "B", Finish: core.FinishLength},
		core.Event{Choice: 0, Finish: core.FinishStop}, core.Event{Usage: &core.Usage{}},
	)
	const body = `{"messages":[{"role":"user","content":"hi"}],"n":2%s}`
	var roles, texts, ends []string
	for _, d := range data(f.call(t, "POST", chatPath, fmt.Sprintf(body, `,"stream":true`)).Body.String()) {
		if d == "[DONE]" {
			continue
		}
		c := decode[chatChunk](t, d).Choices[0]
		switch {
		case c.Delta.Role != "":
			roles = append(roles, fmt.Sprint(c.Index, c.Delta.Role))
		case c.FinishReason != nil:
			ends = append(ends, fmt.Sprint(c.Index, *c.FinishReason))
		default:
			texts = append(texts, fmt.Sprint(c.Index, *c.Delta.Content))
		}
	}
	if diff := cmp.Diff([][]string{{"0assistant", "1assistant"}, {"1b", "0a", "1B"}, {"1length", "0stop"}},
		[][]string{noSpace(roles), noSpace(texts), noSpace(ends)}); diff != "" {
		t.Fatal(diff)
	}
	whole := decode[chatAnswer](t, f.call(t, "POST", chatPath, fmt.Sprintf(body, "")).Body.String())
	if *whole.Choices[0].Message.Content != "a" || *whole.Choices[1].Message.Content != "bB" || whole.Choices[1].FinishReason != "length" {
		t.Fatalf("%+v", whole.Choices)
	}
}

func noSpace(in []string) []string {
	for i := range in {
		in[i] = strings.ReplaceAll(in[i], " ", "")
	}
	return in
}

// decode reads one object strictly, which holds the hand-written encoders to the documented types.
func decode[T any](t *testing.T, s string) T {
	t.Helper()
	var v T
	dec := json.NewDecoder(strings.NewReader(s))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&v); err != nil {
		t.Fatalf("%v in %s", err, s)
	}
	return v
}

func TestErrorsBeforeAndAfterTheStart(t *testing.T) {
	died := core.Errorf(core.CodeWorkerDied, "The process that served this ended.")
	const body = `{"messages":[{"role":"user","content":"hi"}],"stream":true}`

	f := newFake()
	f.err = &core.Error{Code: core.CodeQueueFull, Message: "The queue is full.", RetryAfter: 1500 * time.Millisecond}
	w := f.call(t, "POST", chatPath, body)
	if w.Code != 429 || w.Header().Get("Retry-After") != "2" || !strings.Contains(w.Body.String(), `"type":"rate_limit_error"`) {
		t.Fatal(w.Code, w.Header(), w.Body)
	}

	f = newFake()
	f.events = play(died) // accepted, then failed before the first token
	if w := f.call(t, "POST", chatPath, body); w.Code != 502 || strings.Contains(w.Body.String(), "data:") {
		t.Fatal(w.Code, w.Body)
	}

	f.events = play(core.Event{Text: "He"}, died)
	w = f.call(t, "POST", chatPath, body)
	got := data(w.Body.String())
	if w.Code != 200 || len(got) != 3 {
		t.Fatal(w.Code, got)
	}
	want := `{"error":{"message":"The process that served this ended.","type":"server_error","param":null,"code":"worker_died"}}`
	if diff := cmp.Diff(want, got[2]); diff != "" {
		t.Fatal(diff)
	}
	// Without streaming the same failure is a plain error.
	if w := f.call(t, "POST", chatPath, minimal); w.Code != 502 || !strings.Contains(w.Body.String(), `"worker_died"`) {
		t.Fatal(w.Code, w.Body)
	}
}

func TestBrokenStreamsAreDefects(t *testing.T) {
	for name, script := range map[string][]any{
		"no finish":     {core.Event{Text: "a"}, core.Event{Usage: &core.Usage{}}},
		"strange index": {core.Event{Choice: 1, Text: "a"}},
	} {
		f := newFake()
		f.events = play(script...)
		if w := f.call(t, "POST", chatPath, minimal); w.Code != 500 {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
}

func TestErrorShapes(t *testing.T) {
	for code, want := range map[core.Code][3]string{ //nolint:exhaustive // one of each kind
		core.CodeInvalidRequest:  {"400", "invalid_request_error", "invalid_value"},
		core.CodeContextExceeded: {"400", "invalid_request_error", "context_length_exceeded"},
		core.CodeUnsupported:     {"400", "invalid_request_error", "unsupported"},
		core.CodeModelNotFound:   {"404", "invalid_request_error", "model_not_found"},
		core.CodeUnauthenticated: {"401", "authentication_error", "invalid_api_key"},
		core.CodeForbidden:       {"403", "permission_error", "insufficient_permissions"},
		core.CodeRateLimited:     {"429", "rate_limit_error", "rate_limit_exceeded"},
		core.CodeQueueFull:       {"429", "rate_limit_error", "queue_full"},
		core.CodeInternal:        {"500", "server_error", "internal"},
		core.CodeDraining:        {"503", "server_error", "draining"},
	} {
		w := httptest.NewRecorder()
		WriteError(w, nil, &core.Error{Code: code, Message: "m", Param: "p"})
		got := decode[errorBody](t, w.Body.String()).Error
		if have := [3]string{strconv.Itoa(w.Code), got.Type, *got.Code}; have != want || *got.Param != "p" {
			t.Errorf("%s: %v, want %v", code, have, want)
		}
	}
}

// TestClientLeaves ends a request's context in mid-stream and sees the generator end.
func TestClientLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		ended := make(chan error, 1)
		f.events = func(ctx context.Context, _ *core.Request) iter.Seq2[core.Event, error] {
			return func(yield func(core.Event, error) bool) {
				yield(core.Event{Text: "a"}, nil)
				<-ctx.Done()
				ended <- ctx.Err()
				yield(core.Event{}, ctx.Err())
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		r := httptest.NewRequestWithContext(ctx, "POST", chatPath, strings.NewReader(`{"messages":[{"role":"user","content":"hi"}],"stream":true}`))
		done := make(chan struct{})
		go func() { f.do(r); close(done) }()
		synctest.Wait()
		cancel()
		<-done
		if err := <-ended; err == nil {
			t.Fatal("the generator went on")
		}
	})
}

// brokenPipe fails every write after the first few.
type brokenPipe struct {
	*httptest.ResponseRecorder
	left int
}

func (b *brokenPipe) Write(p []byte) (int, error) {
	if b.left--; b.left < 0 {
		return 0, io.ErrClosedPipe
	}
	return b.ResponseRecorder.Write(p)
}

func TestFailedWriteLeavesTheRange(t *testing.T) {
	for left := range 5 {
		f := newFake()
		left1 := false
		f.events = func(context.Context, *core.Request) iter.Seq2[core.Event, error] {
			return func(yield func(core.Event, error) bool) {
				for range 100 {
					if !yield(core.Event{Text: "x"}, nil) {
						left1 = true
						return
					}
				}
			}
		}
		r := httptest.NewRequestWithContext(t.Context(), "POST", chatPath, strings.NewReader(`{"messages":[{"role":"user","content":"hi"}],"stream":true}`))
		f.handler().ServeHTTP(&brokenPipe{httptest.NewRecorder(), left}, r)
		if !left1 {
			t.Errorf("after %d writes the range went on", left)
		}
	}
}

func TestRequestReachesTheGenerator(t *testing.T) {
	f := newFake()
	body := `{"model":"tiny","messages":[{"role":"developer","content":"be kind"},{"role":"user","name":"ann","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]},
	 {"role":"assistant","content":"ok","refusal":null,"tool_calls":null}],"max_completion_tokens":7,"max_tokens":7,"temperature":0.5,"top_p":0.9,"top_k":3,"min_p":0.1,
	 "typical_p":0.8,"repeat_penalty":1.2,"repeat_last_n":-1,"presence_penalty":1,"frequency_penalty":-1,"logit_bias":{"5":-100,"6":null},"seed":-3,"n":1,
	 "stop":["x","y"],"ignore_eos":true,"logprobs":true,"top_logprobs":2,"chat_template_kwargs":{"a":1,"b":1.5,"c":"s","d":true,"e":null},"tool_choice":"none","metadata":{"k":"v"}}`
	r := httptest.NewRequestWithContext(core.WithPrincipal(t.Context(), core.Principal{Tenant: "t9"}), "POST", chatPath, strings.NewReader(body))
	if w := f.do(r); w.Code != 200 {
		t.Fatal(w.Body)
	}
	want := &core.Request{
		ID: "req-1", Principal: core.Principal{Tenant: "t9"}, Model: "tiny",
		Messages: []core.Message{
			{Role: core.RoleSystem, Content: "be kind"}, {Role: core.RoleUser, Name: "ann", Content: "ab"}, {Role: core.RoleAssistant, Content: "ok"},
		},
		TemplateArgs: map[string]any{"a": int64(1), "b": 1.5, "c": "s", "d": true},
		Sampling: core.Sampling{
			Temperature: new(0.5), TopP: new(0.9), TopK: new(3), MinP: new(0.1), TypicalP: new(0.8), RepeatPenalty: new(1.2), RepeatLastN: new(-1),
			PresencePenalty: new(1.0), FrequencyPenalty: new(-1.0), LogitBias: map[int]float64{5: -100}, Seed: new(int64(-3)),
		},
		MaxTokens: 7, Choices: 1, Stop: []string{"x", "y"}, IgnoreEOS: true, Logprobs: true, TopLogprobs: 2,
		Fields: core.Fields{Prompt: "messages", Format: "response_format", Thinking: "reasoning_effort"},
	}
	if diff := cmp.Diff(want, f.got[0]); diff != "" {
		t.Fatal(diff)
	}
}

func TestSeededHTTPServer(t *testing.T) {
	srv := httptest.NewServer(newFake().handler())
	defer srv.Close()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL+chatPath, strings.NewReader(`{"messages":[{"role":"user","content":"hi"}],"stream":true}`))
	if err != nil {
		t.Fatal(err)
	}
	res, err := srv.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil || !strings.HasSuffix(string(body), "data: [DONE]\n\n") {
		t.Fatal(err, string(body))
	}
}

func TestFingerprintFollowsWhatAnswers(t *testing.T) {
	seen := map[string]bool{}
	for _, h := range []*handler{{build: "1", now: time.Now}, {build: "2", now: time.Now}} {
		for _, p := range []core.Placement{{Model: "a", Device: "cpu"}, {Model: "a", Device: "gpu"}, {Model: "b", Device: "cpu"}} {
			fp := h.head("", p).fingerprint
			if fp != h.head("", p).fingerprint || seen[fp] {
				t.Errorf("%s %v: %s", h.build, p, fp)
			}
			seen[fp] = true
		}
	}
}

// Padded events are all as long as each other, up to 64 bytes, and their padding is the only thing they have more.
func TestObfuscation(t *testing.T) {
	for path, body := range map[string]string{chatPath: `"messages":[{"role":"user","content":"hi"}]`, "/v1/completions": `"prompt":"hi"`} {
		plain := data(golden(newFake().call(t, "POST", path, `{`+body+`,"stream":true}`).Body.String()))
		events := data(golden(newFake().call(t, "POST", path, `{`+body+`,"stream":true,"stream_options":{"include_obfuscation":true}}`).Body.String()))
		if len(events) != len(plain) || events[len(events)-1] != "[DONE]" {
			t.Fatalf("%s: %q", path, events)
		}
		seen := map[string]bool{}
		for i, ev := range events[:len(events)-1] {
			bare, padding, ok := strings.Cut(ev, `,"obfuscation":"`)
			padding = strings.TrimSuffix(padding, `"}`)
			if !ok || bare+"}" != plain[i] || padding == "" || seen[padding] || len(ev)%64 != len(events[0])%64 {
				t.Errorf("%s: %s beside %s", path, ev, plain[i])
			}
			seen[padding] = true
		}
	}
	if w := newFake().call(t, "POST", chatPath, `{"messages":[{"role":"user","content":"hi"}],"stream":true,"stream_options":{"include_obfuscation":1}}`); w.Code != 400 {
		t.Error(w.Code)
	}
}
