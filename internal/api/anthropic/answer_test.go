package anthropic

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"ashatai/internal/api"
	"ashatai/internal/core"
)

var update = flag.Bool("update", false, "rewrite golden files")

const streamed = `{"max_tokens":20,"stream":true,"messages":[{"role":"user","content":"hi"}]}`

func decode[T any](t *testing.T, text string) T {
	t.Helper()
	var v T
	if err := api.Strict([]byte(text), &v); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return v
}

// everything is an answer with each kind of block.
func everything() func(context.Context) iter.Seq2[core.Event, error] {
	return play(
		core.Event{Reasoning: "Let me ", Start: &core.Usage{Prompt: 30, Cached: 10, Kept: 24}}, core.Event{Reasoning: "see."},
		core.Event{Text: "I lo"}, core.Event{Text: "ok <é>\n"},
		core.Event{ToolCall: &core.ToolDelta{Index: 0, ID: "call_a", Name: "get", Arguments: `{"a":`}},
		core.Event{ToolCall: &core.ToolDelta{Index: 0, Arguments: `"é"}`}},
		core.Event{ToolCall: &core.ToolDelta{Index: 1, ID: "call_b", Name: "put"}},
		core.Event{Finish: core.FinishTools}, core.Event{Usage: &core.Usage{Prompt: 30, Cached: 10, Kept: 24, Completion: 12, Reasoning: 4}},
	)
}

var messageID = regexp.MustCompile(`"id":"msg_[A-Z2-7]+"`)

func golden(t *testing.T, name, got string) {
	t.Helper()
	got = messageID.ReplaceAllString(got, `"id":"msg_X"`)
	path := "testdata/" + name
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Error(diff)
	}
}

func TestWireSamples(t *testing.T) {
	for name, c := range map[string]struct {
		events func(context.Context) iter.Seq2[core.Event, error]
		body   string
	}{
		"stream.txt":         {everything(), streamed},
		"stream_text.txt":    {hello(), streamed},
		"stream_empty.txt":   {play(core.Event{Finish: core.FinishStop, StopString: "\n\nHuman:"}, used(3, 0, 1)), strings.Replace(streamed, "{", `{"stop_sequences":["\n\nHuman:"],`, 1)},
		"stream_error.txt":   {play(core.Event{Text: "a"}, core.Errorf(core.CodeWorkerDied, "The worker ended.")), streamed},
		"stream_omitted.txt": {everything(), strings.Replace(streamed, "{", `{"thinking":{"type":"adaptive","display":"omitted"},`, 1)},
		"whole.txt":          {everything(), strings.Replace(streamed, "true", "false", 1)},
		"whole_omitted.txt":  {everything(), strings.Replace(minimal, "{", `{"thinking":{"type":"adaptive","display":"omitted"},`, 1)},
	} {
		f := newFake()
		f.events = c.events
		w := f.post(t, c.body)
		if w.Code != 200 || w.Header().Get("Request-Id") != "req-1" || w.Header().Get("X-Ashatai-Fallback") != placement.Fallback {
			t.Errorf("%s: %d %v %s", name, w.Code, w.Header(), w.Body)
		}
		golden(t, name, w.Body.String())
	}
}

func TestStopReasons(t *testing.T) {
	for _, c := range []struct {
		events   []any
		reason   string
		sequence *string
	}{
		{[]any{core.Event{Text: "a", Finish: core.FinishStop}, used(1, 0, 1)}, "end_turn", nil},
		{[]any{core.Event{Text: "a", Finish: core.FinishStop, StopString: "END"}, used(1, 0, 1)}, "stop_sequence", new("END")},
		{[]any{core.Event{Text: "a", Finish: core.FinishStop, StopString: "the model's own"}, used(1, 0, 1)}, "end_turn", nil},
		{[]any{core.Event{Text: "a", Finish: core.FinishLength}, used(1, 0, 20)}, "max_tokens", nil},
		{[]any{core.Event{Text: "a", Finish: core.FinishLength}, used(1, 0, 19)}, "model_context_window_exceeded", nil},
		{[]any{core.Event{ToolCall: &core.ToolDelta{ID: "a", Name: "f", Arguments: "{}"}}, core.Event{Finish: core.FinishTools}, used(1, 0, 5)}, "tool_use", nil},
	} {
		f := newFake()
		f.events = play(c.events...)
		ends := func(body string) string { return strings.Replace(body, "{", `{"stop_sequences":["END"],`, 1) }
		whole := decode[messageAnswer](t, f.post(t, ends(minimal)).Body.String())
		if *whole.StopReason != c.reason || cmp.Diff(whole.StopSequence, c.sequence) != "" {
			t.Errorf("%s: %s", c.reason, *whole.StopReason)
		}
		if body := f.post(t, ends(streamed)).Body.String(); !strings.Contains(body, `"delta":{"stop_reason":"`+c.reason+`","stop_sequence":`) {
			t.Errorf("%s: %s", c.reason, body)
		}
	}
}

func TestFillingTheCacheAnswersNothing(t *testing.T) {
	f := newFake()
	body := strings.Replace(minimal, "20", "0", 1)
	whole := decode[messageAnswer](t, f.post(t, body).Body.String())
	want := usage{InputTokens: 5, CacheReadInputTokens: 4}
	if len(whole.Content) != 0 || *whole.StopReason != "max_tokens" || whole.Usage != want || f.got.MaxTokens != 1 {
		t.Errorf("%+v of %+v", whole, f.got)
	}
	stream := f.post(t, strings.Replace(body, "{", `{"stream":true,`, 1)).Body.String()
	if strings.Contains(stream, "content_block") || !strings.HasSuffix(stream, "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n") {
		t.Error(stream)
	}
	f.events = play(core.Event{Text: "a"}, core.Errorf(core.CodeWorkerDied, "The worker ended."))
	if w := f.post(t, body); w.Code != 502 {
		t.Error(w.Code, w.Body)
	}
}

func TestACutCallIsNotShown(t *testing.T) {
	f := newFake()
	f.events = play(core.Event{Text: "so"}, core.Event{ToolCall: &core.ToolDelta{ID: "a", Name: "rm", Arguments: `{"path":"/ho`}}, core.Event{Finish: core.FinishLength}, used(1, 0, 20))
	whole := decode[messageAnswer](t, f.post(t, minimal).Body.String())
	if len(whole.Content) != 1 || *whole.Content[0].Text != "so" || *whole.StopReason != "max_tokens" {
		t.Errorf("%+v", whole)
	}
	f.events = play(core.Event{ToolCall: &core.ToolDelta{ID: "a", Name: "rm", Arguments: `[1]`}}, core.Event{Finish: core.FinishTools}, used(1, 0, 2))
	if w := f.post(t, minimal); w.Code != 500 || !strings.Contains(w.Body.String(), `"api_error"`) {
		t.Error(w.Code, w.Body)
	}
}

// TestBrokenRuntimes: what breaks the contract of events ends the answer with an error, streamed or not.
func TestBrokenRuntimes(t *testing.T) {
	call := func(i int) core.Event { return core.Event{ToolCall: &core.ToolDelta{Index: i, ID: "x", Name: "f"}} }
	for _, script := range [][]any{
		{},
		{core.Event{Text: "a"}},
		{core.Event{Text: "a"}, used(1, 0, 1)},
		{core.Event{Text: "a", Choice: 1}},
		{core.Event{Text: "a"}, call(1)},
		{call(0), call(1), call(0)},
		{call(0), core.Event{Text: "a"}, call(0)},
	} {
		f := newFake()
		f.events = play(script...)
		if w := f.post(t, minimal); w.Code != 500 {
			t.Errorf("%v: %d %s", script, w.Code, w.Body)
		}
		if body := f.post(t, streamed).Body.String(); !strings.Contains(body, `"type":"api_error"`) || strings.Contains(body, "message_stop") {
			t.Errorf("%v: %s", script, body)
		}
	}
}

func TestErrors(t *testing.T) {
	for code, want := range map[core.Code]struct {
		status int
		kind   string
	}{
		core.CodeCancelled:       {499, "invalid_request_error"},
		core.CodeDiskFull:        {507, "api_error"},
		core.CodeQuarantined:     {422, "invalid_request_error"},
		core.CodeInvalidRequest:  {400, "invalid_request_error"},
		core.CodeContextExceeded: {400, "invalid_request_error"},
		core.CodeUnsupported:     {400, "invalid_request_error"},
		core.CodeUnauthenticated: {401, "authentication_error"},
		core.CodeForbidden:       {403, "permission_error"},
		core.CodeNotFound:        {404, "not_found_error"},
		core.CodeModelNotFound:   {404, "not_found_error"},
		core.CodeMethod:          {405, "invalid_request_error"},
		core.CodeConflict:        {409, "invalid_request_error"},
		core.CodeTooLarge:        {413, "request_too_large"},
		core.CodeBadModel:        {422, "invalid_request_error"},
		core.CodeRateLimited:     {429, "rate_limit_error"},
		core.CodeQueueFull:       {529, "overloaded_error"},
		core.CodeDraining:        {529, "overloaded_error"},
		core.CodeUnavailable:     {503, "api_error"},
		core.CodeOutOfMemory:     {503, "api_error"},
		core.CodeDeadline:        {504, "timeout_error"},
		core.CodeWorkerDied:      {502, "api_error"},
		core.CodeInternal:        {500, "api_error"},
	} {
		f := newFake()
		f.err = &core.Error{Code: code, Message: "So it is.", RetryAfter: 1500 * time.Millisecond, Cause: errors.New("secret")}
		w := f.post(t, streamed)
		body, said := decode[errorBody](t, w.Body.String()), "So it is."
		if code == core.CodeContextExceeded {
			said = "The prompt is too long. So it is."
		}
		if w.Code != want.status || cmp.Diff(body, errorBody{"error", errorDetail{want.kind, said}, "req-1"}) != "" {
			t.Errorf("%s: %d %s", code, w.Code, w.Body)
		}
		if w.Header().Get("Retry-After") != "2" || w.Header().Get("Request-Id") != "req-1" {
			t.Errorf("%s: %v", code, w.Header())
		}
		// A failure before the first event still has its status.
		f.err, f.events = nil, play(f.err)
		if w := f.post(t, streamed); w.Code != want.status {
			t.Errorf("%s before the first event: %d", code, w.Code)
		}
	}
}

func TestTooLarge(t *testing.T) {
	w := newFake().post(t, `{"messages":"`+strings.Repeat("x", maxBody)+`"}`)
	if w.Code != 413 || !strings.Contains(w.Body.String(), "request_too_large") {
		t.Error(w.Code, w.Body)
	}
}

// TestPins: cache_control becomes places in the conversation.
func TestPins(t *testing.T) {
	const keep = `"cache_control":{"type":"ephemeral"}`
	tool := `"tools":[{"name":"f","input_schema":{"type":"object"},` + keep + `}]`
	for body, want := range map[string][]core.Pin{
		`"messages":[{"role":"user","content":"hi"}]`: nil,
		`"messages":[{"role":"user","content":[{"type":"text","text":"long",` + keep + `},{"type":"text","text":"ask"}]}]`:                     {{Message: 0, Byte: 4}},
		`"system":[{"type":"text","text":"a"},{"type":"text","text":"bc",` + keep + `}],"messages":[{"role":"user","content":"hi"}]`:           {{Message: 1}},
		`"system":[{"type":"text","text":"ab",` + keep + `},{"type":"text","text":"now"}],"messages":[{"role":"user","content":"hi"}],` + tool: {{Message: 1}, {Message: 0, Byte: 2}},
		tool + `,"messages":[{"role":"user","content":"hi"}]`:                                                                                  {{Message: 0}},
		keep + `,"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"so"},{"role":"user","content":"more"}]`:             {{Message: 2, Byte: 4}},
		`"messages":[{"role":"assistant","content":[{"type":"text","text":"so"},{"type":"tool_use","id":"c","name":"f","input":{},` + keep + `}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"c","content":"res",` + keep + `},{"type":"text","text":"go on",` + keep + `}]}]`: {
			{Message: 0, Byte: 2}, {Message: 1, Byte: 3}, {Message: 2, Byte: 5},
		},
	} {
		f := newFake()
		if w := f.post(t, `{"max_tokens":20,`+body+`}`); w.Code != 200 {
			t.Errorf("%s: %d %s", body, w.Code, w.Body)
			continue
		}
		if diff := cmp.Diff(want, f.got.Pins); diff != "" {
			t.Errorf("%s: %s", body, diff)
		}
	}
	five := strings.Repeat(`{"type":"text","text":"a",`+keep+`},`, 5)
	for _, bad := range []string{`[` + five[:len(five)-1] + `]`, `[{"type":"text","text":"a","cache_control":{"type":"durable"}}]`, `[{"type":"text","text":"a","cache_control":{"type":"ephemeral","ttl":"9h"}}]`} {
		if w := newFake().post(t, `{"max_tokens":20,"messages":[{"role":"user","content":`+bad+`}]}`); w.Code != 400 || !strings.Contains(w.Body.String(), "cache_control") {
			t.Errorf("%s: %d %s", bad, w.Code, w.Body)
		}
	}
}

// TestUsageAddsUp: the three parts of a prompt are its tokens, at the start as at the end.
func TestUsageAddsUp(t *testing.T) {
	for in, want := range map[core.Usage]usage{
		{Prompt: 9, Cached: 4}:          {InputTokens: 5, CacheReadInputTokens: 4},
		{Prompt: 9, Kept: 7}:            {InputTokens: 2, CacheCreationInputTokens: 7},
		{Prompt: 9, Cached: 4, Kept: 7}: {InputTokens: 2, CacheReadInputTokens: 4, CacheCreationInputTokens: 3},
		{Prompt: 9, Cached: 8, Kept: 7}: {InputTokens: 1, CacheReadInputTokens: 8},
		{Prompt: 9, Cached: 9, Kept: 9}: {CacheReadInputTokens: 9},
	} {
		f := newFake()
		begun, ended := in, in
		ended.Completion = 2
		f.events = play(core.Event{Text: "a", Start: &begun}, core.Event{Finish: core.FinishStop}, core.Event{Usage: &ended})
		events := parsed(t, f.post(t, streamed).Body.String())
		told := func(u any) [4]any {
			m, _ := u.(map[string]any)
			return [4]any{m["input_tokens"], m["cache_creation_input_tokens"], m["cache_read_input_tokens"], m["output_tokens"]}
		}
		message, _ := events[0]["message"].(map[string]any)
		wanted := [4]any{float64(want.InputTokens), float64(want.CacheCreationInputTokens), float64(want.CacheReadInputTokens), 0.0}
		if got := told(message["usage"]); got != wanted {
			t.Errorf("%+v began as %v, want %v", in, got, wanted)
		}
		wanted[3] = 2.0
		if got := told(events[len(events)-2]["usage"]); got != wanted {
			t.Errorf("%+v ended as %v, want %v", in, got, wanted)
		}
	}
}

// TestClientLeaves ends a request's context in mid-stream and sees the generator end.
func TestClientLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		ended := make(chan error, 1)
		f.events = func(ctx context.Context) iter.Seq2[core.Event, error] {
			return func(yield func(core.Event, error) bool) {
				yield(core.Event{Text: "a"}, nil)
				<-ctx.Done()
				ended <- ctx.Err()
				yield(core.Event{}, ctx.Err())
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		r := httptest.NewRequestWithContext(ctx, http.MethodPost, messagesPath, strings.NewReader(streamed))
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
	for left := range 7 {
		f := newFake()
		over := false
		f.events = func(context.Context) iter.Seq2[core.Event, error] {
			return func(yield func(core.Event, error) bool) {
				for i := range 100 {
					ev := core.Event{Text: "x"}
					if i%2 == 0 {
						ev = core.Event{Reasoning: "x"}
					}
					if !yield(ev, nil) {
						over = true
						return
					}
				}
			}
		}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, messagesPath, strings.NewReader(streamed))
		f.handler().ServeHTTP(&brokenPipe{httptest.NewRecorder(), left}, r)
		if !over {
			t.Errorf("after %d writes the range went on", left)
		}
	}
}

// parsed are the events of a stream; every event line must repeat its data's type.
func parsed(t *testing.T, body string) []map[string]any {
	t.Helper()
	var out []map[string]any
	for text := range strings.SplitSeq(strings.TrimSuffix(body, "\n\n"), "\n\n") {
		name, data, ok := strings.Cut(text, "\ndata: ")
		var ev map[string]any
		if err := json.Unmarshal([]byte(data), &ev); err != nil || !ok || name != "event: "+ev["type"].(string) {
			t.Fatalf("%v: %q", err, text)
		}
		out = append(out, ev)
	}
	return out
}
