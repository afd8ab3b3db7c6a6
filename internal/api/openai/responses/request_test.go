package responses

import (
	"encoding/json"
	"maps"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ashatai/internal/api"
	"ashatai/internal/api/fieldtest"
	"ashatai/internal/api/openai/param"
	"ashatai/internal/core"
)

func promptSamples() map[string]string {
	return map[string]string{
		"model": `"tiny"`, "instructions": `"Be short."`, "tools": `[{"type":"function","name":"f","parameters":{"type":"object"}}]`,
		"tool_choice": `"required"`, "parallel_tool_calls": "false", "reasoning": "{}", "reasoning.effort": `"high"`, "text": "{}",
		"tools.type": `"function"`, "tools.name": `"g"`, "tools.description": `"d"`, "tools.parameters": `{"type":"object"}`, "tools.tools": `[{"type":"function","name":"g"}]`, "tools.strict": "true",
		"text.format": `{"type":"json_object"}`, "truncation": `"auto"`,
	}
}

func firstID(t *testing.T, list []byte) string {
	t.Helper()
	var l param.List[any]
	if err := json.Unmarshal(list, &l); err != nil || l.FirstID == nil {
		t.Fatalf("%v: %s", err, list)
	}
	return *l.FirstID
}

func with(m map[string]string, k, v string) map[string]string {
	m = maps.Clone(m)
	m[k] = v
	return m
}

func TestFields(t *testing.T) {
	f := open(t)
	earlier := f.make1(t, `{"input":"hi"}`).ID
	talk := decode[conversation](t, f.call(t, "POST", "/v1/conversations", "{}").Body.String()).ID
	message := `[{"type":"message","role":"user","content":"hi"}]`
	item := firstID(t, f.call(t, "POST", "/v1/conversations/"+talk+"/items", `{"items":`+message+`}`).Body.Bytes())
	told := f.make1(t, `{"input":"hi","background":true}`).ID
	said := firstID(t, f.call(t, "GET", "/v1/responses/"+told+"/input_items", "").Body.Bytes())
	included := map[string]string{"include": "message.output_text.logprobs"}
	paged := map[string]string{"include": "message.output_text.logprobs", "after": item, "limit": "7", "order": "asc"}
	anything := map[string]string{"after": ""}
	prompt := promptSamples()
	prompt["previous_response_id"], prompt["conversation"] = strconv.Quote(earlier), strconv.Quote(talk)
	create := maps.Clone(prompt)
	maps.Copy(create, map[string]string{
		"background": "true", "include": `["message.output_text.logprobs"]`, "max_output_tokens": "5", "max_tool_calls": "1", "metadata": `{"a":"b"}`,
		"store": "false", "stream": "true", "stream_options": "{}", "stream_options.include_obfuscation": "true", "temperature": "0.7", "top_p": "0.9", "top_logprobs": "3", "top_k": "40",
		"min_p": "0.1", "repeat_penalty": "1.1", "seed": "42", "grammar": `"root ::= \"a\""`, "guided_json": "{}", "guided_regex": `"a"`,
		"guided_choice": `["a"]`, "guided_grammar": `"root ::= \"a\""`, "structured_outputs": "{}", "json_schema": `{"type":"object"}`, "structured_outputs.json_object": "true", "structured_outputs.json": "{}",
		"structured_outputs.regex": `"a"`, "structured_outputs.choice": `["a"]`, "structured_outputs.grammar": `"root ::= \"a\""`,
	})
	put := func(body map[string]any, name string, value json.RawMessage) string {
		field, ok := strings.CutPrefix(name, "tools.")
		if !ok {
			return fieldtest.Put(body, name, value)
		}
		kind := "function"
		if field == "tools" {
			kind = "namespace"
		}
		body["tools"] = []any{map[string]any{"type": kind, "name": "f", field: value}}
		return "tools.0." + field
	}
	tool := `{"tools":[{"type":"function","name":"f"}]}`
	fieldtest.Run(t, api.Dialect{Routes: f.rows}, map[string]fieldtest.Case{
		"POST /v1/responses": {
			Base: `{"input":"hi"}`, Samples: create, Beside: map[string]string{"stream_options": `{"stream":true}`, "tool_choice": tool},
			Strange: map[string]string{"guided_json": "[]", "json_schema": "[]", "structured_outputs.json": "[]", "tools.parameters": "[]"}, Put: put,
		},
		"POST /v1/responses/input_tokens": {Base: `{"input":"hi"}`, Samples: prompt, Put: put, Strange: map[string]string{"tools.parameters": "[]"}, Beside: map[string]string{"tool_choice": tool}},
		"POST /v1/conversations":          {Base: "{}", Samples: map[string]string{"items": message, "metadata": `{"a":"b"}`}},
		"POST /v1/conversations/{id}":     {Base: "{}", Path: "/v1/conversations/" + talk, Samples: map[string]string{"metadata": `{"a":"b"}`}},
		"POST /v1/conversations/{id}/items": {
			Base: `{"items":` + message + `}`, Path: "/v1/conversations/" + talk + "/items", Samples: included,
		},
		"GET /v1/responses/{id}": {
			Path: "/v1/responses/" + told, Samples: map[string]string{"stream": "true", "starting_after": "0", "include_obfuscation": "true", "include": "message.output_text.logprobs"},
			Beside: map[string]string{"starting_after": "stream=true"},
		},
		"GET /v1/responses/{id}/input_items":      {Path: "/v1/responses/" + told + "/input_items", Samples: with(paged, "after", said), Strange: anything},
		"GET /v1/conversations/{id}/items":        {Path: "/v1/conversations/" + talk + "/items", Samples: paged, Strange: anything},
		"GET /v1/conversations/{id}/items/{item}": {Path: "/v1/conversations/" + talk + "/items/" + item, Samples: included},
	}, f.call)
}

func TestBadValues(t *testing.T) {
	f := open(t)
	item := func(s string) string { return `{"input":[` + s + `]}` }
	for body, at := range map[string]string{
		`{}`:                                                          "input",
		`{"input":[]}`:                                                "input",
		`{"input":"x","wibble":1}`:                                    "wibble",
		`{"input":"x","max_output_tokens":0}`:                         "max_output_tokens",
		`{"input":"x","max_tool_calls":0}`:                            "max_tool_calls",
		`{"input":"x","temperature":9}`:                               "temperature",
		`{"input":"x","top_logprobs":21}`:                             "top_logprobs",
		`{"input":"x","truncation":"some"}`:                           "truncation",
		`{"input":"x","include":["x"]}`:                               "include.0",
		`{"input":"x","stream_options":{}}`:                           "stream_options",
		`{"input":"x","background":true,"store":false}`:               "background",
		`{"input":"x","conversation":{"id":""}}`:                      "conversation",
		`{"input":"x","conversation":"a","previous_response_id":"b"}`: "previous_response_id",
		`{"input":"x","tools":[{"type":"file_search"}]}`:              "tools.0.type",
		`{"input":"x","tools":[{"type":"namespace","name":"n","tools":[{"type":"web_search"}]}]}`: "tools.0.tools.0.type",
		`{"input":"x","tools":[{"type":"web_search"}]}`:                                           "tools.0.type",
		`{"input":"x","tools":[{"type":"namespace","tools":[]}]}`:                                 "tools.0.name",
		`{"input":"x","tools":[{"type":"function","name":"f","tools":[]}]}`:                       "tools.0.type",
		`{"input":"x","tools":[{"type":"function"}]}`:                                             "tools.0.name",
		`{"input":"x","tool_choice":{"type":"function","name":"f"}}`:                              "tool_choice",
		`{"input":"x","text":{"format":{"type":"json_schema"}}}`:                                  "text.format.schema",
		`{"input":"x","text":{"format":{"type":"json_object"}},"grammar":"x"}`:                    "grammar",
		`{"input":"x","reasoning":{"effort":"huge"}}`:                                             "reasoning.effort",
		item(`3`):                               "input.0",
		item(`{"type":7}`):                      "input.0.type",
		item(`{"type":"web_search_call"}`):      "input.0.type",
		item(`{}`):                              "input.0.id",
		item(`{"role":"wizard","content":"x"}`): "input.0.role",
		item(`{"role":"user","content":"x","wibble":1}`):                              "input.0.wibble",
		item(`{"role":"user","content":7}`):                                           "input.0.content",
		item(`{"role":"user"}`):                                                       "input.0.content",
		item(`{"role":"user","content":[7]}`):                                         "input.0.content.0",
		item(`{"role":"user","content":[{"type":"input_image","image_url":"x"}]}`):    "input.0.content.0.type",
		item(`{"role":"user","content":[{"type":"input_text"}]}`):                     "input.0.content.0.text",
		item(`{"role":"user","content":[{"type":"input_text","text":"a","b":1}]}`):    "input.0.content.0.b",
		item(`{"role":"user","content":"x","id":"` + strings.Repeat("x", 200) + `"}`): "input.0.id",
		item(`{"type":"function_call","name":"f","arguments":"{}"}`):                  "input.0.call_id",
		item(`{"type":"function_call","call_id":"c","name":"f","arguments":"["}`):     "input.0.arguments",
		item(`{"type":"function_call_output","output":"x"}`):                          "input.0.call_id",
		item(`{"type":"function_call_output","call_id":"c","output":"x"}`):            "input.0.call_id",
		item(`{"type":"function_call_output","call_id":"c","output":7}`):              "input.0.output",
		item(`{"type":"reasoning","content":7}`):                                      "input.0.content",
		item(`{"type":"reasoning","summary":7}`):                                      "input.0.summary",
	} {
		w := f.call(t, "POST", "/v1/responses", body)
		if got := w.Header().Get("X-Param"); w.Code != 400 || got != at {
			t.Errorf("%s: %d %q %s", body, w.Code, got, w.Body)
		}
	}
	for body, at := range map[string]string{
		`{"input":"x","model":"other"}`: "", `{"input":"x","previous_response_id":"resp_x"}`: "previous_response_id",
		`{"input":"x","conversation":"conv_x"}`: "conversation", item(`{"type":"item_reference","id":"x"}`): "input.0.id",
	} {
		if w := f.call(t, "POST", "/v1/responses", body); w.Code != 404 || w.Header().Get("X-Param") != at {
			t.Errorf("%s: %d %s", body, w.Code, w.Body)
		}
	}
	if w := f.call(t, "POST", "/v1/responses/input_tokens", `{"input":"x","conversation":7}`); w.Code != 400 {
		t.Error(w.Code)
	}
}

// TestMessages: items become the conversation that the model sees.
func TestMessages(t *testing.T) {
	f := open(t)
	f.make1(t, `{"instructions":"I.","input":[
		{"role":"developer","content":"D."},
		{"type":"message","role":"user","content":[{"type":"input_text","text":"a"},{"type":"input_text","text":"b"}],"status":"completed"},
		{"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"s"}],"content":[{"type":"reasoning_text","text":"thought"}],"encrypted_content":null},
		{"type":"message","id":"msg_1","role":"assistant","content":[{"type":"output_text","text":"said","annotations":[],"logprobs":[]}],"phase":"final_answer"},
		{"type":"function_call","call_id":"c1","name":"f","arguments":""},
		{"type":"function_call","call_id":"c2","name":"g","arguments":"{\"x\":1}"},
		{"type":"function_call_output","call_id":"c1","output":"one"},
		{"type":"function_call_output","call_id":"c2","output":[{"type":"input_text","text":"two"}]},
		{"type":"reasoning","id":"rs_2","summary":[{"type":"summary_text","text":"short"}]},
		{"role":"assistant","content":"x"},
		{"role":"assistant","content":"y"},
		{"role":"system","content":"late"}
	],"tools":[{"type":"function","name":"f","strict":true},{"type":"function","name":"g"}],"parallel_tool_calls":false,"reasoning":{"effort":"none"},
	"text":{"format":{"type":"json_schema","name":"n","schema":{"type":"object"}}},"seed":3,"top_k":4,"max_output_tokens":5}`)
	off, seed, k := false, int64(3), 4
	want := &core.Request{
		ID: "req-1", Principal: f.who, Choices: 1, MaxTokens: 5, Sampling: core.Sampling{Seed: &seed, TopK: &k},
		Messages: []core.Message{
			{Role: core.RoleSystem, Content: "I.\n\nD."},
			{Role: core.RoleUser, Content: "ab"},
			{Role: core.RoleAssistant, Content: "said", Reasoning: "thought", ToolCalls: []core.ToolCall{{ID: "c1", Name: "f", Arguments: "{}"}, {ID: "c2", Name: "g", Arguments: `{"x":1}`}}},
			{Role: core.RoleTool, Name: "f", ToolCallID: "c1", Content: "one"},
			{Role: core.RoleTool, Name: "g", ToolCallID: "c2", Content: "two"},
			{Role: core.RoleAssistant, Content: "x", Reasoning: "short"},
			{Role: core.RoleAssistant, Content: "y"},
			{Role: core.RoleSystem, Content: "late"},
		},
		Tools: []core.Tool{{Name: "f", Strict: true}, {Name: "g"}}, ToolChoice: core.ToolChoice{Single: true},
		Format: core.Format{Kind: core.FormatSchema, Source: `{"type":"object"}`}, Thinking: core.Thinking{Enabled: &off},
		Fields: core.Fields{Prompt: "input", Format: "text.format", Thinking: "reasoning.effort"},
	}
	if diff := cmp.Diff(want, f.last()); diff != "" {
		t.Fatal(diff)
	}
	if w := f.call(t, "POST", "/v1/responses/input_tokens", `{"input":"x","instructions":"I."}`); w.Body.String() != `{"object":"response.input_tokens","input_tokens":42}`+"\n" {
		t.Error(w.Body)
	}
	if got := f.last(); len(got.Messages) != 2 || got.Fields.Prompt != "input" {
		t.Errorf("%+v", got)
	}
}

// TestChain: a response goes on where the one before ended, and what is missing is named.
func TestChain(t *testing.T) {
	f := open(t)
	f.events = play(core.Event{Text: "1"}, core.Event{ToolCall: &core.ToolDelta{ID: "c", Name: "f", Arguments: "{}"}}, core.Event{Finish: core.FinishTools}, usageEvent())
	a := f.make1(t, `{"input":"a","instructions":"only once"}`)
	f.events = hello()
	b := f.make1(t, `{"input":[{"type":"function_call_output","call_id":"c","output":"r"}],"previous_response_id":"`+a.ID+`"}`)
	f.make1(t, `{"input":"c","previous_response_id":"`+b.ID+`","stream":false}`)
	want := []core.Message{
		{Role: core.RoleUser, Content: "a"},
		{Role: core.RoleAssistant, Content: "1", ToolCalls: []core.ToolCall{{ID: "c", Name: "f", Arguments: "{}"}}},
		{Role: core.RoleTool, Name: "f", ToolCallID: "c", Content: "r"},
		{Role: core.RoleAssistant, Content: "Hello <é>"},
		{Role: core.RoleUser, Content: "c"},
	}
	if diff := cmp.Diff(want, f.last().Messages); diff != "" {
		t.Fatal(diff)
	}
	if w := f.call(t, "GET", "/v1/responses/"+b.ID+"/input_items", ""); !strings.Contains(w.Body.String(), `"output":"r"`) || strings.Contains(w.Body.String(), "Hello") {
		t.Error(w.Body)
	}
	f.who.User = "bob"
	if w := f.call(t, "POST", "/v1/responses", `{"input":"c","previous_response_id":"`+b.ID+`"}`); w.Code != 404 {
		t.Error("a stranger goes on", w.Code)
	}
	for _, path := range []string{"", "?stream=true", "/input_items"} {
		if w := f.call(t, "GET", "/v1/responses/"+b.ID+path, ""); w.Code != 404 {
			t.Error("a stranger reads", path, w.Code)
		}
	}
	f.who.User = "ada"
	if w := f.call(t, "DELETE", "/v1/responses/"+a.ID, ""); w.Code != 200 {
		t.Error(w.Code, w.Body)
	}
	if w := f.call(t, "POST", "/v1/responses", `{"input":"c","previous_response_id":"`+b.ID+`"}`); w.Code != 404 || !strings.Contains(w.Body.String(), a.ID) {
		t.Error(w.Code, w.Body)
	}
}

func TestConversations(t *testing.T) {
	f := open(t)
	c := decode[conversation](t, f.call(t, "POST", "/v1/conversations", `{"metadata":{"a":"b"},"items":[{"role":"user","content":"I am Ada."}]}`).Body.String())
	path := "/v1/conversations/" + c.ID
	r := f.make1(t, `{"input":"Who?","conversation":{"id":"`+c.ID+`"}}`)
	told(t, f.call(t, "POST", "/v1/responses", `{"input":"Again?","conversation":"`+c.ID+`","stream":true}`).Body.String())
	f.err = core.Errorf(core.CodeWorkerDied, "x")
	f.call(t, "POST", "/v1/responses", `{"input":"lost","conversation":"`+c.ID+`"}`)
	f.err = nil
	var l param.List[message]
	if err := json.Unmarshal(f.call(t, "GET", path+"/items?order=asc", "").Body.Bytes(), &l); err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, m := range l.Data {
		all.WriteString(m.Role + ":" + m.Content[0].Text + "|")
	}
	if texts := all.String(); texts != "user:I am Ada.|user:Who?|assistant:Hello <é>|user:Again?|assistant:Hello <é>|" || r.Conversation.ID != c.ID {
		t.Error(all.String())
	}
	if w := f.call(t, "POST", "/v1/responses", `{"input":"x","previous_response_id":"`+r.ID+`"}`); w.Code != 400 || !strings.Contains(w.Body.String(), c.ID) {
		t.Error(w.Code, w.Body)
	}
	added := f.call(t, "POST", path+"/items", `{"items":[{"role":"user","content":"x","id":"mine"},{"type":"reasoning","summary":[]}]}`)
	if !strings.Contains(added.Body.String(), `"first_id":"mine"`) {
		t.Error(added.Body)
	}
	if w := f.call(t, "GET", path+"/items/mine", ""); w.Code != 200 {
		t.Error(w.Code)
	}
	if w := f.call(t, "DELETE", path+"/items/mine", ""); w.Code != 200 || decode[conversation](t, w.Body.String()).ID != c.ID {
		t.Error(w.Code)
	}
	if w := f.call(t, "POST", path, `{"metadata":null}`); len(decode[conversation](t, w.Body.String()).Metadata) != 0 {
		t.Error(w.Body)
	}
	if got := decode[conversation](t, f.call(t, "GET", path, "").Body.String()); got.CreatedAt != 1700000000 || got.Object != "conversation" {
		t.Error(got)
	}
	for body, at := range map[string]string{
		`{}`: "items", `{"items":[]}`: "items", `{"items":"x"}`: "items", `{"items":[{"type":"item_reference","id":"x"}]}`: "items.0.type",
		`{"items":[` + strings.TrimSuffix(strings.Repeat(`{"role":"user","content":"x"},`, 21), ",") + `]}`: "items",
	} {
		if w := f.call(t, "POST", path+"/items", body); w.Code != 400 || w.Header().Get("X-Param") != at {
			t.Errorf("%s: %d %s", body, w.Code, w.Body)
		}
	}
	for _, p := range []string{path + "/items?limit=101", path + "/items?include=x", path + "/items/x?include=x"} {
		if w := f.call(t, "GET", p, ""); w.Code != 400 {
			t.Error(p, w.Code)
		}
	}
	if w := f.call(t, "DELETE", path, ""); w.Code != 200 {
		t.Error(w.Code)
	}
	for _, c := range [][2]string{{"GET", ""}, {"POST", ""}, {"DELETE", ""}, {"GET", "/items"}, {"POST", "/items"}, {"GET", "/items/x"}, {"DELETE", "/items/x"}} {
		body := `{"metadata":{}}`
		if c[1] == "/items" {
			body = `{"items":[{"role":"user","content":"x"}]}`
		}
		if w := f.call(t, c[0], path+c[1], body); w.Code != 404 {
			t.Error(c, w.Code, w.Body)
		}
	}
}

// TestTruncation hands the wish on, and tells what was left out.
func TestTruncation(t *testing.T) {
	f := open(t)
	f.events = play(core.Event{Text: "a", Finish: core.FinishStop}, core.Event{Usage: &core.Usage{LeftOut: core.LeftOut{Messages: 4}}})
	for text, want := range map[string]bool{`"auto"`: true, `"disabled"`: false, "null": false} {
		r := f.make1(t, `{"input":"hi","truncation":`+text+`}`)
		if f.last().Truncate != want || r.Usage.InputDetails.TruncatedMessages != 4 {
			t.Error(text, f.last().Truncate, r.Usage)
		}
	}
}

func FuzzCreate(f *testing.F) {
	for _, s := range []string{
		`{"input":"x"}`, `{"input":[{"role":"user","content":[{"type":"input_text","text":"a"}]}],"tools":[{"type":"function","name":"f"}],"tool_choice":"required"}`,
		`{"input":[{"type":"function_call","call_id":"c","name":"f","arguments":"{}"},{"type":"function_call_output","call_id":"c","output":"x"}]}`,
		`{"input":[{"type":"reasoning","summary":[]}],"conversation":{"id":"x"},"text":{"format":{"type":"json_object"}}}`, `{"input":[null]}`, `[`,
	} {
		f.Add([]byte(s))
	}
	table := createTable().Table()
	f.Fuzz(func(t *testing.T, body []byte) {
		var c createRequest
		if api.Strict(body, &c) != nil {
			return
		}
		if p, err := c.plan(table); err == nil {
			if _, err := encode(p.resp); err != nil {
				t.Fatal(err)
			}
		}
		items, err := readInput("input", c.Input)
		if err != nil {
			return
		}
		var conv talk
		for _, it := range items {
			if it.kind == typeReference {
				continue
			}
			s, err := it.stored(false)
			if err != nil {
				t.Fatal(err)
			}
			again, err := readItem("x", json.RawMessage(s.Body))
			if err != nil || again.text != it.text || again.id != it.id || again.call != it.call {
				t.Fatalf("%s is kept as %s: %v", c.Input, s.Body, err)
			}
			_ = conv.add("x", it)
		}
	})
}
