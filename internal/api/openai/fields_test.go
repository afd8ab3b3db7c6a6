package openai

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"testing"

	"ashatai/internal/api"
	"ashatai/internal/api/fieldtest"
	"ashatai/internal/core"
)

const say = `{"messages":[{"role":"user","content":"hi"}]}`

// textSamples are values of the fields that both text endpoints honour.
func textSamples() map[string]string {
	return map[string]string{
		"model": `"tiny"`, "temperature": "0.7", "top_p": "0.9", "top_k": "40", "min_p": "0.1", "typical_p": "0.9", "repeat_penalty": "1.1",
		"repeat_last_n": "64", "presence_penalty": "0.5", "frequency_penalty": "-0.5", "logit_bias": `{"7":-100}`, "seed": "42", "n": "2",
		"stop": `["a","b"]`, "stream": "true", "stream_options": "{}", "stream_options.include_usage": "true", "stream_options.include_obfuscation": "true", "ignore_eos": "true", "timings_per_token": "true", "truncation": `"auto"`,
		"grammar": `"root ::= \"a\""`, "guided_json": `{"type":"object"}`, "guided_regex": `"a+"`, "guided_choice": `["a","b"]`,
		"guided_grammar": `"root ::= \"a\""`, "structured_outputs": "{}", "json_schema": `{"type":"object"}`, "structured_outputs.json_object": "true", "structured_outputs.json": `{"type":"object"}`,
		"structured_outputs.regex": `"a+"`, "structured_outputs.choice": `["a"]`, "structured_outputs.grammar": `"root ::= \"a\""`,
		"max_tokens": "5",
	}
}

func chatSamples() map[string]string {
	samples := textSamples()
	maps.Copy(samples, map[string]string{
		"messages.name": `"Ann"`, "messages.tool_calls": `[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]`,
		"messages.tool_call_id": `"c"`, "messages.function_call": `{"name":"f","arguments":"{}"}`, "messages.reasoning_content": `"hm"`,
		"max_completion_tokens": "5", "logprobs": "true", "top_logprobs": "3", "chat_template_kwargs": `{"a":1,"b":"c","d":true}`,
		"tools": `[{"type":"function","function":{"name":"f","parameters":{"type":"object"},"strict":true}}]`, "tool_choice": `"required"`,
		"functions": `[{"name":"f"}]`, "function_call": `{"name":"f"}`, "response_format": `{"type":"json_schema","json_schema":{"name":"n","schema":{}}}`,
		"continue_final_message": "true", "add_generation_prompt": "true", "store": "true", "reasoning_effort": `"xhigh"`, "thinking_budget": "7", "metadata": `{"a":"b"}`, "parallel_tool_calls": "false",
	})
	return samples
}

func TestFields(t *testing.T) {
	f := embedFake().storing(t)
	strange := map[string]string{"guided_json": "[]", "json_schema": "[]", "structured_outputs.json": "[]"} // an object is a schema
	streamed := map[string]string{"stream_options": `{"stream":true}`}
	f.events = func(_ context.Context, req *core.Request) iter.Seq2[core.Event, error] {
		return func(yield func(core.Event, error) bool) {
			for i := range req.Choices {
				if !yield(core.Event{Choice: i, Text: "a"}, nil) || !yield(core.Event{Choice: i, Finish: core.FinishStop}, nil) {
					return
				}
			}
			yield(core.Event{Usage: &core.Usage{Prompt: 1, Completion: req.Choices}}, nil)
		}
	}
	var kept struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(f.call(t, "POST", chatPath, strings.Replace(say, "{", `{"store":true,`, 1)).Body.Bytes(), &kept); err != nil {
		t.Fatal(err)
	}
	chat := kept.ID
	d := f.dialect()
	d.Routes = slices.DeleteFunc(d.Routes, func(r api.Route) bool { // package responses tests its own
		return strings.HasPrefix(r.Path, "/v1/responses") || strings.HasPrefix(r.Path, "/v1/conversations")
	})
	fieldtest.Run(t, d, map[string]fieldtest.Case{
		"POST /v1/chat/completions": {
			Base: say, Samples: chatSamples(), Strange: strange,
			Beside: map[string]string{
				"stream_options": `{"stream":true}`, "top_logprobs": `{"logprobs":true}`, "function_call": `{"functions":[{"name":"f"}]}`,
				"continue_final_message":     `{"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"so"}]}`,
				"tool_choice":                `{"tools":[{"type":"function","function":{"name":"f"}}]}`,
				"messages.tool_calls":        `{"messages":[{"role":"assistant","content":"so"}]}`,
				"messages.function_call":     `{"messages":[{"role":"assistant","content":"so"}]}`,
				"messages.reasoning_content": `{"messages":[{"role":"assistant","content":"so"}]}`,
			},
			Put: func(body map[string]any, name string, value json.RawMessage) string {
				if name != "messages.tool_call_id" {
					return fieldtest.Put(body, name, value)
				}
				// An answer to a call follows the call.
				body["messages"] = []any{
					json.RawMessage(`{"role":"assistant","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]}`),
					map[string]any{"role": "tool", "content": "x", "tool_call_id": value},
				}
				return "messages.1.tool_call_id"
			},
		},
		"POST /v1/completions": {
			Base: `{"prompt":"hi"}`, Samples: with(textSamples(), "logprobs", "3"), Beside: streamed,
			Strange: with(maps.Clone(strange), "best_of", "3"),
		},
		"POST /v1/embeddings": {
			Base: `{"input":"hi"}`, Samples: map[string]string{"model": `"tiny"`, "dimensions": "2", "encoding_format": `"base64"`},
		},
		"POST /v1/rerank": {
			Base: `{"model":"tiny","query":"q","documents":["a","b"]}`, Samples: map[string]string{"top_n": "1", "return_documents": "true"},
		},
		"GET /v1/chat/completions": {
			Samples: map[string]string{"after": chat, "limit": "100", "order": "desc", "model": "tiny", "metadata": "x"},
			Strange: map[string]string{"after": "", "model": "", "metadata": ""},
		},
		"GET /v1/chat/completions/{id}/messages": {
			Path: "/v1/chat/completions/" + chat + "/messages", Samples: map[string]string{"after": chat + "-0", "limit": "1", "order": "desc"},
			Strange: map[string]string{"after": ""},
		},
		"POST /v1/chat/completions/{id}": { // the body is judged before anybody looks for the chat
			Base: `{"metadata":{}}`, Path: "/v1/chat/completions/none", OK: 404, Strange: map[string]string{"metadata": `{"a":1}`},
		},
	}, f.call)
}

func with(m map[string]string, k, v string) map[string]string {
	m[k] = v
	return m
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
		{chatPath, chat(`"continue_final_message":true`), "continue_final_message"},
		{chatPath, chat(`"add_generation_prompt":false`), "add_generation_prompt"},
		{chatPath, chat(`"continue_final_message":true,"add_generation_prompt":true`), "add_generation_prompt"},
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
