package anthropic

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// structFields lists the JSON names of a request type, nested ones after a dot. A nested type's own discriminator, type, is
// listed where discriminated says so: the types of blocks stand in the names.
func structFields(t reflect.Type, prefix string, nested map[string]reflect.Type) []string {
	var out []string
	for f := range t.Fields() {
		if f.Anonymous {
			out = append(out, structFields(f.Type, prefix, nested)...)
			continue
		}
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if inner, ok := blocks[prefix+name]; ok {
			out = append(out, prefix+name)
			for kind, t := range inner {
				at := prefix + name + "."
				if kind != "" {
					at += kind + "."
				}
				out = append(out, slices.DeleteFunc(structFields(t, at, nested), func(n string) bool { return n == at+"type" })...)
			}
			continue
		}
		out = append(out, prefix+name)
		if inner, ok := nested[prefix+name]; ok {
			out = append(out, structFields(inner, prefix+name+".", nested)...)
		}
	}
	return out
}

// blocks are the contents that are lists of blocks, with the types of the blocks by their name.
var blocks = map[string]map[string]reflect.Type{
	"messages.content": {
		"text": reflect.TypeFor[textBlock](), "tool_use": reflect.TypeFor[toolUseBlock](), "tool_result": reflect.TypeFor[toolResultBlock](),
		"thinking": reflect.TypeFor[thinkingBlock](), "redacted_thinking": reflect.TypeFor[redactedBlock](),
	},
	"messages.content.tool_result.content": {"": reflect.TypeFor[textBlock]()},
	"system":                               {"": reflect.TypeFor[textBlock]()},
}

var nested = map[string]reflect.Type{
	"messages": reflect.TypeFor[message](), "tools": reflect.TypeFor[customTool](), "tool_choice": reflect.TypeFor[toolChoice](),
	"thinking": reflect.TypeFor[thinking](), "output_config": reflect.TypeFor[outputConfig](), "output_config.format": reflect.TypeFor[outputFormat](),
	"output_format": reflect.TypeFor[outputFormat](), "metadata": reflect.TypeFor[metadata](),
}

var endpoints = map[string]struct {
	path, base string
	typ        reflect.Type
}{
	EndpointMessages: {messagesPath, minimal, reflect.TypeFor[messageRequest]()},
	EndpointCount:    {countPath, `{"messages":[{"role":"user","content":"hi"}]}`, reflect.TypeFor[countRequest]()},
}

func TestEveryFieldIsDecided(t *testing.T) {
	for name, ep := range endpoints {
		var listed []string
		for _, f := range Fields() {
			if f.Decision != Honoured && f.Note == "" {
				t.Errorf("%s %s: no reason is given", f.Endpoint, f.Name)
			}
			if f.Endpoint == name && !wholeBlock(f) {
				listed = append(listed, f.Name)
			}
		}
		have := structFields(ep.typ, "", nested)
		slices.Sort(listed)
		slices.Sort(have)
		if !slices.Equal(listed, have) {
			t.Errorf("%s: the table has %v, the types have %v", name, listed, have)
		}
	}
}

// wholeBlock reports whether a field is a type of block.
func wholeBlock(f Field) bool {
	kind, ok := strings.CutPrefix(f.Name, blockNames)
	return ok && !strings.Contains(kind, ".")
}

func set(body map[string]any, name, value string) { body[name] = json.RawMessage(value) }

// with puts one field into a body and returns it with the field's place in it.
func with(t *testing.T, base string, f Field, value string) (text, where string) {
	t.Helper()
	var body map[string]any
	if err := json.Unmarshal([]byte(base), &body); err != nil {
		t.Fatal(err)
	}
	outer, inner, isNested := strings.Cut(f.Name, ".")
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
	where = f.Name
	switch {
	case !isNested:
		set(body, outer, value)
	case wholeBlock(f):
		first["content"] = []any{map[string]any{"type": strings.TrimPrefix(f.Name, blockNames)}}
		body["messages"] = []any{first}
		where = "messages.0.content.0.type"
	case outer == "messages":
		last := inner[strings.LastIndexByte(inner, '.')+1:]
		where = "messages.0.content.0." + last
		body["messages"] = []any{first}
		switch {
		case inner == "role" || inner == "content":
			set(first, inner, value)
			where = "messages.0." + inner
		case strings.HasPrefix(inner, "content.text."):
			set(said, last, value)
		case strings.HasPrefix(inner, "content.tool_result.content."):
			ask()
			set(said, last, value)
			answer["content"] = []any{said}
			where = "messages.1.content.0.content.0." + last
		case strings.HasPrefix(inner, "content.tool_result."):
			ask()
			set(answer, last, value)
			where = "messages.1.content.0." + last
		case strings.HasPrefix(inner, "content.tool_use."):
			ask()
			set(call, last, value)
			where = "messages.0.content.2." + last
		case strings.HasPrefix(inner, "content.thinking."):
			ask()
			set(thought, last, value)
		case strings.HasPrefix(inner, "content.redacted_thinking."):
			ask()
			set(redacted, last, value)
			where = "messages.0.content.1." + last
		}
	case outer == "system":
		set(said, inner, value)
		body["system"] = []any{said}
		where = "system.0." + inner
	case outer == "tools":
		set(tool, inner, value)
		body["tools"] = []any{tool}
		where = "tools.0." + inner
	case inner == "format.type", inner == "format.schema":
		format := map[string]any{"type": "json_schema", "schema": map[string]any{}}
		set(format, strings.TrimPrefix(inner, "format."), value)
		body[outer] = map[string]any{"format": format}
	default:
		object := map[string]any{}
		set(object, inner, value)
		body[outer] = object
	}
	out, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	return string(out), where
}

// TestFieldsBehaveAsDecided sends every field with a strange value, those that are not honoured with null, and every value
// that is accepted.
func TestFieldsBehaveAsDecided(t *testing.T) {
	for _, f := range Fields() {
		ep, ok := endpoints[f.Endpoint]
		if !ok {
			continue
		}
		send := func(value string) (int, string, string) {
			body, where := with(t, ep.base, f, value)
			w := newFake().call(t, http.MethodPost, ep.path, body)
			return w.Code, w.Body.String(), where
		}
		if f.Decision != Honoured && !wholeBlock(f) {
			if code, body, _ := send("null"); code != 200 {
				t.Errorf("%s %s: null gives %d %s", f.Endpoint, f.Name, code, body)
			}
		}
		for _, v := range f.Accepts {
			if code, body, _ := send(v); code != 200 {
				t.Errorf("%s %s: %s gives %d %s", f.Endpoint, f.Name, v, code, body)
			}
		}
		if strings.HasSuffix(f.Name, "schema") || strings.HasSuffix(f.Name, "tool_use.input") {
			continue // an object is what they are
		}
		switch code, body, where := send(`{"strange":[1]}`); f.Decision {
		case Refused:
			if code != 400 || !strings.Contains(body, where) {
				t.Errorf("%s %s: refused with %d %s; want %s named", f.Endpoint, f.Name, code, body, where)
			}
		case Ignored:
			if code != 200 {
				t.Errorf("%s %s: ignored with %d %s", f.Endpoint, f.Name, code, body)
			}
		case Honoured:
			if code != 400 || !strings.Contains(body, where[strings.LastIndexByte(where, '.')+1:]) && !strings.Contains(body, "strange") {
				t.Errorf("%s %s: an object gives %d %s", f.Endpoint, f.Name, code, body)
			}
		}
	}
}

func TestUnknownFieldsAreRefused(t *testing.T) {
	for _, f := range []Field{
		{Name: "wibble"},
		{Name: "messages.content.text.wibble"},
		{Name: "messages.content.tool_use.wibble"},
		{Name: "messages.content.tool_result.wibble"},
		{Name: "messages.content.thinking.wibble"},
		{Name: "messages.content.redacted_thinking.wibble"},
		{Name: "system.wibble"},
		{Name: "tools.wibble"},
		{Name: "tool_choice.wibble"},
		{Name: "metadata.wibble"},
		{Name: "thinking.wibble"},
		{Name: "output_config.wibble"},
	} {
		body, _ := with(t, minimal, f, "1")
		if w := newFake().post(t, body); w.Code != 400 || !strings.Contains(w.Body.String(), "wibble") {
			t.Errorf("%s: %d %s", f.Name, w.Code, w.Body)
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
		{messages(`{"role":"user","content":"x"},{"role":"assistant","content":"so"}`), "messages.1, which is the assistant's"},
		{messages(`{"role":"user","content":"x"},` + called), "messages.1, which is the assistant's"},
		{messages(`{"role":"system","content":[{"type":"image"}]}`), "messages.0.content.0.type"},
		{field(`"system":7`), "system is neither"},
		{field(`"system":[{"type":"tool_use"}]`), "system.0.type"},
		{field(`"stop_sequences":[""]`), "stop_sequences.0 has 0 bytes"},
		{field(`"stop_sequences":[null]`), "stop_sequences.0 has 0 bytes"},
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
