package remote

import (
	"fmt"
	"strings"
	"testing"

	"ashatai/internal/core"
	"ashatai/internal/engine"
)

// A conversation that the server's chat template refuses is its caller's fault, whatever the server's status says: it is not
// asked again, and speaks against nobody.
func TestATemplateThatRefusesIsNoFault(t *testing.T) {
	const roles = `{"error":{"code":500,"message":"Jinja Exception: Conversation roles must alternate user/assistant/user/assistant/...","type":"server_error"}}`
	for name, c := range map[string]struct {
		body   string
		status int // 0: within a stream
	}{
		"llama-server": {roles, 500}, "alternate": {`{"error":"After the system message, roles must alternate"}`, 500},
		"raise": {`{"message":"raise_exception: no tools here"}`, 502}, "in a stream": {roles, 0},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			f.on(chatPath, stream(c.body))
			if c.status > 0 {
				f.on(chatPath, status(c.status, c.body))
			}
			got := ask(t.Context(), t, f.model(), chatRequest())
			if _, bad := got.err.(*engine.FaultError); bad || core.CodeOf(got.err) != core.CodeInvalidRequest || f.chats() != 1 { //nolint:errorlint // it is handed out as it is
				t.Errorf("%v after %d tries", got.err, f.chats())
			}
		})
	}
}

// What is counted before the server counts is as much as was sent and as much as came: tools are a part of the prompt, and
// reasoning and calls of the answer.
func TestTokensAreEstimated(t *testing.T) {
	long := strings.Repeat("word", 100)
	f := newFake(t)
	f.on(chatPath, stream(
		`{"choices":[{"index":0,"delta":{"reasoning":"`+long+`"}}]}`, hello,
		`{"choices":[{"index":0,"delta":{"content":"`+long+`"}}]}`,
		`{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"c","function":{"name":"look","arguments":"`+long+`"}}]}}]}`,
		`{"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}`, `{"choices":[],"usage":{}}`, done))
	req := chatRequest()
	req.Asked.Tools = []core.Tool{{Name: "look", Description: strings.Repeat("tool", 1000)}}
	events, err := f.model().(engine.Generator).Generate(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	var counts []int
	for ev, err := range events {
		if err != nil {
			t.Fatal(err)
		}
		if ev.Start != nil && ev.Start.Prompt < 1000 {
			t.Errorf("the prompt is told as %d tokens", ev.Start.Prompt)
		}
		if u := ev.Usage; u == nil {
			counts = append(counts, ev.Count)
		} else if u.Prompt < 1000 || u.Completion != 302 {
			t.Errorf("usage %+v", u)
		}
	}
	if fmt.Sprint(counts) != "[100 1 100 101 0]" {
		t.Errorf("the events count %v", counts)
	}
}

// A limit that only says what the context says anyway is not sent: servers refuse it.
func TestLimitsBeyondTheContext(t *testing.T) {
	for _, c := range []struct {
		kind       string
		context, n int
		sent       bool
	}{
		{kind: KindVLLM, context: 4096, n: 4095, sent: true},
		{kind: KindVLLM, context: 4096, n: 4096},
		{kind: KindOpenAI, n: anyContext - 1, sent: true},
		{kind: KindOpenAI, n: anyContext},
		{kind: KindLlamaCpp, context: 4096, n: 5000, sent: true},
	} {
		m := &model{s: &server{Server: Server{Name: "box"}}, kind: c.kind, listed: Listed{Context: c.context}}
		req := chatRequest()
		req.MaxTokens = c.n
		_, f, err := m.body(req)
		if _, sent := f["max_tokens"]; err != nil || sent != c.sent {
			t.Errorf("%+v: %v, %v", c, f, err)
		}
	}
}

// A context that a server could not have is no reason to count with it.
func TestListedContextsAreBounded(t *testing.T) {
	f := newFake(t)
	f.on("/v1/models", answer200(`{"data":[{"id":"a","owned_by":"vllm","max_model_len":9223372036854775807},{"id":"b","max_model_len":-5},{"id":"c","meta":{"n_ctx":9223372036854775807}},{"id":"d","max_model_len":4096}]}`))
	list, err := open(t, f.server()).Models(t.Context(), "box")
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []int{maxContext, 0, maxContext, 4096} {
		if list[i].Context != want {
			t.Errorf("%s has a context of %d, want %d", list[i].ID, list[i].Context, want)
		}
	}
	f.on("/v1/models", answer200(`{"data":[{"id":"a"},{"id":"b"}]}`))
	f.on("/api/v1/models", answer200(`{"models":[{"name":"a","context":9223372036854775807},{"name":"b","context":9}]}`))
	f.on("/api/v1/instances", answer200(`{"instances":[{"model":"b","context":9223372036854775807}]}`))
	list, err = open(t, f.server(func(s *Server) { s.Kind = KindAshatai })).Models(t.Context(), "box")
	if err != nil || list[0].Context != maxContext || list[1].Context != maxContext {
		t.Errorf("%+v: %v", list, err)
	}
}

// The variables of a chat template are not a way to replace it.
func TestTemplateArgsThatAreNotTheCallers(t *testing.T) {
	for _, name := range []string{
		"chat_template", "tokenize", "tokenizer", "conversation", "messages", "tools", "documents", "add_generation_prompt", "continue_final_message",
		"return_dict", "return_tensors",
	} {
		f := newFake(t)
		f.on(chatPath, whole())
		req := chatRequest()
		req.Asked.TemplateArgs = map[string]any{name: "{{ secret }}"}
		got := ask(t.Context(), t, f.model(), req)
		if e := core.AsError(got.err); e == nil || e.Code != core.CodeInvalidRequest || e.Param != "chat_template_kwargs" || !strings.Contains(e.Message, name) || f.chats() != 0 {
			t.Errorf("%s: %v", name, got.err)
		}
	}
}
