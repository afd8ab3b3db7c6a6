package openai

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ashatai/internal/core"
)

// thinksAndCalls is an answer with everything: reasoning, text and two calls whose arguments come in pieces.
func thinksAndCalls() *fake {
	f := newFake()
	f.events = play(
		core.Event{Reasoning: "Hm"}, core.Event{Reasoning: "m."}, core.Event{Text: "I look."},
		core.Event{ToolCall: &core.ToolDelta{Index: 0, ID: "call_a", Name: "weather"}},
		core.Event{ToolCall: &core.ToolDelta{Index: 0, Arguments: `{"city":`}},
		core.Event{ToolCall: &core.ToolDelta{Index: 0, Arguments: `"é"}`}},
		core.Event{ToolCall: &core.ToolDelta{Index: 1, ID: "call_b", Name: "time", Arguments: `{}`}},
		core.Event{Finish: core.FinishTools}, core.Event{Usage: &core.Usage{Prompt: 3, Completion: 9, Reasoning: 4}},
	)
	return f
}

const withTools = `{"messages":[{"role":"user","content":"hi"}],"tools":[{"type":"function","function":{"name":"weather"}},{"type":"function","function":{"name":"time"}}]`

func TestToolCallsWhole(t *testing.T) {
	body := thinksAndCalls().call(t, "POST", chatPath, withTools+`}`).Body.String()
	got := decode[chatAnswer](t, body)
	text, thought := "I look.", "Hmm."
	want := chatText{Role: "assistant", Content: &text, ReasoningContent: &thought, Annotations: []any{}, ToolCalls: []toolCall{
		{ID: "call_a", Type: "function", Function: &calledFunction{"weather", `{"city":"é"}`}},
		{ID: "call_b", Type: "function", Function: &calledFunction{"time", `{}`}},
	}}
	if diff := cmp.Diff(want, got.Choices[0].Message); diff != "" || got.Choices[0].FinishReason != "tool_calls" || got.Usage.CompletionDetails.ReasoningTokens != 4 {
		t.Fatal(diff, body)
	}
}

func TestToolCallsStreamed(t *testing.T) {
	var deltas []string
	for _, d := range data(thinksAndCalls().call(t, "POST", chatPath, withTools+`,"stream":true}`).Body.String()) {
		if d == "[DONE]" {
			continue
		}
		decode[chatChunk](t, d)
		var c struct {
			Choices []struct {
				Delta  json.RawMessage `json:"delta"`
				Finish *string         `json:"finish_reason"`
			} `json:"choices"`
		}
		if err := json.Unmarshal([]byte(d), &c); err != nil {
			t.Fatal(err)
		}
		line := string(c.Choices[0].Delta)
		if c.Choices[0].Finish != nil {
			line += *c.Choices[0].Finish
		}
		deltas = append(deltas, line)
	}
	want := []string{
		`{"role":"assistant","content":"","refusal":null}`,
		`{"reasoning_content":"Hm"}`, `{"reasoning_content":"m."}`, `{"content":"I look."}`,
		`{"tool_calls":[{"index":0,"id":"call_a","type":"function","function":{"name":"weather","arguments":""}}]}`,
		`{"tool_calls":[{"index":0,"function":{"arguments":"{\"city\":"}}]}`,
		`{"tool_calls":[{"index":0,"function":{"arguments":"\"é\"}"}}]}`,
		`{"tool_calls":[{"index":1,"id":"call_b","type":"function","function":{"name":"time","arguments":"{}"}}]}`,
		`{}tool_calls`,
	}
	if diff := cmp.Diff(want, deltas); diff != "" {
		t.Fatal(diff)
	}
}

// TestOldForm: who speaks of functions hears of functions.
func TestOldForm(t *testing.T) {
	f := newFake()
	f.events = play(
		core.Event{ToolCall: &core.ToolDelta{ID: "call_a", Name: "f"}}, core.Event{ToolCall: &core.ToolDelta{Arguments: `{}`}},
		core.Event{Finish: core.FinishTools}, core.Event{Usage: &core.Usage{}},
	)
	const ask = `{"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":null,"function_call":{"name":"f","arguments":""}},{"role":"function","name":"f","content":"1"}],"functions":[{"name":"f"}],"function_call":{"name":"f"}`
	m := decode[chatAnswer](t, f.call(t, "POST", chatPath, ask+"}").Body.String()).Choices[0]
	if m.FinishReason != "function_call" || m.Message.FunctionCall == nil || m.Message.FunctionCall.Arguments != "{}" || m.Message.ToolCalls != nil || m.Message.Content != nil {
		t.Fatal(m)
	}
	stream := f.call(t, "POST", chatPath, ask+`,"stream":true}`).Body.String()
	if !strings.Contains(stream, `"delta":{"function_call":{"name":"f","arguments":""}}`) || !strings.Contains(stream, `"finish_reason":"function_call"`) {
		t.Fatal(stream)
	}
	want := &core.Request{
		ID: "req-1", Choices: 1, Messages: []core.Message{
			{Role: core.RoleUser, Content: "hi"},
			{Role: core.RoleAssistant, ToolCalls: []core.ToolCall{{ID: "call_1", Name: "f", Arguments: "{}"}}},
			{Role: core.RoleTool, Name: "f", Content: "1", ToolCallID: "call_1"},
		},
		Tools: []core.Tool{{Name: "f"}}, ToolChoice: core.ToolChoice{Mode: core.ToolNamed, Name: "f", Single: true},
		Fields: core.Fields{Prompt: "messages", Format: "response_format", Thinking: "reasoning_effort"},
	}
	if diff := cmp.Diff(want, f.got[0]); diff != "" {
		t.Fatal(diff)
	}
}

// TestWhatIsAskedFor: the fields about tools, formats and reasoning arrive in the core request.
func TestWhatIsAskedFor(t *testing.T) {
	yes, no := true, false
	one, both := []core.Tool{{Name: "weather"}}, []core.Tool{{Name: "weather"}, {Name: "time"}}
	for fields, want := range map[string]core.Request{
		`"tool_choice":"none"`:                                         {Tools: both, ToolChoice: core.ToolChoice{Mode: core.ToolNone}},
		`"tool_choice":"required","parallel_tool_calls":false`:         {Tools: both, ToolChoice: core.ToolChoice{Mode: core.ToolRequired, Single: true}},
		`"tool_choice":{"type":"function","function":{"name":"time"}}`: {Tools: both, ToolChoice: core.ToolChoice{Mode: core.ToolNamed, Name: "time"}},
		`"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"required","tools":[{"type":"function","function":{"name":"weather"}}]}}`: {Tools: one, ToolChoice: core.ToolChoice{Mode: core.ToolRequired}},
		`"response_format":{"type":"json_object"}`: {Tools: both, Format: core.Format{Kind: core.FormatJSON}},
		`"response_format":{"type":"json_schema","json_schema":{"name":"x","strict":true,"schema":{"type":"object"}}}`: {Tools: both, Format: core.Format{Kind: core.FormatSchema, Source: `{"type":"object"}`}},
		`"grammar":"root ::= x"`:                         {Tools: both, Format: core.Format{Kind: core.FormatGBNF, Source: "root ::= x"}},
		`"guided_grammar":"root ::= x"`:                  {Tools: both, Format: core.Format{Kind: core.FormatGBNF, Source: "root ::= x"}},
		`"guided_regex":"a+"`:                            {Tools: both, Format: core.Format{Kind: core.FormatRegex, Source: "a+"}},
		`"structured_outputs":{"choice":["a","\"b"]}`:    {Tools: both, Format: core.Format{Kind: core.FormatLark, Source: `start: "a" | "\"b"`}},
		`"guided_json":"{}"`:                             {Tools: both, Format: core.Format{Kind: core.FormatSchema, Source: "{}"}},
		`"reasoning_effort":"xhigh","thinking_budget":5`: {Tools: both, Thinking: core.Thinking{Enabled: &yes, Effort: "high", Budget: 5}},
		`"reasoning_effort":"none"`:                      {Tools: both, Thinking: core.Thinking{Enabled: &no}},
		`"reasoning_effort":"minimal"`:                   {Tools: both, Thinking: core.Thinking{Enabled: &yes, Effort: "low"}},
	} {
		f := newFake()
		if w := f.call(t, "POST", chatPath, withTools+","+fields+"}"); w.Code != 200 {
			t.Errorf("%s: %d %s", fields, w.Code, w.Body)
			continue
		}
		got := core.Request{Tools: f.got[0].Tools, ToolChoice: f.got[0].ToolChoice, Format: f.got[0].Format, Thinking: f.got[0].Thinking}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", fields, diff)
		}
	}
}

func TestStoredChats(t *testing.T) {
	f := newFake().storing(t)
	var ids []string
	for i, stream := range []string{"false", "true", "false"} {
		body := f.call(t, "POST", chatPath, `{"messages":[{"role":"system","content":"s"},{"role":"user","content":"hi"}],"store":true,"metadata":{"n":"`+string(rune('0'+i))+`"},"stream":`+stream+`}`).Body.String()
		if stream == "true" {
			body = data(body)[0]
		}
		var head struct {
			ID string `json:"id"`
		}
		if err := json.Unmarshal([]byte(body), &head); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, head.ID)
	}
	type list struct {
		Data []struct {
			ID string `json:"id"`
		} `json:"data"`
		HasMore bool `json:"has_more"`
	}
	for query, want := range map[string][]string{
		"": ids, "?order=desc": {ids[2], ids[1], ids[0]}, "?limit=2": ids[:2], "?after=" + ids[0]: ids[1:], "?metadata[n]=1": {ids[1]},
		"?model=tiny:latest": ids, "?model=other": nil,
	} {
		w := f.call(t, "GET", chatPath+query, "")
		var l list
		if err := json.Unmarshal(w.Body.Bytes(), &l); err != nil {
			t.Fatal(err, w.Body)
		}
		var got []string
		for _, d := range l.Data {
			got = append(got, d.ID)
		}
		if diff := cmp.Diff(want, got); diff != "" || l.HasMore != (query == "?limit=2") {
			t.Errorf("%q: %s %v", query, diff, l.HasMore)
		}
	}
	one := chatPath + "/" + ids[1]
	if got := decode[storedChat](t, f.call(t, "POST", one, `{"metadata":{"a":"b"}}`).Body.String()); got.Metadata["a"] != "b" || *got.Choices[0].Message.Content != "Hello \"you\"\n" {
		t.Error(got)
	}
	if got := decode[storedChat](t, f.call(t, "GET", one, "").Body.String()); got.Metadata["a"] != "b" || got.Usage.PromptTokens != 9 {
		t.Error(got)
	}
	if body := f.call(t, "GET", one+"/messages?order=desc", "").Body.String(); !strings.Contains(body, `"first_id":"`+ids[1]+`-1"`) || !strings.Contains(body, `"content":"hi"`) {
		t.Error(body)
	}
	for range 2 {
		w := f.call(t, "DELETE", one, "")
		if deleted := strings.Contains(w.Body.String(), `"deleted":true`); deleted != (w.Code == 200) || !deleted && w.Code != 404 {
			t.Error(w.Code, w.Body)
		}
	}
	for _, path := range []string{one, one + "/messages", chatPath + "?after=" + ids[1]} {
		if w := f.call(t, "GET", path, ""); w.Code != 404 {
			t.Error(path, w.Code)
		}
	}
	for _, path := range []string{"?limit=-1", "?limit=x", "?order=up", "?metadata[]=x"} {
		if w := f.call(t, "GET", chatPath+path, ""); w.Code != 400 {
			t.Error(path, w.Code)
		}
	}
}
