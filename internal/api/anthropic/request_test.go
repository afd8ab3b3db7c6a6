package anthropic

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ashatai/internal/api"
	"ashatai/internal/core"
)

func TestRequestReachesTheGenerator(t *testing.T) {
	f := newFake()
	body := `{"model":"tiny","max_tokens":50,"stop_sequences":["x","y"],"temperature":0.5,"top_p":0.9,"top_k":3,"metadata":{"user_id":"u"},
	 "system":[{"type":"text","text":"be kind","cache_control":{"type":"ephemeral"}},{"type":"text","text":"be brief"}],
	 "tools":[{"name":"get","description":"gets","input_schema":{"type":"object", "properties":{"a":{"type":"string"}}},"strict":true},{"type":"custom","name":"put","input_schema":{"type":"object"}}],
	 "tool_choice":{"type":"tool","name":"put","disable_parallel_tool_use":true},
	 "thinking":{"type":"enabled","budget_tokens":30},"output_config":{"effort":"max","format":{"type":"json_schema","schema":{"type": "object"}}},
	 "messages":[
	  {"role":"user","content":"one"},{"role":"user","content":[{"type":"text","text":"two"},{"type":"text","text":""},{"type":"text","text":"three"}]},
	  {"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":"s"},{"type":"thinking","thinking":"!","signature":"s"},{"type":"redacted_thinking","data":"d"},
	   {"type":"text","text":"I "},{"type":"text","text":"look"},{"type":"tool_use","id":"a","name":"get","input":{"a": "b"}},{"type":"tool_use","id":"b","name":"put","input":{},"caller":{"type":"direct"}}]},
	  {"role":"user","content":[{"type":"tool_result","tool_use_id":"b","is_error":true,"content":"no"},
	   {"type":"tool_result","tool_use_id":"a","is_error":false,"content":[{"type":"text","text":"4"},{"type":"text","text":"2"}]},{"type":"text","text":"well?"}]},
	  {"role":"assistant","content":[]},
	  {"role":"system","content":"now in rhyme"},
	  {"role":"user","content":"go"}]}`
	r := httptest.NewRequestWithContext(core.WithPrincipal(t.Context(), core.Principal{Tenant: "t9"}), "POST", messagesPath, strings.NewReader(body))
	if w := f.do(r); w.Code != 200 {
		t.Fatal(w.Body)
	}
	want := &core.Request{
		ID: "req-1", Principal: core.Principal{Tenant: "t9"}, Model: "tiny", Pins: []core.Pin{{Byte: 7}},
		Messages: []core.Message{
			{Role: core.RoleSystem, Content: "be kind\nbe brief"},
			{Role: core.RoleUser, Content: "one\n\ntwo\nthree"},
			{Role: core.RoleAssistant, Content: "I look", Reasoning: "hm!", ToolCalls: []core.ToolCall{{ID: "a", Name: "get", Arguments: `{"a":"b"}`}, {ID: "b", Name: "put", Arguments: `{}`}}},
			{Role: core.RoleTool, Name: "put", ToolCallID: "b", Content: "Error: no"},
			{Role: core.RoleTool, Name: "get", ToolCallID: "a", Content: "4\n2"},
			{Role: core.RoleUser, Content: "well?"},
			{Role: core.RoleAssistant},
			{Role: core.RoleSystem, Content: "now in rhyme"},
			{Role: core.RoleUser, Content: "go"},
		},
		Sampling:  core.Sampling{Temperature: new(0.5), TopP: new(0.9), TopK: new(3)},
		MaxTokens: 50, Choices: 1, Stop: []string{"x", "y"},
		Tools: []core.Tool{
			{Name: "get", Description: "gets", Parameters: []byte(`{"type":"object","properties":{"a":{"type":"string"}}}`), Strict: true},
			{Name: "put", Parameters: []byte(`{"type":"object"}`)},
		},
		ToolChoice: core.ToolChoice{Mode: core.ToolNamed, Name: "put", Single: true},
		Thinking:   core.Thinking{Enabled: new(true), Budget: 30, Effort: "high"},
		Format:     core.Format{Kind: core.FormatSchema, Source: `{"type":"object"}`},
	}
	if diff := cmp.Diff(want, f.got); diff != "" {
		t.Fatal(diff)
	}
}

func TestChoicesAndThinking(t *testing.T) {
	for fields, want := range map[string]core.Request{
		``:                                   {Thinking: core.Thinking{Enabled: new(false)}},
		`"thinking":null`:                    {Thinking: core.Thinking{Enabled: new(false)}},
		`"thinking":{"type":"disabled"}`:     {Thinking: core.Thinking{Enabled: new(false)}},
		`"thinking":{"type":"adaptive"}`:     {},
		`"tool_choice":{"type":"none"}`:      {Thinking: core.Thinking{Enabled: new(false)}, ToolChoice: core.ToolChoice{Mode: core.ToolNone}},
		`"tool_choice":{"type":"auto"}`:      {Thinking: core.Thinking{Enabled: new(false)}, ToolChoice: core.ToolChoice{Mode: core.ToolAuto}},
		`"output_config":{"effort":"low"}`:   {Thinking: core.Thinking{Enabled: new(false), Effort: "low"}},
		`"output_config":{"effort":"xhigh"}`: {Thinking: core.Thinking{Enabled: new(false), Effort: "high"}},
		`"output_config":{}`:                 {Thinking: core.Thinking{Enabled: new(false)}},
		`"tools":[{"name":"f","input_schema":{"type":"object"}}],"tool_choice":{"type":"any"}`: {
			Thinking: core.Thinking{Enabled: new(false)}, ToolChoice: core.ToolChoice{Mode: core.ToolRequired},
			Tools: []core.Tool{{Name: "f", Parameters: []byte(`{"type":"object"}`)}},
		},
		`"output_format":{"type":"json_schema","schema":{}}`: {
			Thinking: core.Thinking{Enabled: new(false)}, Format: core.Format{Kind: core.FormatSchema, Source: "{}"},
		},
	} {
		f := newFake()
		body := `{"max_tokens":20,"messages":[{"role":"user","content":"hi"}]`
		if fields != "" {
			body += "," + fields
		}
		if w := f.post(t, body+"}"); w.Code != 200 {
			t.Errorf("%s: %s", fields, w.Body)
			continue
		}
		got := core.Request{Thinking: f.got.Thinking, ToolChoice: f.got.ToolChoice, Tools: f.got.Tools, Format: f.got.Format}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", fields, diff)
		}
	}
}

func TestCount(t *testing.T) {
	f := newFake()
	f.tokens = 42
	w := f.call(t, "POST", countPath, `{"model":"tiny","system":"s","messages":[{"role":"user","content":"hi"}],"tools":[{"name":"f","input_schema":{"type":"object"}}],"thinking":{"type":"enabled","budget_tokens":1024}}`)
	if w.Code != 200 || w.Body.String() != "{\"input_tokens\":42}\n" {
		t.Fatal(w.Code, w.Body)
	}
	if len(f.counted.Messages) != 2 || len(f.counted.Tools) != 1 || f.counted.ID != "req-1" || f.got != nil {
		t.Errorf("%+v", f.counted)
	}
	if w := f.call(t, "POST", countPath, minimal); w.Code != 400 || !strings.Contains(w.Body.String(), "max_tokens") {
		t.Error(w.Code, w.Body)
	}
	f.countErr = core.Errorf(core.CodeModelNotFound, "There is no model.")
	if w := f.call(t, "POST", countPath, `{"messages":[{"role":"user","content":"hi"}]}`); w.Code != 404 {
		t.Error(w.Code, w.Body)
	}
}

// FuzzMessages feeds a body to the decoder, which must not panic, and whose request must be one that core accepts or refuses.
func FuzzMessages(f *testing.F) {
	for _, seed := range []string{
		minimal,
		`{"max_tokens":1,"messages":[{"role":"assistant","content":[{"type":"thinking","thinking":"x"},{"type":"tool_use","id":"a","name":"f","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"a","content":[{"type":"text","text":"x"}]}]}]}`,
		`{"max_tokens":0,"stream":true,"system":[{"type":"text","text":"a"}],"messages":[{"role":"user","content":"\ud800"}],"tools":[{"name":"f","input_schema":{"type":"object"}}],"tool_choice":{"type":"any"}}`,
		`{"messages":[null],"tools":[null]}`, `{"max_tokens":1,"messages":[{"role":"user","content":[null]}],"system":[]}`, `[`, `{"thinking":{"type":"enabled","budget_tokens":1}}`,
	} {
		f.Add([]byte(seed))
	}
	tab := messageFields().Table()
	f.Fuzz(func(t *testing.T, body []byte) {
		var m messageRequest
		if api.Strict(body, &m) != nil {
			return
		}
		req, err := m.request(tab)
		if err != nil {
			if e := core.AsError(err); e.Code != core.CodeInvalidRequest || e.Message == "" {
				t.Fatalf("%s: %v", body, err)
			}
			return
		}
		if len(req.Messages) == 0 || req.Choices != 1 || req.MaxTokens < 1 {
			t.Fatalf("%s became %+v", body, req)
		}
		if last := req.Messages[len(req.Messages)-1].Role; last == core.RoleAssistant {
			t.Fatalf("%s ends with %s", body, last)
		}
		_ = req.Validate()
	})
}

func TestPrefill(t *testing.T) {
	for messages, want := range map[string]bool{
		`{"role":"user","content":"x"},{"role":"assistant","content":"so"}`:                                                     true,
		`{"role":"user","content":"x"},{"role":"assistant","content":[{"type":"text","text":"so"},{"type":"text","text":"!"}]}`: true,
		`{"role":"assistant","content":"so"},{"role":"user","content":"x"}`:                                                     false,
	} {
		f := newFake()
		if w := f.post(t, `{"max_tokens":20,"messages":[`+messages+`]}`); w.Code != 200 || f.got.Continue != want {
			t.Errorf("%s: %d, continued %v", messages, w.Code, f.got.Continue)
		}
	}
}
