package ollama

import (
	"context"
	"encoding/json"
	"iter"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ashatai/internal/core"
)

func TestGenerateStreams(t *testing.T) {
	f := newFake()
	w := f.call(t, "POST", "/api/generate", `{"model":"tiny","prompt":"hi","system":"be brief"}`)
	got := linesOf(t, w)
	if len(got) != 3 {
		t.Fatalf("%v", got)
	}
	for i, want := range []string{"Hel", "lo <\"you\">\n", ""} {
		if got[i]["response"] != want || got[i]["model"] != "tiny" || got[i]["done"] != (i == 2) {
			t.Errorf("line %d: %v", i, got[i])
		}
		if _, err := time.Parse(time.RFC3339Nano, got[i]["created_at"].(string)); err != nil {
			t.Error(err)
		}
	}
	last := got[2]
	for name, want := range map[string]any{
		"done_reason": "stop", "prompt_eval_count": 9.0, "eval_count": 2.0, "load_duration": 3e3, "prompt_eval_duration": 4e3, "eval_duration": 5e3,
	} {
		if last[name] != want {
			t.Errorf("%s is %v, want %v", name, last[name], want)
		}
		if _, early := got[0][name]; early {
			t.Errorf("%s comes before the end", name)
		}
	}
	if d, _ := last["total_duration"].(float64); d < 1e6 {
		t.Errorf("total_duration is %v", last["total_duration"])
	}
	if w.Header().Get("X-Ashatai-Runtime") != "mock" || w.Header().Get("X-Ashatai-Fallback") != "no GPU was found" {
		t.Errorf("headers %v", w.Header())
	}
	want := []core.Message{{Role: core.RoleSystem, Content: "be brief"}, {Role: core.RoleUser, Content: "hi"}}
	if d := cmp.Diff(want, f.got.Messages); d != "" || f.got.ID != "req-1" || f.got.Principal.User != "local" {
		t.Errorf("%s %+v", d, f.got)
	}
}

func TestGenerateWhole(t *testing.T) {
	got := object(t, newFake().call(t, "POST", "/api/generate", `{"model":"tiny","prompt":"hi","stream":false}`).Body.String())
	if got["response"] != "Hello <\"you\">\n" || got["done"] != true || got["done_reason"] != "stop" {
		t.Errorf("%v", got)
	}
}

// TestContextGoesOn gives an answer's context back and expects the conversation.
func TestContextGoesOn(t *testing.T) {
	f := newFake()
	body := `{"model":"tiny","prompt":"hi \u0001 \"é\"","system":"s1","stream":false,"keep_alive":-1}`
	first := f.call(t, "POST", "/api/generate", body).Body.Bytes()
	if f.wish.KeepAlive == nil || *f.wish.KeepAlive >= 0 {
		t.Error("making the context changes how long the model is kept")
	}
	var answer generateAnswer
	if err := json.Unmarshal(first, &answer); err != nil || len(answer.Context) == 0 {
		t.Fatalf("%v %s", err, first)
	}
	next, err := json.Marshal(map[string]any{"model": "tiny", "prompt": "more", "system": "s2", "context": answer.Context, "stream": false})
	if err != nil {
		t.Fatal(err)
	}
	if w := f.call(t, "POST", "/api/generate", string(next)); w.Code != http.StatusOK {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	want := []core.Message{
		{Role: core.RoleSystem, Content: "s2"},
		{Role: core.RoleUser, Content: "hi \u0001 \"é\""},
		{Role: core.RoleAssistant, Content: "Hello <\"you\">\n"},
		{Role: core.RoleUser, Content: "more"},
	}
	if d := cmp.Diff(want, f.got.Messages); d != "" {
		t.Error(d)
	}
	wantError(t, f.call(t, "POST", "/api/generate", `{"model":"tiny","prompt":"more","context":[1,2,3]}`), 400, "context")
	f.events = func(ctx context.Context, req *core.Request) iter.Seq2[core.Event, error] {
		f.err = core.Errorf(core.CodeDraining, "The server stops.") // from now on: the tokenizer is gone
		return hello()(ctx, req)
	}
	if got := object(t, f.call(t, "POST", "/api/generate", body).Body.String()); got["done_reason"] != "stop" || got["context"] != nil {
		t.Errorf("an answer without a context: %v", got)
	}
}

func TestRaw(t *testing.T) {
	f := newFake()
	got := object(t, f.call(t, "POST", "/api/generate", `{"model":"tiny","prompt":"<s>hi","raw":true,"stream":false}`).Body.String())
	if f.got.Prompt != "<s>hi" || f.got.Messages != nil || got["context"] != nil {
		t.Errorf("%+v %v", f.got, got)
	}
	for _, field := range []string{`"system":"x"`, `"context":[1]`} {
		wantError(t, f.call(t, "POST", "/api/generate", `{"model":"tiny","prompt":"x","raw":true,`+field+`}`), 400, "raw")
	}
}

func TestLoadAndUnload(t *testing.T) {
	for _, path := range []string{"/api/generate", "/api/chat"} {
		f := newFake()
		got := object(t, f.call(t, "POST", path, `{"model":"tiny","keep_alive":"10m","options":{"num_ctx":50}}`).Body.String())
		if got["done_reason"] != "load" || got["done"] != true || f.calls[0] != "load tiny" || *f.wish.KeepAlive != 10*time.Minute || f.wish.Context != 50 {
			t.Errorf("%s: %v %v %v", path, got, f.calls, f.wish)
		}
		got = object(t, f.call(t, "POST", path, `{"model":"tiny","keep_alive":0}`).Body.String())
		if got["done_reason"] != "unload" || f.calls[1] != "unload tiny" {
			t.Errorf("%s: %v %v", path, got, f.calls)
		}
		f.err = core.Errorf(core.CodeModelNotFound, "There is no model.")
		wantError(t, f.call(t, "POST", path, `{"model":"tiny"}`), 404)
		wantError(t, f.call(t, "POST", path, `{"model":"tiny","keep_alive":"0s"}`), 404)
	}
}

func TestOnlyOperatorsKeepModels(t *testing.T) {
	f := newFake()
	f.who.Scopes = core.ScopeInfer
	wantError(t, f.call(t, "POST", "/api/generate", `{"model":"tiny","keep_alive":0}`), 403, "operate")
	w := f.call(t, "POST", "/api/chat", `{"model":"tiny","messages":[{"role":"user","content":"x"}],"keep_alive":-1,"options":{"num_ctx":9}}`)
	if w.Code != 200 || f.wish != (Wish{}) || !strings.Contains(w.Header().Get("X-Ashatai-Fallback"), "keep_alive") {
		t.Errorf("%d %v %v", w.Code, f.wish, w.Header())
	}
	w = f.call(t, "POST", "/api/embed", `{"model":"tiny","input":"long input","options":{"num_ctx":6}}`)
	if w.Code != 200 || f.wish != (Wish{}) || f.gotEmb.Inputs[0].Text != "long" || !strings.Contains(w.Header().Get("X-Ashatai-Fallback"), "to change what is loaded") {
		t.Errorf("%d %v %v %+v", w.Code, f.wish, w.Header(), f.gotEmb)
	}
}

func TestASmallerContextIsSaid(t *testing.T) {
	f := newFake()
	f.running = []Running{{Model: "tiny:latest", Context: 16}}
	for body, said := range map[string]bool{
		`{"model":"tiny","prompt":"x","options":{"num_ctx":32}}`: true,
		`{"model":"tiny","options":{"num_ctx":32}}`:              true,
		`{"model":"tiny","prompt":"x","options":{"num_ctx":16}}`: false,
		`{"model":"tiny","prompt":"x"}`:                          false,
	} {
		w := f.call(t, "POST", "/api/generate", body)
		if got := strings.Contains(w.Header().Get("X-Ashatai-Fallback"), "num_ctx is 32"); got != said {
			t.Errorf("%s: %v", body, w.Header())
		}
	}
}

func TestChat(t *testing.T) {
	f := newFake()
	got := linesOf(t, f.call(t, "POST", "/api/chat", `{"model":"tiny","messages":[{"role":"User","content":"hi"}]}`))
	want := map[string]any{"role": "assistant", "content": "Hel"}
	if d := cmp.Diff(want, got[0]["message"]); d != "" || len(got) != 3 {
		t.Errorf("%s %v", d, got)
	}
	want["content"] = ""
	if d := cmp.Diff(want, got[2]["message"]); d != "" || got[2]["done_reason"] != "stop" || got[2]["context"] != nil {
		t.Errorf("%s %v", d, got[2])
	}
}

const toolChat = `{"model":"tiny","stream":%s,"think":"high","format":{"type":"object"},
 "tools":[{"type":"function","function":{"name":"f","description":"does","parameters":{"type":"object","properties":{"x":{"type":"integer"}}}}}],
 "messages":[{"role":"user","content":"go"},
  {"role":"assistant","thinking":"hm","tool_calls":[{"function":{"name":"f","arguments":{"x":1}}},{"function":{"name":"g","arguments":{}}},{"id":"mine","function":{"index":2,"name":"f","arguments":{ "x" : 2 }}}]},
  {"role":"tool","tool_name":"g","content":"G"},{"role":"tool","content":"F1"},{"role":"tool","tool_call_id":"mine","content":"F2"},{"role":"tool","tool_name":"z","content":"?"}]}`

func TestTools(t *testing.T) {
	script := play(
		core.Event{Reasoning: "think "}, core.Event{Reasoning: "hard"}, core.Event{Text: "ok"},
		core.Event{ToolCall: &core.ToolDelta{Index: 0, ID: "a", Name: "f", Arguments: `{"x":`}},
		core.Event{ToolCall: &core.ToolDelta{Index: 0, Arguments: `5}`}},
		core.Event{ToolCall: &core.ToolDelta{Index: 1, ID: "b", Name: "g"}},
		core.Event{Finish: core.FinishTools}, usage,
	)
	calls := []any{
		map[string]any{"id": "a", "function": map[string]any{"index": 0.0, "name": "f", "arguments": map[string]any{"x": 5.0}}},
		map[string]any{"id": "b", "function": map[string]any{"index": 1.0, "name": "g", "arguments": map[string]any{}}},
	}
	f := newFake()
	f.events = script
	got := object(t, f.call(t, "POST", "/api/chat", strings.Replace(toolChat, "%s", "false", 1)).Body.String())
	want := map[string]any{"role": "assistant", "content": "ok", "thinking": "think hard", "tool_calls": calls}
	if d := cmp.Diff(want, got["message"]); d != "" || got["done_reason"] != "stop" {
		t.Errorf("%s %v", d, got)
	}
	on := true
	wantReq := &core.Request{
		ID: "req-1", Principal: core.Local(), Model: "tiny", Choices: 1,
		Fields: core.Fields{Thinking: "think"}, Thinking: core.Thinking{Enabled: &on, Effort: "high"}, Format: core.Format{Kind: core.FormatSchema, Source: `{"type":"object"}`},
		Tools: []core.Tool{{Name: "f", Description: "does", Parameters: json.RawMessage(`{"type":"object","properties":{"x":{"type":"integer"}}}`)}},
		Messages: []core.Message{
			{Role: core.RoleUser, Content: "go"},
			{Role: core.RoleAssistant, Reasoning: "hm", ToolCalls: []core.ToolCall{
				{ID: "call_0", Name: "f", Arguments: `{"x":1}`}, {ID: "call_1", Name: "g", Arguments: `{}`}, {ID: "mine", Name: "f", Arguments: `{"x":2}`},
			}},
			{Role: core.RoleTool, Name: "g", Content: "G", ToolCallID: "call_1"},
			{Role: core.RoleTool, Name: "f", Content: "F1", ToolCallID: "call_0"},
			{Role: core.RoleTool, Name: "f", Content: "F2", ToolCallID: "mine"},
			{Role: core.RoleTool, Name: "z", Content: "?"},
		},
	}
	if d := cmp.Diff(wantReq, f.got); d != "" {
		t.Error(d)
	}
	f.events = script
	var streamed []any
	var thinking strings.Builder
	for _, l := range linesOf(t, f.call(t, "POST", "/api/chat", strings.Replace(toolChat, "%s", "true", 1))) {
		m, _ := l["message"].(map[string]any)
		if c, ok := m["tool_calls"].([]any); ok {
			streamed = append(streamed, c...)
		}
		s, _ := m["thinking"].(string)
		thinking.WriteString(s)
	}
	if d := cmp.Diff(calls, streamed); d != "" || thinking.String() != "think hard" {
		t.Errorf("%s %q", d, thinking.String())
	}
}

func TestCutAndBrokenCalls(t *testing.T) {
	call := func(args string) core.Event {
		return core.Event{ToolCall: &core.ToolDelta{ID: "a", Name: "f", Arguments: args}}
	}
	body := `{"model":"tiny","messages":[{"role":"user","content":"x"}],"stream":false}`
	for _, c := range []struct {
		args   string
		finish core.FinishReason
		status int
		calls  bool
	}{
		{`{"x":`, core.FinishLength, 200, false},
		{`{"x":1}`, core.FinishLength, 200, true},
		{`{"x":`, core.FinishTools, 500, false},
		{`[1]`, core.FinishTools, 500, false},
	} {
		f := newFake()
		f.events = play(call(c.args), core.Event{Finish: c.finish}, usage)
		w := f.call(t, "POST", "/api/chat", body)
		if w.Code != c.status || strings.Contains(w.Body.String(), "tool_calls") != c.calls {
			t.Errorf("%+v: %d %s", c, w.Code, w.Body)
		}
	}
	f := newFake()
	second := core.Event{ToolCall: &core.ToolDelta{Index: 1, ID: "b", Name: "g", Arguments: "{}"}}
	f.events = play(call("nope"), second, core.Event{Finish: core.FinishTools}, usage)
	if w := f.call(t, "POST", "/api/chat", body); w.Code != 500 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestLogprobs(t *testing.T) {
	f := newFake()
	f.events = play(core.Event{Text: "é", Tokens: []core.Token{
		{Bytes: []byte("\xc3"), Logprob: -1, Top: []core.Token{{Bytes: []byte("a"), Logprob: math.Inf(-1)}, {Bytes: []byte("b"), Logprob: math.NaN()}}},
		{Bytes: []byte("\xa9"), Logprob: -0.5},
	}}, core.Event{Finish: core.FinishLength}, usage)
	got := linesOf(t, f.call(t, "POST", "/api/generate", `{"model":"tiny","prompt":"x","logprobs":true,"top_logprobs":2}`))
	want := []any{
		map[string]any{"token": "\ufffd", "logprob": -1.0, "bytes": []any{195.0}, "top_logprobs": []any{
			map[string]any{"token": "a", "logprob": -9999.0, "bytes": []any{97.0}}, map[string]any{"token": "b", "logprob": -9999.0, "bytes": []any{98.0}},
		}},
		map[string]any{"token": "\ufffd", "logprob": -0.5, "bytes": []any{169.0}},
	}
	if d := cmp.Diff(want, got[0]["logprobs"]); d != "" || !f.got.Logprobs || f.got.TopLogprobs != 2 {
		t.Error(d)
	}
	if got[1]["done_reason"] != "length" || got[1]["logprobs"] != nil {
		t.Errorf("%v", got[1])
	}
}

func TestErrorsBeforeAndAfterTheStreamBegan(t *testing.T) {
	body := `{"model":"tiny","prompt":"x"}`
	f := newFake()
	f.err = &core.Error{Code: core.CodeQueueFull, Message: "The queue is full.", RetryAfter: time.Second}
	w := f.call(t, "POST", "/api/generate", body)
	wantError(t, w, 429, "queue")
	if w.Header().Get("Retry-After") != "1" {
		t.Error("no Retry-After")
	}
	f = newFake()
	f.events = play(core.Errorf(core.CodeContextExceeded, "The prompt has 9 tokens, the context 4."))
	wantError(t, f.call(t, "POST", "/api/generate", body), 400, "9", "4")
	f.events = play(core.Event{Text: "a"}, core.Errorf(core.CodeWorkerDied, "The worker died."))
	got := linesOf(t, f.call(t, "POST", "/api/generate", body))
	if len(got) != 2 || got[1]["error"] != "The worker died." || len(got[1]) != 1 {
		t.Errorf("%v", got)
	}
	f.events = play(core.Event{Text: "a"}, core.Errorf(core.CodeWorkerDied, "The worker died."))
	wantError(t, f.call(t, "POST", "/api/generate", `{"model":"tiny","prompt":"x","stream":false}`), 502, "died")
	f.events = play(core.Event{Text: "a"}, usage)
	if got := linesOf(t, f.call(t, "POST", "/api/generate", body)); got[1]["error"] == nil {
		t.Errorf("an answer without a reason ended well: %v", got)
	}
}

// TestClientLeaves ends the request's context when the client of a real connection goes away.
func TestClientLeaves(t *testing.T) {
	for _, path := range []string{"/api/generate", "/api/chat"} {
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
		s := httptest.NewServer(f.handler())
		ctx, leave := context.WithCancel(t.Context())
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL+path,
			strings.NewReader(`{"model":"tiny","prompt":"x"}`))
		if path == "/api/chat" {
			req, err = http.NewRequestWithContext(ctx, http.MethodPost, s.URL+path,
				strings.NewReader(`{"model":"tiny","messages":[{"role":"user","content":"x"}]}`))
		}
		if err != nil {
			t.Fatal(err)
		}
		c := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		res, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		one := make([]byte, 1)
		if _, err := res.Body.Read(one); err != nil || one[0] != '{' {
			t.Errorf("%v %q", err, one)
		}
		leave()
		_ = res.Body.Close()
		select {
		case <-ended:
		case <-time.After(10 * time.Second):
			t.Errorf("%s goes on for a client that left", path)
		}
		s.Close()
	}
}

func TestKeepAliveForms(t *testing.T) {
	for in, want := range map[string]time.Duration{
		`"5m"`: 5 * time.Minute, `300`: 5 * time.Minute, `"300"`: 5 * time.Minute, `-1`: -1, `"-1m"`: -1, `0`: 0, `"0s"`: 0,
		`0.5`: time.Second / 2, `1e300`: -1, `"99999h"`: -1,
	} {
		var k keepAlive
		if err := json.Unmarshal([]byte(in), &k); err != nil || k.d != want {
			t.Errorf("%s: %v %v", in, k.d, err)
		}
	}
	for _, in := range []string{`"soon"`, `true`, `[]`, `"NaN"`, `{}`} {
		wantError(t, newFake().call(t, "POST", "/api/generate", `{"model":"tiny","keep_alive":`+in+`}`), 400, "keep_alive")
	}
}

func TestABegunAnswerIsContinued(t *testing.T) {
	for messages, want := range map[string]bool{
		`{"role":"user","content":"x"},{"role":"assistant","content":"so"}`:                                          true,
		`{"role":"user","content":"x"},{"role":"assistant","content":""}`:                                            false,
		`{"role":"user","content":"x"},{"role":"assistant","content":"so","tool_calls":[{"function":{"name":"f"}}]}`: false,
		`{"role":"assistant","content":"so"},{"role":"user","content":"x"}`:                                          false,
	} {
		f := newFake()
		if w := f.call(t, "POST", "/api/chat", `{"model":"tiny","messages":[`+messages+`]}`); w.Code != 200 || f.got.Continue != want {
			t.Errorf("%s: %d, continued %v", messages, w.Code, f.got.Continue)
		}
	}
}
