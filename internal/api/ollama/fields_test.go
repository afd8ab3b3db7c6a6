package ollama

import (
	"maps"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ashatai/internal/api/fieldtest"
	"ashatai/internal/core"
)

var digestOfTiny = "sha256:" + sumOf([]byte("GGUF"))

func textSamples(more map[string]string) map[string]string {
	samples := map[string]string{
		"stream": "false", "format": `"json"`, "keep_alive": `"5m"`, "options": "{}", "think": `"low"`, "logprobs": "true", "top_logprobs": "3", "truncate": "true",
	}
	maps.Copy(samples, optionSamples("options."))
	maps.Copy(samples, more)
	return samples
}

func optionSamples(under string) map[string]string {
	samples := map[string]string{}
	for name, v := range map[string]string{
		"temperature": "0.7", "top_k": "40", "top_p": "0.9", "min_p": "0.1", "typical_p": "0.9", "repeat_last_n": "-1", "repeat_penalty": "1.1",
		"presence_penalty": "0.5", "frequency_penalty": "0.5", "seed": "-1", "stop": `["a"]`, "num_predict": "-1", "num_ctx": "32",
	} {
		samples[under+name] = v
	}
	return samples
}

func TestFields(t *testing.T) {
	anObject := map[string]string{"format": "[1]"} // an object is one
	logged := map[string]string{"top_logprobs": `{"logprobs":true}`, "context": `{"prompt":"hi"}`}
	named := map[string]string{"name": `"tiny"`}
	embeds := func(more map[string]string) map[string]string {
		samples := optionSamples("options.")
		maps.Copy(samples, map[string]string{"keep_alive": "0", "options": "{}"})
		maps.Copy(samples, more)
		return samples
	}
	creates := optionSamples("parameters.")
	maps.Copy(creates, map[string]string{
		"name": `"new"`, "stream": "false", "files": "{}", "system": `"Be short."`, "template": `"{{ messages }}"`, "license": `["a","b"]`, "parameters": "{}", "modelfile": `"FROM tiny"`,
	})
	said := `{"messages":[{"role":"assistant"}]}`
	fieldtest.Run(t, newFake().dialect(), map[string]fieldtest.Case{
		"POST /api/generate": {
			Base: `{"model":"tiny","prompt":"hi"}`, Strange: anObject, Beside: logged,
			Samples: textSamples(map[string]string{"system": `"s"`, "context": "[101,103]", "raw": "true"}),
		},
		"POST /api/chat": {
			Base: `{"model":"tiny","messages":[{"role":"user","content":"hi"}]}`, Strange: anObject,
			Beside: map[string]string{"top_logprobs": `{"logprobs":true}`, "messages.tool_calls": said, "messages.thinking": said},
			Samples: textSamples(map[string]string{
				"messages.thinking": `"hm"`, "messages.tool_calls": `[{"function":{"name":"f","arguments":{}}}]`, "messages.tool_name": `"f"`,
				"messages.tool_call_id": `"c"`, "tools": `[{"type":"function","function":{"name":"f"}}]`,
			}),
		},
		"POST /api/embed":      {Base: `{"model":"tiny","input":"hi"}`, Samples: embeds(map[string]string{"truncate": "false", "dimensions": "2"})},
		"POST /api/embeddings": {Base: `{"model":"tiny","prompt":"hi"}`, Samples: embeds(nil)},
		"POST /api/show":       {Base: `{"model":"tiny"}`, Samples: named},
		"POST /api/create":     {Base: `{"model":"new","from":"tiny","messages":[{"role":"user","content":"hi"}]}`, Samples: creates},
		"POST /api/pull":       {Base: `{"model":"tiny"}`, Samples: map[string]string{"name": `"tiny"`, "stream": "false"}},
		"POST /api/push":       {Base: `{"model":"tiny"}`, Samples: named, OK: 501},
		"POST /api/copy":       {Base: `{"source":"tiny","destination":"b"}`},
		"DELETE /api/delete":   {Base: `{"model":"tiny"}`, Samples: named},
	}, func(t *testing.T, method, path, body string) *httptest.ResponseRecorder {
		t.Helper()
		return newFake().call(t, method, path, body)
	})
}

func TestBrokenJSON(t *testing.T) {
	for _, row := range newFake().dialect().Routes {
		if row.Request != nil {
			wantError(t, newFake().call(t, row.Method, row.Path, `{"model":`), 400, "JSON")
		}
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

// TestThink has every form of think in the server's words.
func TestThink(t *testing.T) {
	for think, want := range map[string]core.Thinking{
		"true": {Enabled: new(true)}, "false": {Enabled: new(false)}, "null": {}, `"low"`: {Enabled: new(true), Effort: "low"},
		`"high"`: {Enabled: new(true), Effort: "high"}, `"max"`: {Enabled: new(true), Effort: "high"},
	} {
		f := newFake()
		f.call(t, "POST", "/api/chat", `{"model":"tiny","messages":[{"role":"user","content":"x"}],"think":`+think+`}`)
		if d := cmp.Diff(want, f.got.Thinking); d != "" {
			t.Errorf("%s: %s", think, d)
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
	if f.got.MaxTokens != 40960 || f.wish.Context != 4096 || !slices.Equal(f.got.Stop, []string{"a", "b"}) || f.got.Format.Kind != core.FormatJSON || *f.got.Thinking.Enabled {
		t.Errorf("%+v %+v", f.got, f.wish)
	}
	f.call(t, "POST", "/api/generate", `{"model":"tiny","prompt":"x","options":{"seed":-1,"num_predict":7}}`)
	if f.got.Sampling.Seed != nil || f.got.MaxTokens != 7 {
		t.Errorf("%+v", f.got)
	}
	for ask, want := range map[string]int{`"num_predict":-1`: 0, `"num_ctx":5`: 50, `"num_ctx":5,"num_predict":60`: 50, `"num_ctx":5,"num_predict":40`: 40} {
		if f.call(t, "POST", "/api/generate", `{"model":"tiny","prompt":"x","options":{`+ask+`}}`); f.got.MaxTokens != want {
			t.Errorf("%s: %d tokens, want %d", ask, f.got.MaxTokens, want)
		}
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
