package ollama

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ashatai/internal/core"
)

// structFields lists the JSON names of a request type, those of messages after a dot.
func structFields(t reflect.Type, prefix string) []string {
	var out []string
	for f := range t.Fields() {
		if f.Anonymous {
			out = append(out, structFields(f.Type, prefix)...)
			continue
		}
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		out = append(out, prefix+name)
		if f.Type == reflect.TypeFor[[]message]() {
			out = append(out, structFields(reflect.TypeFor[message](), name+".")...)
		}
	}
	return out
}

var digestOfTiny = "sha256:" + sumOf([]byte("GGUF"))

var endpoints = map[string]struct {
	method, path, base string
	typ                reflect.Type
}{
	EndpointGenerate:   {"POST", "/api/generate", `{"model":"tiny","prompt":"hi"}`, reflect.TypeFor[generateRequest]()},
	EndpointChat:       {"POST", "/api/chat", `{"model":"tiny","messages":[{"role":"user","content":"hi"}]}`, reflect.TypeFor[chatRequest]()},
	EndpointOptions:    {"POST", "/api/generate", `{"model":"tiny","prompt":"hi"}`, reflect.TypeFor[options]()},
	EndpointEmbed:      {"POST", "/api/embed", `{"model":"tiny","input":"hi"}`, reflect.TypeFor[embedRequest]()},
	EndpointEmbeddings: {"POST", "/api/embeddings", `{"model":"tiny","prompt":"hi"}`, reflect.TypeFor[embeddingsRequest]()},
	EndpointShow:       {"POST", "/api/show", `{"model":"tiny"}`, reflect.TypeFor[showRequest]()},
	EndpointCreate:     {"POST", "/api/create", `{"model":"new","from":"tiny"}`, reflect.TypeFor[createRequest]()},
	EndpointPull:       {"POST", "/api/pull", `{"model":"tiny"}`, reflect.TypeFor[pullRequest]()},
	EndpointPush:       {"POST", "/api/push", `{"model":"tiny"}`, reflect.TypeFor[pushRequest]()},
	EndpointCopy:       {"POST", "/api/copy", `{"source":"tiny","destination":"b"}`, reflect.TypeFor[copyRequest]()},
	EndpointDelete:     {"DELETE", "/api/delete", `{"model":"tiny"}`, reflect.TypeFor[deleteRequest]()},
}

func okStatus(endpoint string) int {
	if endpoint == EndpointPush {
		return 501
	}
	return 200
}

func TestEveryFieldIsDecided(t *testing.T) {
	for name, ep := range endpoints {
		var listed []string
		for _, f := range Fields() {
			if f.Endpoint == name {
				listed = append(listed, f.Name)
			}
			if f.Decision != Honoured && f.Note == "" {
				t.Errorf("%s %s: no reason is given", name, f.Name)
			}
		}
		have := structFields(ep.typ, "")
		slices.Sort(listed)
		slices.Sort(have)
		if d := cmp.Diff(have, listed); d != "" {
			t.Errorf("%s: the type and the table differ: %s", name, d)
		}
	}
}

// with puts one field into a body.
func with(t *testing.T, endpoint, name, value string) string {
	t.Helper()
	var body map[string]any
	if err := json.Unmarshal([]byte(endpoints[endpoint].base), &body); err != nil {
		t.Fatal(err)
	}
	outer, inner, nested := strings.Cut(name, ".")
	switch {
	case endpoint == EndpointOptions:
		body["options"] = map[string]any{name: json.RawMessage(value)}
	case nested:
		body[outer] = []any{map[string]any{"role": "user", "content": "hi", inner: json.RawMessage(value)}}
	default:
		body[outer] = json.RawMessage(value)
	}
	out, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// TestFieldsBehaveAsDecided sends every field with a strange value, with every value that is accepted, and null.
func TestFieldsBehaveAsDecided(t *testing.T) {
	for _, f := range Fields() {
		ep, ok := endpoints[f.Endpoint], okStatus(f.Endpoint)
		send := func(value string) (int, string) {
			w := newFake().call(t, ep.method, ep.path, with(t, f.Endpoint, f.Name, value))
			return w.Code, w.Body.String()
		}
		if f.Decision != Honoured {
			if code, body := send("null"); code != ok {
				t.Errorf("%s %s: null gives %d %s", f.Endpoint, f.Name, code, body)
			}
		}
		for _, v := range f.Accepts {
			if code, body := send(v); code != ok {
				t.Errorf("%s %s: %s gives %d %s", f.Endpoint, f.Name, v, code, body)
			}
		}
		value := `{"strange":[1]}`
		if f.Name == "format" { // an object is one
			value = "[1]"
		}
		code, body := send(value)
		name := f.Name[strings.LastIndexByte(f.Name, '.')+1:]
		switch f.Decision {
		case Refused:
			if code != 400 || !strings.Contains(body, name+" is not supported") {
				t.Errorf("%s %s: refused with %d %s", f.Endpoint, f.Name, code, body)
			}
		case Ignored:
			if code != ok {
				t.Errorf("%s %s: ignored with %d %s", f.Endpoint, f.Name, code, body)
			}
		case Honoured:
			if code != 400 || !strings.Contains(body, name) {
				t.Errorf("%s %s: a strange value gives %d %s", f.Endpoint, f.Name, code, body)
			}
		}
	}
}

func TestUnknownFieldsAreRefused(t *testing.T) {
	for name, ep := range endpoints {
		wantError(t, newFake().call(t, ep.method, ep.path, with(t, name, "wibble", "1")), 400, "wibble")
		wantError(t, newFake().call(t, ep.method, ep.path, `{"model":`), 400, "JSON")
	}
}

// TestWhatOfficialClientsSend takes the bodies of the Go client, which sends empty strings for what is not said, and of the
// Python and JavaScript ones.
func TestWhatOfficialClientsSend(t *testing.T) {
	for _, c := range []struct{ method, path, body string }{
		{"POST", "/api/generate", `{"model":"tiny","prompt":"x","suffix":"","system":"","template":"","options":null}`},
		{"POST", "/api/generate", `{"model":"tiny","prompt":"x","stream":true,"raw":false,"format":"","images":[],"options":{},"context":[]}`},
		{"POST", "/api/chat", `{"model":"tiny","messages":[{"role":"user","content":"x"}],"options":null,"tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object","required":["a"],"properties":{"a":{"type":["string","null"],"enum":[1]}}}}}]}`},
		{"POST", "/api/chat", `{"model":"tiny","messages":[],"tools":[],"stream":false}`},
		{"POST", "/api/show", `{"model":"tiny","system":"","template":"","verbose":false,"options":null,"name":""}`},
		{"POST", "/api/create", `{"model":"b","from":"tiny","name":"","system":"s","parameters":{"temperature":0.5,"stop":["a"]},"license":["x","y"],"stream":false}`},
		{"POST", "/api/pull", `{"model":"tiny","username":"","password":"","name":""}`},
		{"POST", "/api/pull", `{"name":"tiny","stream":false,"insecure":true}`},
		{"DELETE", "/api/delete", `{"model":"tiny","name":""}`},
		{"DELETE", "/api/delete", `{"name":"tiny"}`},
		{"POST", "/api/embed", `{"model":"tiny","input":"x","options":null}`},
		{"POST", "/api/embeddings", `{"model":"tiny","prompt":"x","options":null}`},
	} {
		if w := newFake().call(t, c.method, c.path, c.body); w.Code != 200 {
			t.Errorf("%s %s: %d %s", c.path, c.body, w.Code, w.Body)
		}
	}
}

func TestOptions(t *testing.T) {
	f := newFake()
	f.call(t, "POST", "/api/generate", `{"model":"tiny","prompt":"x","format":"json","think":false,"options":{"temperature":0,"top_k":-1,"top_p":0.5,"min_p":0.1,
		"typical_p":0.9,"repeat_last_n":-1,"repeat_penalty":1.1,"presence_penalty":0.2,"frequency_penalty":0.3,"seed":42,"stop":["a","b"],"num_predict":-2,"num_ctx":4096,"num_gpu":99}}`)
	point := func(v float64) *float64 { return &v }
	want := core.Sampling{
		Temperature: point(0), TopK: new(0), TopP: point(0.5), MinP: point(0.1), TypicalP: point(0.9), RepeatLastN: new(-1),
		RepeatPenalty: point(1.1), PresencePenalty: point(0.2), FrequencyPenalty: point(0.3), Seed: new(int64(42)),
	}
	if d := cmp.Diff(want, f.got.Sampling); d != "" {
		t.Error(d)
	}
	if f.got.MaxTokens != 0 || f.wish.Context != 4096 || !slices.Equal(f.got.Stop, []string{"a", "b"}) || f.got.Format.Kind != core.FormatJSON || *f.got.Thinking.Enabled {
		t.Errorf("%+v %+v", f.got, f.wish)
	}
	f.call(t, "POST", "/api/generate", `{"model":"tiny","prompt":"x","options":{"seed":-1,"num_predict":7}}`)
	if f.got.Sampling.Seed != nil || f.got.MaxTokens != 7 {
		t.Errorf("%+v", f.got)
	}
}

func TestBadValues(t *testing.T) {
	option := func(o string) string { return `{"model":"tiny","prompt":"x","options":{` + o + `}}` }
	message := func(m string) string { return `{"model":"tiny","messages":[` + m + `]}` }
	tool := func(s string) string { return `{"model":"tiny","messages":[],"tools":[` + s + `]}` }
	for _, c := range []struct{ path, body, word string }{
		{"/api/generate", `{"prompt":"x"}`, "model is required"},
		{"/api/generate", option(`"temperature":9`), "temperature"},
		{"/api/generate", option(`"num_predict":-3`), "num_predict"},
		{"/api/generate", option(`"num_ctx":-1`), "num_ctx"},
		{"/api/generate", option(`"stop":[null]`), "stop"},
		{"/api/generate", option(`"stop":[""]`), "stop"},
		{"/api/generate", option(`"wibble":1`), "options.wibble"},
		{"/api/generate", option(`"mirostat":2`), "Mirostat"},
		{"/api/generate", `{"model":"tiny","prompt":"x","format":"yaml"}`, "format"},
		{"/api/generate", `{"model":"tiny","prompt":"x","format":{"a":"` + strings.Repeat("x", core.MaxSchemaBytes) + `"}}`, "format"},
		{"/api/generate", `{"model":"tiny","prompt":"x","think":"hard"}`, "think"},
		{"/api/generate", `{"model":"tiny","prompt":"x","top_logprobs":3}`, "logprobs"},
		{"/api/generate", `{"model":"tiny","prompt":"x","logprobs":true,"top_logprobs":21}`, "top_logprobs"},
		{"/api/generate", `{"model":"tiny","prompt":"x","suffix":"y"}`, "suffix"},
		{"/api/generate", `{"model":"tiny","prompt":"x","template":"{{ .Prompt }}"}`, "/api/create"},
		{"/api/generate", `{"model":"tiny","prompt":"x","images":["aGk="]}`, "images"},
		{"/api/generate", `{"model":"tiny","prompt":"x","context":[-1]}`, "context"},
		{"/api/generate", `{"model":"tiny","model":"x"}`, "twice"},
		{"/api/chat", message(`{"role":"wizard","content":"x"}`), "messages.0.role"},
		{"/api/chat", message(`{"content":"x"}`), "messages.0.role"},
		{"/api/chat", message(`{"role":"user","content":["x"]}`), "messages.0.content"},
		{"/api/chat", message(`{"role":"user","images":["x"]}`), "messages.0.images"},
		{"/api/chat", message(`{"role":"user","tool_calls":[{"function":{"name":"f"}}]}`), "messages.0.tool_calls"},
		{"/api/chat", message(`{"role":"assistant","tool_calls":[{"function":{"name":""}}]}`), "tool_calls.0.function.name"},
		{"/api/chat", message(`{"role":"assistant","tool_calls":[{"type":"x","function":{"name":"f"}}]}`), "tool_calls.0.type"},
		{"/api/chat", message(`{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":"{}"}}]}`), "tool_calls.0.function.arguments"},
		{"/api/chat", message(strings.Repeat(`{"role":"user"},`, core.MaxMessages) + `{"role":"user"}`), "4097"},
		{"/api/chat", tool(`{"type":"retrieval","function":{"name":"f"}}`), "tools.0.type"},
		{"/api/chat", tool(`{"function":{"name":""}}`), "tools.0.function.name"},
		{"/api/chat", tool(`{"function":{"name":"f","parameters":[1]}}`), "tools.0.function.parameters"},
		{"/api/chat", tool(strings.Repeat(`{"function":{"name":"f"}},`, core.MaxTools) + `{"function":{"name":"f"}}`), "129"},
		{"/api/embed", `{"input":"x"}`, "model is required"},
		{"/api/embed", `{"model":"tiny","input":7}`, "input"},
		{"/api/embed", `{"model":"tiny","input":["a",""]}`, "Entry 1"},
		{"/api/embed", `{"model":"tiny","input":["a",null]}`, "Entry 1"},
		{"/api/embed", `{"model":"tiny","input":[` + strings.Repeat(`"a",`, maxInputs) + `"a"]}`, "2049"},
		{"/api/embed", `{"model":"tiny","input":"x","dimensions":-1}`, "dimensions"},
		{"/api/embed", `{"model":"tiny","input":"x","options":{"wibble":1}}`, "wibble"},
		{"/api/show", `{}`, "model is required"},
		{"/api/show", `{"model":"a","name":"b"}`, "one of them"},
		{"/api/create", `{"from":"tiny"}`, "model is required"},
		{"/api/create", `{"model":"b"}`, "from"},
		{"/api/create", `{"model":"b","from":"tiny","files":{"a":"b"}}`, "both"},
		{"/api/create", `{"model":"b","files":{"a.gguf":"b"}}`, "digest"},
		{"/api/create", `{"model":"b","files":{"a.gguf":"` + digestOfTiny + `"}}`, "/api/blobs/sha256:"},
		{"/api/create", `{"model":"b","files":{"a":"x","b":"y"}}`, "2 entries"},
		{"/api/create", `{"model":"b","from":"tiny","license":7}`, "license"},
		{"/api/create", `{"model":"b","from":"tiny","parameters":{"num_predict":3}}`, "num_predict"},
		{"/api/create", `{"model":"b","from":"tiny","parameters":{"top_p":3}}`, "top_p"},
		{"/api/create", `{"model":"b","from":"tiny","quantize":"q4_K_M"}`, "quantize"},
		{"/api/pull", `{}`, "model is required"},
		{"/api/push", `{}`, "model is required"},
		{"/api/copy", `{"destination":"b"}`, "source"},
		{"/api/copy", `{"source":"b"}`, "destination"},
	} {
		wantError(t, newFake().call(t, "POST", c.path, c.body), 400, c.word)
	}
}
