package anthropic

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"ashatai/internal/api/fieldtest"
	"ashatai/internal/core"
)

// wholeBlock reports whether a field is a type of block.
func wholeBlock(name string) bool {
	kind, ok := strings.CutPrefix(name, blockNames)
	return ok && !strings.Contains(kind, ".")
}

// put puts one field into a body and returns its place in it.
func put(body map[string]any, name string, value json.RawMessage) (where string) {
	outer, inner, isNested := strings.Cut(name, ".")
	tool := map[string]any{"name": "f", "input_schema": map[string]any{"type": "object"}}
	call := map[string]any{"type": "tool_use", "id": "c", "name": "f", "input": map[string]any{}}
	answer := map[string]any{"type": "tool_result", "tool_use_id": "c"}
	said := map[string]any{"type": "text", "text": "hi"}
	thought := map[string]any{"type": "thinking", "thinking": "x"}
	redacted := map[string]any{"type": "redacted_thinking"}
	first := map[string]any{"role": "user", "content": []any{said}}
	ask := func() {
		body["messages"] = []any{
			map[string]any{"role": "assistant", "content": []any{thought, redacted, call}}, map[string]any{"role": "user", "content": []any{answer}},
		}
	}
	where = name
	switch {
	case !isNested:
		body[outer] = value
	case wholeBlock(name):
		first["content"] = []any{map[string]any{"type": strings.TrimPrefix(name, blockNames)}}
		body["messages"] = []any{first}
		where = "messages.0.content.0.type"
	case outer == "messages":
		last := inner[strings.LastIndexByte(inner, '.')+1:]
		where = "messages.0.content.0." + last
		body["messages"] = []any{first}
		switch {
		case inner == "role" || inner == "content":
			first[inner] = value
			where = "messages.0." + inner
		case strings.HasPrefix(inner, "content.text."):
			said[last] = value
		case strings.HasPrefix(inner, "content.tool_result.content."):
			ask()
			said[last] = value
			answer["content"] = []any{said}
			where = "messages.1.content.0.content.0." + last
		case strings.HasPrefix(inner, "content.tool_result."):
			ask()
			answer[last] = value
			where = "messages.1.content.0." + last
		case strings.HasPrefix(inner, "content.tool_use."):
			ask()
			call[last] = value
			where = "messages.0.content.2." + last
		case strings.HasPrefix(inner, "content.thinking."):
			ask()
			thought[last] = value
		case strings.HasPrefix(inner, "content.redacted_thinking."):
			ask()
			redacted[last] = value
			where = "messages.0.content.1." + last
		}
	case outer == "system":
		said[inner] = value
		body["system"] = []any{said}
		where = "system.0." + inner
	case outer == "tools":
		tool[inner] = value
		body["tools"] = []any{tool}
		where = "tools.0." + inner
	case inner == "format.type", inner == "format.schema":
		format := map[string]any{"type": "json_schema", "schema": map[string]any{}}
		format[strings.TrimPrefix(inner, "format.")] = value
		body[outer] = map[string]any{"format": format}
	default:
		object := map[string]any{}
		switch outer {
		case "tool_choice":
			object["type"] = "tool"
			if inner != "name" {
				object["name"] = "f"
			}
			if inner == "type" {
				object = map[string]any{}
			}
		case "thinking":
			object["type"] = "enabled"
			if inner != "type" {
				object["budget_tokens"] = 3
			}
		case "output_format":
			object = map[string]any{"type": "json_schema", "schema": map[string]any{}}
		}
		object[inner] = value
		body[outer] = object
	}
	return where
}

// blocks are the types of what stands in lists of blocks.
var blocks = map[string]reflect.Type{
	"messages.content.text.": reflect.TypeFor[textBlock](), "messages.content.tool_use.": reflect.TypeFor[toolUseBlock](),
	"messages.content.tool_result.": reflect.TypeFor[toolResultBlock](), "messages.content.thinking.": reflect.TypeFor[thinkingBlock](),
	"messages.content.redacted_thinking.": reflect.TypeFor[redactedBlock](), "messages.content.tool_result.content.": reflect.TypeFor[textBlock](),
	"system.": reflect.TypeFor[textBlock](), "tools.": reflect.TypeFor[customTool](),
}

func promptSamples() map[string]string {
	samples := map[string]string{
		"model": `"tiny"`, "messages.role": `"user"`, "messages.content": `[{"type":"text","text":"hi"}]`, "messages.content.text.text": `"hi"`,
		"messages.content.tool_use.id": `"c"`, "messages.content.tool_use.name": `"f"`, "messages.content.tool_use.input": `{"a":1}`,
		"messages.content.tool_result.tool_use_id": `"c"`, "messages.content.tool_result.content": `"x"`, "messages.content.tool_result.content.text": `"x"`,
		"messages.content.tool_result.is_error": "true", "messages.content.thinking.thinking": `"hm"`, "system": `"Be short."`, "system.text": `"Be short."`,
		"tools": `[{"name":"f","input_schema":{"type":"object"}}]`, "tools.type": `"custom"`, "tools.name": `"g"`, "tools.description": `"x"`,
		"tools.input_schema": `{"type":"object"}`, "tools.strict": "true", "tool_choice": `{"type":"none"}`, "tool_choice.type": `"any"`,
		"tool_choice.name": `"f"`, "tool_choice.disable_parallel_tool_use": "true", "thinking": `{"type":"adaptive"}`, "thinking.type": `"disabled"`,
		"thinking.budget_tokens": "3", "thinking.display": `"omitted"`, "output_config": "{}", "output_config.effort": `"max"`,
		"output_config.format": `{"type":"json_schema","schema":{}}`, "output_config.format.type": `"json_schema"`, "output_config.format.schema": `{"type":"object"}`,
		"truncation": `"auto"`, "output_format": `{"type":"json_schema","schema":{}}`, "output_format.type": `"json_schema"`, "output_format.schema": `{"type":"object"}`,
	}
	for _, at := range []string{
		"", "system.", "tools.", "messages.content.text.", "messages.content.tool_use.", "messages.content.tool_result.",
		"messages.content.tool_result.content.",
	} {
		samples[at+"cache_control"] = `{"type":"ephemeral","ttl":"1h"}`
	}
	return samples
}

func TestFields(t *testing.T) {
	// An object is what these are.
	strange := map[string]string{
		"tools.input_schema": "[1]", "output_config.format.schema": "[1]", "output_format.schema": "[1]", "messages.content.tool_use.input": "[1]",
	}
	beside := map[string]string{"tool_choice": `{"tools":[{"name":"f","input_schema":{"type":"object"}}]}`}
	samples := promptSamples()
	maps.Copy(samples, map[string]string{
		"max_tokens": "0", "stop_sequences": `["a"]`, "stream": "true", "temperature": "0.7", "top_p": "0.9", "top_k": "40", "metadata": "{}",
	})
	f := newFake()
	f.models = []*core.Manifest{{Name: "tiny:latest"}}
	fieldtest.Run(t, New(f, f, f), map[string]fieldtest.Case{
		"POST /v1/messages": {
			Base: minimal, Samples: samples, Strange: strange, Beside: beside, Blocks: blocks, Whole: wholeBlock, Put: put,
		},
		"POST /v1/messages/count_tokens": {
			Base: `{"messages":[{"role":"user","content":"hi"}]}`, Samples: promptSamples(), Strange: strange, Beside: beside, Blocks: blocks,
			Whole: wholeBlock, Put: put,
		},
		"GET /v1/models": {
			Samples: map[string]string{"limit": "1000", "after_id": "tiny:latest", "before_id": "tiny:latest", "lifecycle": "retired"},
		},
	}, f.call)
}

func TestUnknownFieldsAreRefused(t *testing.T) {
	for _, name := range []string{
		"wibble",
		"messages.content.text.wibble",
		"messages.content.tool_use.wibble",
		"messages.content.tool_result.wibble",
		"messages.content.thinking.wibble",
		"messages.content.redacted_thinking.wibble",
		"system.wibble",
		"tools.wibble",
		"tool_choice.wibble",
		"metadata.wibble",
		"thinking.wibble",
		"output_config.wibble",
	} {
		body := map[string]any{"max_tokens": 20, "messages": []any{map[string]any{"role": "user", "content": "hi"}}}
		put(body, name, json.RawMessage("1"))
		text, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		if w := newFake().post(t, string(text)); w.Code != 400 || !strings.Contains(w.Body.String(), "wibble") {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
}

func TestBadValues(t *testing.T) {
	field := func(f string) string {
		return `{"max_tokens":20,"messages":[{"role":"user","content":"hi"}],` + f + `}`
	}
	messages := func(m string) string { return `{"max_tokens":20,"messages":[` + m + `]}` }
	user := func(content string) string { return messages(`{"role":"user","content":` + content + `}`) }
	called := `{"role":"assistant","content":[{"type":"tool_use","id":"a","name":"f","input":{}},{"type":"tool_use","id":"b","name":"g","input":{}}]}`
	tool := `{"name":"f","input_schema":{"type":"object"}}`
	for _, c := range []struct{ body, want string }{
		{`{}`, "max_tokens is missing"},
		{`{"max_tokens":20}`, "messages is missing"},
		{`{"max_tokens":-1,"messages":[]}`, "max_tokens is -1"},
		{messages(""), "messages is missing or empty"},
		{messages(strings.Repeat(`{"role":"user","content":"x"},`, 4096) + `{"role":"user","content":"x"}`), "4097 messages"},
		{messages(`{"role":"wizard","content":"x"}`), "messages.0.role"},
		{messages(`{"role":"tool","content":"x"}`), "messages.0.role"},
		{messages(`{"role":"user"}`), "messages.0.content is missing"},
		{user(`7`), "messages.0.content is neither"},
		{user(`[]`), "messages.0.content is an empty list"},
		{user(`["x"]`), "messages.0.content.0 is not a content block"},
		{user(`[null]`), "messages.0.content.0 is not a content block"},
		{user(`[{"text":"x"}]`), "messages.0.content.0 is not a content block"},
		{user(`[{"type":"text"}]`), "messages.0.content.0.text is missing"},
		{user(`[{"type":"text","text":7}]`), "messages.0.content.0: \\\"text\\\" must be a string"},
		{user(`[{"type":"sculpture"}]`), "messages.0.content.0.type is \\\"sculpture\\\"; here it can be text or tool_result"},
		{user(`[{"type":"image","source":{"type":"base64","media_type":"image/png","data":""}}]`), "messages.0.content.0.type is \\\"image\\\", which is not supported"},
		{user(`[{"type":"thinking","thinking":"x"}]`), "messages.0.content.0.type"},
		{user(`[{"type":"tool_result","tool_use_id":"z"}]`), "messages.0.content.0.tool_use_id"},
		{user(`[{"type":"tool_result"}]`), "tool_use_id is missing"},
		{messages(`{"role":"assistant","content":[{"type":"tool_result","tool_use_id":"z"}]}`), "messages.0.content.0.type"},
		{messages(`{"role":"assistant","content":[{"type":"tool_use","id":"","name":"f","input":{}}]}`), "needs an id and a name"},
		{messages(`{"role":"assistant","content":[{"type":"tool_use","id":"a","name":"f"}]}`), "messages.0.content.0.input"},
		{messages(`{"role":"assistant","content":[{"type":"tool_use","id":"a","name":"f","input":[]}]}`), "messages.0.content.0.input"},
		{messages(`{"role":"assistant","content":[{"type":"tool_use","id":"a","name":"f","input":{}},{"type":"tool_use","id":"a","name":"f","input":{}}]}`), "ids are given once"},
		{messages(called + `,{"role":"user","content":"never mind"}`), "messages.1 holds no tool_result for the tool_use \\\"a\\\""},
		{messages(called + `,{"role":"user","content":[{"type":"tool_result","tool_use_id":"a"}]}`), "for the tool_use \\\"b\\\""},
		{messages(called + `,{"role":"user","content":[{"type":"tool_result","tool_use_id":"a"},{"type":"tool_result","tool_use_id":"a"}]}`), "has a tool_result before"},
		{messages(called + `,{"role":"user","content":[{"type":"text","text":"so"},{"type":"tool_result","tool_use_id":"a"}]}`), "results come first"},
		{messages(called + `,{"role":"user","content":[{"type":"tool_result","tool_use_id":"a","content":[{"type":"image"}]}]}`), "messages.1.content.0.content.0.type is \\\"image\\\""},
		{messages(called + `,{"role":"user","content":[{"type":"tool_result","tool_use_id":"a","content":7}]}`), "messages.1.content.0.content is neither"},
		{messages(`{"role":"user","content":"x"},{"role":"assistant","content":""}`), "holds no text to go on from"},
		{messages(`{"role":"user","content":"x"},{"role":"assistant","content":"so "}`), "ends with white space"},
		{messages(`{"role":"user","content":"x"},` + called), "go on with their results"},
		{strings.Replace(messages(`{"role":"user","content":"x"},{"role":"assistant","content":"so"}`), "{", `{"thinking":{"type":"adaptive"},`, 1), "Turn thinking off"},
		{messages(`{"role":"system","content":[{"type":"image"}]}`), "messages.0.content.0.type"},
		{field(`"system":7`), "system is neither"},
		{field(`"system":[{"type":"tool_use"}]`), "system.0.type"},
		{field(`"stop_sequences":[""]`), "stop_sequences.0 has 0 bytes"},
		{field(`"stop_sequences":[null]`), "must be a string, not null"},
		{field(`"stop_sequences":["x","` + strings.Repeat("y", 513) + `"]`), "stop_sequences.1 has 513 bytes"},
		{field(`"stop_sequences":[` + strings.Repeat(`"x",`, 16) + `"y"]`), "stop_sequences has 17 strings"},
		{field(`"temperature":-1`), "temperature is -1"},
		{field(`"top_p":2`), "top_p is 2"},
		{field(`"top_k":-1`), "top_k is -1"},
		{field(`"tools":[7]`), "tools.0 is not a tool"},
		{field(`"tools":[{"type":"bash_20250124","name":"bash"}]`), "tools.0.type is \\\"bash_20250124\\\""},
		{field(`"tools":[{"type":7}]`), "tools.0"},
		{field(`"tools":[{"input_schema":{"type":"object"}}]`), "tools.0.name"},
		{field(`"tools":[{"name":"a b","input_schema":{"type":"object"}}]`), "tools.0.name"},
		{field(`"tools":[{"name":"f"}]`), "tools.0.input_schema is missing"},
		{field(`"tools":[{"name":"f","input_schema":{"type":"string"}}]`), "tools.0.input_schema.type"},
		{field(`"tools":[{"name":"f","input_schema":{"type":"object","description":"` + strings.Repeat("x", 256<<10) + `"}}]`), "at most 262144"},
		{field(`"tools":[` + tool + `,` + tool + `]`), "tools.1.name is \\\"f\\\", which another tool has"},
		{field(`"tools":[` + strings.Repeat(tool+",", 128) + tool + `]`), "tools has 129 entries"},
		{field(`"tool_choice":{"type":"maybe"}`), "tool_choice.type is \\\"maybe\\\""},
		{field(`"tool_choice":{"type":"any"}`), "there are no tools"},
		{field(`"tool_choice":{"type":"tool","name":"f"}`), "there are none"},
		{field(`"tools":[` + tool + `],"tool_choice":{"type":"tool","name":"g"}`), "must be the name of one of tools: f"},
		{field(`"tools":[` + tool + `],"tool_choice":{"type":"tool"}`), "tool_choice.name"},
		{field(`"tools":[` + tool + `],"tool_choice":{"type":"auto","name":"f"}`), "tool_choice.name is only allowed"},
		{field(`"thinking":{}`), "thinking.type"},
		{field(`"thinking":{"type":"enabled"}`), "thinking.budget_tokens is missing"},
		{field(`"thinking":{"type":"enabled","budget_tokens":0}`), "thinking.budget_tokens"},
		{field(`"thinking":{"type":"enabled","budget_tokens":20}`), "the budget must be smaller"},
		{field(`"thinking":{"type":"adaptive","budget_tokens":5}`), "only allowed with the type enabled"},
		{field(`"thinking":{"type":"disabled","display":"omitted"}`), "thinking.display is not allowed"},
		{field(`"thinking":{"type":"adaptive","display":"loud"}`), "thinking.display is \\\"loud\\\""},
		{field(`"output_config":{"effort":"huge"}`), "output_config.effort is \\\"huge\\\""},
		{field(`"output_config":{"format":{"type":"regex","schema":{}}}`), "output_config.format.type"},
		{field(`"output_config":{"format":{"type":"json_schema"}}`), "output_config.format.schema is missing"},
		{field(`"output_format":{"type":"json_schema","schema":[]}`), "output_format.schema is missing"},
		{field(`"output_format":{"type":"json_schema","schema":{}},"output_config":{"format":{"type":"json_schema","schema":{}}}`), "send one of them"},
		{field(`"max_tokens":1`), `max_tokens\" is given twice`},
		{`{"max_tokens":20,"messages":[{"role":"user","content":"` + "\xff" + `"}]}`, "UTF-8"},
	} {
		shown := c.body[:min(len(c.body), 300)]
		w := newFake().post(t, c.body)
		if w.Code != 400 || !strings.Contains(w.Body.String(), c.want) || !strings.Contains(w.Body.String(), `"type":"invalid_request_error"`) {
			t.Errorf("%s: %d %s\nwant %s", shown, w.Code, w.Body, c.want)
		}
	}
}

// TestManyBlocks: what a hostile caller can pile up is refused before it is read.
func TestManyBlocks(t *testing.T) {
	const n = maxBlocks / 2
	var calls, results, texts []string
	for i := range n {
		calls = append(calls, fmt.Sprintf(`{"type":"tool_use","id":"%d","name":"f","input":{}}`, i))
		results = append(results, fmt.Sprintf(`{"type":"tool_result","tool_use_id":"%d"}`, i))
		texts = append(texts, `{"type":"text","text":"abcd"}`)
	}
	say := func(role string, blocks ...string) string {
		return fmt.Sprintf(`{"role":%q,"content":[%s]}`, role, strings.Join(blocks, ","))
	}
	for _, c := range []struct{ content, want string }{
		{say("assistant", calls...) + "," + say("user", results...), "at most 4096"},
		{say("assistant", calls...) + "," + say("user", append(results, texts[0])...), "messages.1.content have 10001 content blocks"},
		{say("user", slices.Concat(texts, texts, texts)...), "at most 10000"},
		{say("system", slices.Concat(texts, texts, texts)...), "at most 10000"},
	} {
		f := newFake()
		if w := f.post(t, `{"max_tokens":1,"messages":[`+c.content+`]}`); w.Code != 400 || !strings.Contains(w.Body.String(), c.want) {
			t.Errorf("%d %.200s; want %s", w.Code, w.Body, c.want)
		}
	}
	f := newFake()
	if w := f.post(t, `{"max_tokens":1,"messages":[`+say("user", append(texts, texts...)...)+`]}`); w.Code != 200 || len(f.got.Messages[0].Content) != maxBlocks*5-1 {
		t.Errorf("%d %.200s", w.Code, w.Body)
	}
}
