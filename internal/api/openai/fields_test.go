package openai

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"ashatai/internal/api/openai/param"
)

// structFields lists the JSON names of a request type, nested ones after a dot.
func structFields(t reflect.Type, prefix string, nested map[string]reflect.Type) []string {
	var out []string
	for f := range t.Fields() {
		if f.Anonymous {
			out = append(out, structFields(f.Type, prefix, nested)...)
			continue
		}
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		out = append(out, prefix+name)
		if inner, ok := nested[prefix+name]; ok {
			out = append(out, structFields(inner, prefix+name+".", nested)...)
		}
	}
	return out
}

var endpoints = map[string]struct {
	path, base string
	typ        reflect.Type
	nested     map[string]reflect.Type
}{
	EndpointChat: {chatPath, `{"messages":[{"role":"user","content":"hi"}]}`, reflect.TypeFor[chatRequest](), map[string]reflect.Type{
		"messages": reflect.TypeFor[chatMessage](), "stream_options": reflect.TypeFor[streamOptions](), "structured_outputs": reflect.TypeFor[param.Structured](),
	}},
	EndpointCompletions: {"/v1/completions", `{"prompt":"hi"}`, reflect.TypeFor[completionRequest](), map[string]reflect.Type{
		"stream_options": reflect.TypeFor[streamOptions](), "structured_outputs": reflect.TypeFor[param.Structured](),
	}},
	EndpointEmbeddings: {"/v1/embeddings", `{"input":"hi"}`, reflect.TypeFor[embeddingRequest](), nil},
}

func TestEveryFieldIsDecided(t *testing.T) {
	for name, ep := range endpoints {
		var listed []string
		for _, f := range Fields() {
			if f.Endpoint == name {
				listed = append(listed, f.Name)
			}
			if f.Decision != param.Honoured && f.Note == "" {
				t.Errorf("%s %s: no reason is given", name, f.Name)
			}
		}
		have := structFields(ep.typ, "", ep.nested)
		slices.Sort(listed)
		slices.Sort(have)
		if !slices.Equal(listed, have) {
			t.Errorf("%s: the table has %v, the type has %v", name, listed, have)
		}
	}
}

// with puts one field into a body.
func with(t *testing.T, base, name, value string) string {
	t.Helper()
	var body map[string]any
	if err := json.Unmarshal([]byte(base), &body); err != nil {
		t.Fatal(err)
	}
	outer, inner, nested := strings.Cut(name, ".")
	switch {
	case !nested:
		body[outer] = json.RawMessage(value)
	case outer == "messages":
		var first map[string]any
		if err := json.Unmarshal([]byte(`{"role":"user","content":"hi"}`), &first); err != nil {
			t.Fatal(err)
		}
		first[inner] = json.RawMessage(value)
		body[outer] = []any{first}
	default:
		body["stream"] = true
		body[outer] = map[string]any{inner: json.RawMessage(value)}
	}
	out, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// TestFieldsBehaveAsDecided sends every field that is not honoured with a value, every accepted one, and null.
func TestFieldsBehaveAsDecided(t *testing.T) {
	for _, f := range Fields() {
		ep, ours := endpoints[f.Endpoint]
		if !ours {
			continue // package responses tests its own
		}
		send := func(value string) (int, string) {
			w := embedFake().call(t, "POST", ep.path, with(t, ep.base, f.Name, value))
			return w.Code, w.Body.String()
		}
		if f.Decision != param.Honoured {
			if code, body := send("null"); code != 200 {
				t.Errorf("%s %s: null gives %d %s", f.Endpoint, f.Name, code, body)
			}
		}
		for _, v := range f.Accepts {
			if code, body := send(v); code != 200 {
				t.Errorf("%s %s: %s gives %d %s", f.Endpoint, f.Name, v, code, body)
			}
		}
		value := `{"strange":[1]}`
		switch f.Name {
		case "best_of":
			value = "3"
		case "guided_json", "structured_outputs.json":
			value = "[]" // an object is a schema
		}
		switch code, body := send(value); f.Decision {
		case param.Refused:
			at := strings.Replace(f.Name, "messages.", "messages.0.", 1)
			if code != 400 || !strings.Contains(body, fmt.Sprintf(`"param":%q`, at)) {
				t.Errorf("%s %s: refused with %d %s", f.Endpoint, f.Name, code, body)
			}
		case param.Ignored:
			if code != 200 {
				t.Errorf("%s %s: ignored with %d %s", f.Endpoint, f.Name, code, body)
			}
		case param.Honoured:
			if code != 400 {
				t.Errorf("%s %s: an object gives %d %s", f.Endpoint, f.Name, code, body)
			}
		}
	}
}

func TestUnknownFieldsAreRefused(t *testing.T) {
	for name, ep := range endpoints {
		w := embedFake().call(t, "POST", ep.path, with(t, ep.base, "wibble", "1"))
		if w.Code != 400 || !strings.Contains(w.Body.String(), `"param":"wibble"`) {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
}

func TestBadValues(t *testing.T) {
	chat := func(field string) string { return `{"messages":[{"role":"user","content":"hi"}],` + field + `}` }
	message := func(m string) string { return `{"messages":[` + m + `]}` }
	for _, c := range []struct{ path, body, param string }{
		{chatPath, `{}`, "messages"},
		{chatPath, `{"messages":[]}`, "messages"},
		{chatPath, message(`{"role":"tool","content":"x"}`), "messages.0.tool_call_id"},
		{chatPath, message(`{"role":"tool","content":"x","tool_call_id":"call_1"}`), "messages.0.tool_call_id"},
		{chatPath, message(`{"role":"function","content":"x","name":"f"}`), "messages.0.name"},
		{chatPath, message(`{"role":"user","content":"x","tool_calls":[{"id":"a","function":{"name":"f","arguments":"{}"}}]}`), "messages.0.tool_calls"},
		{chatPath, message(`{"role":"user","content":"x","function_call":{"name":"f","arguments":"{}"}}`), "messages.0.function_call"},
		{chatPath, message(`{"role":"user","content":"x","reasoning_content":"y"}`), "messages.0.reasoning_content"},
		{chatPath, message(`{"role":"user","content":"x","tool_call_id":"y"}`), "messages.0.tool_call_id"},
		{chatPath, message(`{"role":"assistant","tool_calls":[{"id":"a","function":{"name":"f","arguments":"[]"}}]}`), "messages.0.tool_calls.0.function.arguments"},
		{chatPath, message(`{"role":"assistant","tool_calls":[{"id":"a"}]}`), "messages.0.tool_calls.0"},
		{chatPath, message(`{"role":"assistant","tool_calls":[{"id":"a","type":"custom","function":{"name":"f","arguments":"{}"}}]}`), "messages.0.tool_calls.0.type"},
		{chatPath, message(`{"role":"assistant","function_call":{"name":"f","arguments":"x"}}`), "messages.0.tool_calls.0.function.arguments"},
		{chatPath, chat(`"tools":[{"type":"custom","custom":{"name":"c"}}]`), "tools.0.type"},
		{chatPath, chat(`"tools":[{"type":"function"}]`), "tools.0.function"},
		{chatPath, chat(`"tools":[{"type":"function","function":{"name":"a b"}}]`), "tools.0.function.name"},
		{chatPath, chat(`"tools":[{"type":"function","function":{"name":"f","parameters":[]}}]`), "tools.0.function.parameters"},
		{chatPath, chat(`"tools":[{"type":"function","function":{"name":"f"}},{"type":"function","function":{"name":"f"}}]`), "tools.1"},
		{chatPath, chat(`"tool_choice":"required"`), "tool_choice"},
		{chatPath, chat(`"tool_choice":"named"`), "tool_choice"},
		{chatPath, chat(`"tool_choice":{"type":"function","function":{"name":"f"}}`), "tool_choice"},
		{chatPath, chat(`"tool_choice":{"type":"mcp"}`), "tool_choice.type"},
		{chatPath, chat(`"functions":[{"name":"f"}],"tools":[{"type":"function","function":{"name":"f"}}]`), "functions"},
		{chatPath, chat(`"functions":[{"name":"f"}],"tool_choice":"auto"`), "tool_choice"},
		{chatPath, chat(`"functions":[{"name":"f"}],"function_call":{"name":"g"}`), "function_call"},
		{chatPath, chat(`"functions":[{"name":"f"}],"function_call":{}`), "function_call"},
		{chatPath, chat(`"function_call":{"name":"f"}`), "function_call"},
		{chatPath, chat(`"response_format":{"type":"xml"}`), "response_format.type"},
		{chatPath, chat(`"response_format":{"type":"json_schema"}`), "response_format.json_schema"},
		{chatPath, chat(`"response_format":{"type":"json_schema","json_schema":{"name":"x"}}`), "response_format.json_schema.schema"},
		{chatPath, chat(`"response_format":{"type":"json_object"},"grammar":"root ::= \"a\""`), "grammar"},
		{chatPath, chat(`"guided_choice":[""]`), "guided_choice"},
		{chatPath, chat(`"guided_regex":"a","guided_json":{}`), "guided_regex"},
		{chatPath, chat(`"guided_json":"{"`), "guided_json"},
		{chatPath, chat(`"reasoning_effort":"huge"`), "reasoning_effort"},
		{chatPath, chat(`"thinking_budget":0`), "thinking_budget"},
		{chatPath, chat(`"metadata":{"":"x"}`), "metadata"},
		{chatPath, message(`{"role":"wizard","content":"x"}`), "messages.0.role"},
		{chatPath, message(`{"content":"x"}`), "messages.0.role"},
		{chatPath, message(`{"role":"user"}`), "messages.0.content"},
		{chatPath, message(`{"role":"user","content":null}`), "messages.0.content"},
		{chatPath, message(`{"role":"user","content":7}`), "messages.0.content"},
		{chatPath, message(`{"role":"user","content":[]}`), "messages.0.content"},
		{chatPath, message(`{"role":"user","content":["x"]}`), "messages.0.content.0"},
		{chatPath, message(`{"role":"user","content":[{"type":"image_url","image_url":{"url":"x"}}]}`), "messages.0.content.0.type"},
		{chatPath, message(`{"role":"user","content":[{"type":"text","text":"x","y":1}]}`), "messages.0.content.0"},
		{chatPath, message(`{"role":"user","content":[{"type":"text"}]}`), "messages.0.content.0"},
		{chatPath, chat(`"max_tokens":0`), "max_tokens"},
		{chatPath, chat(`"max_tokens":-1`), "max_tokens"},
		{chatPath, chat(`"max_tokens":3,"max_completion_tokens":4`), "max_tokens"},
		{chatPath, chat(`"n":0`), "n"},
		{chatPath, chat(`"n":17`), "n"},
		{chatPath, chat(`"temperature":-1`), "temperature"},
		{chatPath, chat(`"top_logprobs":3`), "top_logprobs"},
		{chatPath, chat(`"logprobs":true,"top_logprobs":21`), "top_logprobs"},
		{chatPath, chat(`"logit_bias":{"a":1}`), "logit_bias"},
		{chatPath, chat(`"logit_bias":{"1":1,"01":1}`), "logit_bias"},
		{chatPath, chat(`"logit_bias":{"1":101}`), "logit_bias"},
		{chatPath, chat(`"stop":""`), "stop"},
		{chatPath, chat(`"stop":[null]`), "stop"},
		{chatPath, chat(`"stop":3`), "stop"},
		{chatPath, chat(`"stream_options":{"include_usage":true}`), "stream_options"},
		{chatPath, chat(`"chat_template_kwargs":{"a":[1]}`), "chat_template_kwargs.a"},
		{"/v1/completions", `{}`, "prompt"},
		{"/v1/completions", `{"prompt":""}`, "prompt"},
		{"/v1/completions", `{"prompt":[]}`, "prompt"},
		{"/v1/completions", `{"prompt":[[]]}`, "prompt"},
		{"/v1/completions", `{"prompt":["a",1]}`, "prompt"},
		{"/v1/completions", `{"prompt":["a",null]}`, "prompt"},
		{"/v1/completions", `{"prompt":[1,null]}`, "prompt"},
		{"/v1/completions", `{"prompt":[-1]}`, "prompt"},
		{"/v1/completions", `{"prompt":[99999999999]}`, "prompt"},
		{"/v1/completions", `{"prompt":[1.5]}`, "prompt"},
		{"/v1/completions", `{"prompt":{"a":1}}`, "prompt"},
		{"/v1/completions", `{"prompt":"a","logprobs":21}`, "logprobs"},
		{"/v1/completions", `{"prompt":"a","best_of":2,"n":1}`, "best_of"},
		{"/v1/completions", `{"prompt":["` + strings.Repeat(`a","`, 100) + `b"],"n":3}`, "n"},
		{"/v1/completions", `{"prompt":["` + strings.Repeat(`a","`, 128) + `b"]}`, "prompt"},
		{"/v1/embeddings", `{}`, "input"},
		{"/v1/embeddings", `{"input":["a",""]}`, "input"},
		{"/v1/embeddings", `{"input":"a","dimensions":0}`, "dimensions"},
		{"/v1/embeddings", `{"input":"a","encoding_format":"hex"}`, "encoding_format"},
	} {
		w := embedFake().call(t, "POST", c.path, c.body)
		if w.Code != 400 || !strings.Contains(w.Body.String(), fmt.Sprintf(`"param":%q`, c.param)) {
			t.Errorf("%s %s: %d %s", c.path, c.body, w.Code, w.Body)
		}
	}
}
