package ollama

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ashatai/internal/core"
)

func TestTags(t *testing.T) {
	f := newFake()
	list, _ := object(t, f.call(t, "GET", "/api/tags", "").Body.String())["models"].([]any)
	want := map[string]any{
		"name": "tiny:latest", "model": "tiny:latest", "modified_at": f.models[0].Created.Format(time.RFC3339Nano), "size": 77.0,
		"digest": strings.Repeat("ab", 32), "capabilities": []any{"completion", "tools", "thinking", "vision", "embedding"},
		"details": map[string]any{
			"parent_model": "", "format": "gguf", "family": "llama", "families": []any{"llama"}, "parameter_size": "134.52M",
			"quantization_level": "Q4_1", "context_length": 64.0,
		},
	}
	if len(list) != 2 {
		t.Fatal(list)
	}
	if d := cmp.Diff(want, list[0]); d != "" {
		t.Error(d)
	}
	f.err = core.Errorf(core.CodeInternal, "Broken.")
	wantError(t, f.call(t, "GET", "/api/tags", ""), 500, "Broken")
}

func TestHuman(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1500: "1.5K", 134515008: "134.52M", 8030261248: "8.0B", 2e12: "2.0T"} {
		if got := human(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}

func TestShow(t *testing.T) {
	f := newFake()
	got := object(t, f.call(t, "POST", "/api/show", `{"name":"tiny","verbose":true}`).Body.String())
	info := map[string]any{
		"llama.embedding_length": 64.0, "tokenizer.ggml.tokens": nil, "general.architecture": "llama",
		"general.parameter_count": 134515008.0, "llama.context_length": 64.0,
	}
	if d := cmp.Diff(info, got["model_info"]); d != "" {
		t.Error(d)
	}
	for _, line := range []string{"FROM tiny:latest", `TEMPLATE """{{ messages }}"""`, `SYSTEM """Be kind."""`, `PARAMETER stop "<end>"`, "PARAMETER num_ctx 32", "PARAMETER temperature 0", `LICENSE """free"""`} {
		if text, _ := got["modelfile"].(string); !strings.Contains(text, line+"\n") {
			t.Errorf("no line %q in %s", line, text)
		}
	}
	params, _ := got["parameters"].(string)
	if !strings.Contains(params, "top_k                          3") || !strings.HasSuffix(params, " 7") || got["template"] != "{{ messages }}" || got["license"] != "free" {
		t.Errorf("%v", got)
	}
	if got := object(t, f.call(t, "POST", "/api/show", `{"model":"other"}`).Body.String()); got["parameters"] != nil || got["modelfile"] == "" {
		t.Errorf("%v", got)
	}
	wantError(t, f.call(t, "POST", "/api/show", `{"model":"nope"}`), 404, "Did you mean tiny?")
	f.err = core.Errorf(core.CodeBadModel, "The file is gone.")
	wantError(t, f.call(t, "POST", "/api/show", `{"model":"tiny"}`), 422, "gone")
}

func TestPs(t *testing.T) {
	f := newFake()
	at := time.Unix(1700009999, 0)
	f.running = []Running{
		{Model: "tiny:latest", Aliases: []string{"gpt-4o:latest"}, Size: 5, Context: 8, ExpiresAt: at},
		{Model: "gone:latest", Size: 3, VRAM: 3},
		{Model: "tiny:latest", Aliases: []string{"gpt-4o:latest"}, Size: 7, VRAM: 7, Context: 6, Embedding: true, ExpiresAt: at.Add(time.Minute)},
	}
	list, _ := object(t, f.call(t, "GET", "/api/ps", "").Body.String())["models"].([]any)
	if len(list) != 3 {
		t.Fatal(list)
	}
	for i, want := range []struct{ name, parent string }{{"tiny:latest", ""}, {"gpt-4o:latest", "tiny:latest"}} {
		tiny, _ := list[i].(map[string]any)
		expires, err := time.Parse(time.RFC3339, tiny["expires_at"].(string))
		if tiny["size"] != 12.0 || tiny["size_vram"] != 7.0 || tiny["context_length"] != 8.0 || err != nil || !expires.Equal(at.Add(time.Minute)) || tiny["digest"] != f.models[0].Digest {
			t.Errorf("%v %v", tiny, err)
		}
		if about, _ := tiny["details"].(map[string]any); tiny["name"] != want.name || tiny["model"] != want.name || about["parent_model"] != want.parent {
			t.Errorf("entry %d is %v", i, tiny)
		}
	}
	gone, _ := list[2].(map[string]any)
	if expires, err := time.Parse(time.RFC3339, gone["expires_at"].(string)); err != nil || expires.Year() < 2100 || gone["name"] != "gone:latest" {
		t.Errorf("%v %v", gone, err)
	}
	f.err = core.Errorf(core.CodeDraining, "The server stops.")
	wantError(t, f.call(t, "GET", "/api/ps", ""), 503, "stops")
}

func TestVersion(t *testing.T) {
	got := object(t, newFake().call(t, "GET", "/api/version", "").Body.String())
	if got["version"] != spoken || got["ashatai"] != "9.9" {
		t.Errorf("%v", got)
	}
}

func TestPull(t *testing.T) {
	f := newFake()
	sha := strings.Repeat("ab", 32)
	f.steps = []Progress{
		{Status: "pulling"},
		{Status: "pulling", Digest: sha, Completed: 1, Total: 9},
		{Status: "pulling", Digest: sha, Completed: 9, Total: 9},
		{Status: "resolving"},
		{Status: "verifying sha256", Digest: sha, Completed: 4, Total: 9},
		{Status: "writing manifest", Digest: sha},
		{Status: "success"},
	}
	var got []string
	for _, l := range linesOf(t, f.call(t, "POST", "/api/pull", `{"model":"hf:a/b"}`)) {
		s, _ := l["status"].(string)
		if l["total"] != nil {
			s += " of " + l["digest"].(string)[:9]
		}
		got = append(got, s)
	}
	pulling := "pulling " + sha[:12] + " of sha256:ab"
	want := []string{"pulling manifest", pulling, pulling, "resolving", "verifying sha256 digest", "writing manifest", "success"}
	if d := cmp.Diff(want, got); d != "" || f.calls[0] != "pull hf:a/b" {
		t.Errorf("%s %v", d, f.calls)
	}
	if got := object(t, f.call(t, "POST", "/api/pull", `{"model":"x","stream":false}`).Body.String()); got["status"] != "success" {
		t.Errorf("%v", got)
	}
	f.err = core.Errorf(core.CodeNotFound, "There is no such file.")
	if lines := linesOf(t, f.call(t, "POST", "/api/pull", `{"model":"x"}`)); lines[len(lines)-1]["error"] != "There is no such file." {
		t.Errorf("%v", lines)
	}
	wantError(t, f.call(t, "POST", "/api/pull", `{"model":"x","stream":false}`), 404, "no such file")
	f.steps = nil
	wantError(t, f.call(t, "POST", "/api/pull", `{"model":"x"}`), 404, "no such file")
}

// TestManyStepsAreFewLines bounds what a fast download writes.
func TestManyStepsAreFewLines(t *testing.T) {
	f := newFake()
	for i := range 5000 {
		f.steps = append(f.steps, Progress{Status: "pulling", Digest: "ab", Completed: int64(i), Total: 5000})
	}
	f.steps = append(f.steps, Progress{Status: "pulling", Digest: "ab", Completed: 5000, Total: 5000})
	lines := linesOf(t, f.call(t, "POST", "/api/pull", `{"model":"x"}`))
	// The fake's clock goes one millisecond a step.
	if len(lines) > 60 || lines[len(lines)-2]["completed"] != 5000.0 {
		t.Errorf("%d lines, at the end %v", len(lines), lines[len(lines)-2:])
	}
}

// brokenWriter is a client that reads nothing.
type brokenWriter struct{ httptest.ResponseRecorder }

func (*brokenWriter) Write([]byte) (int, error) { return 0, context.Canceled }

func TestALeavingClientEndsAPull(t *testing.T) {
	h := &handler{Config: Config{Now: time.Now}}
	ended := false
	err := h.lines(&brokenWriter{}, httptest.NewRequestWithContext(t.Context(), "POST", "/api/pull", nil), nil,
		func(ctx context.Context, tell func(progress)) error {
			tell(progress{Status: "pulling"})
			ended = ctx.Err() != nil
			return ctx.Err()
		})
	if !ended || err == nil {
		t.Errorf("%v %v", ended, err)
	}
}

func TestPush(t *testing.T) {
	f := newFake()
	wantError(t, f.call(t, "POST", "/api/push", `{"model":"tiny"}`), 501, "registry")
	wantError(t, f.call(t, "POST", "/api/push", `{"model":"nope"}`), 404, "nope")
}

func TestCopyAndDelete(t *testing.T) {
	f := newFake()
	if w := f.call(t, "POST", "/api/copy", `{"source":"tiny","destination":"b"}`); w.Code != 200 || w.Body.Len() != 0 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := f.call(t, "DELETE", "/api/delete", `{"model":"TINY"}`); w.Code != 200 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if d := cmp.Diff([]string{"copy tiny b", "remove tiny:latest"}, f.calls); d != "" {
		t.Error(d)
	}
	wantError(t, f.call(t, "DELETE", "/api/delete", `{"model":"other"}`), 404, "other:7b", "in full")
	wantError(t, f.call(t, "DELETE", "/api/delete", `{"model":"nope"}`), 404, "nope")
	wantError(t, f.call(t, "DELETE", "/api/delete", `{"model":"a b"}`), 400, "not valid")
	f.err = core.Errorf(core.CodeForbidden, "It came with the installation.")
	wantError(t, f.call(t, "DELETE", "/api/delete", `{"model":"tiny"}`), 403, "installation")
	wantError(t, f.call(t, "POST", "/api/copy", `{"source":"tiny","destination":"b"}`), 403)
}

func TestCreate(t *testing.T) {
	f := newFake()
	got := linesOf(t, f.call(t, "POST", "/api/create", `{"model":"b","from":"tiny","system":"s","template":"{{ x }}","license":["l","m"],"parameters":{"temperature":0,"stop":["z"],"num_ctx":48,"num_predict":-1}}`))
	want := []map[string]any{{"status": "reading model metadata"}, {"status": "writing manifest"}, {"status": "success"}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	c := Creation{
		Name: "b", From: "tiny", System: "s", Template: "{{ x }}", License: "l\n\nm", Sampling: core.Sampling{Temperature: &zero}, Stop: []string{"z"}, Context: 48,
	}
	if d := cmp.Diff(c, f.created); d != "" {
		t.Error(d)
	}
	wantError(t, f.call(t, "POST", "/api/create", `{"model":"b","from":"nope"}`), 404, "nope")
	sha := strings.TrimPrefix(digestOfTiny, "sha256:")
	f.blobs[sha] = []byte("GGUF")
	if w := f.call(t, "POST", "/api/create", `{"name":"b","files":{"m.gguf":"`+digestOfTiny+`"},"license":"x","stream":false}`); w.Code != 200 || f.created.SHA256 != sha {
		t.Errorf("%d %s %+v", w.Code, w.Body, f.created)
	}
	f.err = core.Errorf(core.CodeBadModel, "It is no model.")
	if lines := linesOf(t, f.call(t, "POST", "/api/create", `{"model":"b","from":"tiny"}`)); lines[1]["error"] != "It is no model." {
		t.Errorf("%v", lines)
	}
	wantError(t, f.call(t, "POST", "/api/create", `{"model":"b","from":"tiny","stream":false}`), 422, "no model")
}

// TestCreateFromAModelfile sends the old form, alone and with fields that count before it.
func TestCreateFromAModelfile(t *testing.T) {
	f := newFake()
	const file = `"modelfile":"FROM tiny\nSYSTEM \"\"\"Be\nkind.\"\"\"\nPARAMETER temperature 0\nPARAMETER stop z\nPARAMETER num_ctx 9\nMESSAGE user hi\nLICENSE l"`
	if w := f.call(t, "POST", "/api/create", `{"name":"b","stream":false,`+file+`}`); w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	want := Creation{
		Name: "b", From: "tiny", System: "Be\nkind.", License: "l", Sampling: core.Sampling{Temperature: &zero}, Stop: []string{"z"}, Context: 9,
		Messages: []core.Turn{{Role: core.RoleUser, Content: "hi"}},
	}
	if d := cmp.Diff(want, f.created); d != "" {
		t.Error(d)
	}
	warm := 1.0
	want.System, want.License, want.Stop, want.Context = "s", "m", []string{"y"}, 8
	want.Sampling.Temperature = &warm
	want.Messages = []core.Turn{{Role: core.RoleAssistant, Content: "yo"}}
	if w := f.call(t, "POST", "/api/create", `{"name":"b","stream":false,"system":"s","license":"m","parameters":{"stop":["y"],"num_ctx":8,"temperature":1},`+
		`"messages":[{"role":"assistant","content":"yo"}],`+file+`}`); w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if d := cmp.Diff(want, f.created); d != "" {
		t.Error(d)
	}
	sha := strings.TrimPrefix(digestOfTiny, "sha256:")
	f.blobs[sha] = []byte("GGUF")
	if w := f.call(t, "POST", "/api/create", `{"name":"b","stream":false,"modelfile":"FROM @`+digestOfTiny+`"}`); w.Code != 200 || f.created.SHA256 != sha {
		t.Errorf("%d %s %+v", w.Code, w.Body, f.created)
	}
	wantError(t, f.call(t, "POST", "/api/create", `{"name":"b","modelfile":"FROM tiny\nADAPTER ./x"}`), 400, "Line 2", "ADAPTER")
	wantError(t, f.call(t, "POST", "/api/create", `{"name":"b","modelfile":"FROM ./x.gguf"}`), 404)
	wantError(t, f.call(t, "POST", "/api/create", `{"name":"b","from":"tiny","messages":[{"role":"user","content":"x","images":["a"]}]}`), 400, "messages.0.images")
}

func TestBlobs(t *testing.T) {
	f := newFake()
	at := "/api/blobs/" + digestOfTiny
	for _, step := range []struct {
		method, path, body string
		status             int
	}{
		{"HEAD", at, "", 404},
		{"POST", at, "GG", 400},
		{"HEAD", at, "", 404},
		{"POST", at, "GGUF", 201},
		{"HEAD", at, "", 200},
		{"POST", at, "GGUF", 200},
		{"HEAD", strings.Replace(at, ":", "-", 1), "", 200},
		{"HEAD", "/api/blobs/sha256:abc", "", 400},
		{"POST", "/api/blobs/md5:abc", "x", 400},
	} {
		if w := f.call(t, step.method, step.path, step.body); w.Code != step.status {
			t.Errorf("%s %s: %d, want %d: %s", step.method, step.path, w.Code, step.status, w.Body)
		}
	}
	f.blobs, f.err = map[string][]byte{}, core.Errorf(core.CodeDiskFull, "The disk is full.")
	wantError(t, f.call(t, "POST", at, "GGUF"), 507, "full")
}

func TestEmbed(t *testing.T) {
	f := newFake()
	got := object(t, f.call(t, "POST", "/api/embed", `{"model":"tiny","input":["a","b"],"dimensions":2,"keep_alive":"1m","options":{"num_ctx":9}}`).Body.String())
	vector := []any{0.5, -0.25}
	if d := cmp.Diff([]any{vector, vector}, got["embeddings"]); d != "" || got["prompt_eval_count"] != 3.0 || got["load_duration"] != 9.0 || got["total_duration"].(float64) < 1e6 {
		t.Errorf("%s %v", d, got)
	}
	if f.gotEmb.Dimensions != 2 || f.gotEmb.ID != "req-1" || f.wish.Context != 9 || *f.wish.KeepAlive != time.Minute {
		t.Errorf("%+v %+v", f.gotEmb, f.wish)
	}
	for _, body := range []string{`{"model":"tiny"}`, `{"model":"tiny","input":""}`, `{"model":"tiny","input":[]}`} {
		if got := object(t, f.call(t, "POST", "/api/embed", body).Body.String()); cmp.Diff([]any{}, got["embeddings"]) != "" {
			t.Errorf("%s: %v", body, got)
		}
	}
	wantError(t, f.call(t, "POST", "/api/embed", `{"model":"nope"}`), 404)
	if got := object(t, f.call(t, "POST", "/api/embeddings", `{"model":"tiny","prompt":"a"}`).Body.String()); cmp.Diff(vector, got["embedding"]) != "" {
		t.Errorf("%v", got)
	}
	if got := object(t, f.call(t, "POST", "/api/embeddings", `{"model":"tiny"}`).Body.String()); cmp.Diff([]any{}, got["embedding"]) != "" {
		t.Errorf("%v", got)
	}
	f.err = core.Errorf(core.CodeUnsupported, "It does not embed.")
	wantError(t, f.call(t, "POST", "/api/embeddings", `{"model":"tiny","prompt":"a"}`), 400, "embed")
}

// TestLongInputsAreCut lets a model take 14 bytes where its context says 24, as if it added tokens of its own.
func TestLongInputsAreCut(t *testing.T) {
	most := 14
	longest := func(req *core.EmbedRequest) error {
		for _, in := range req.Inputs {
			if len(in.Text) > most {
				return core.Errorf(core.CodeContextExceeded, "The input has %d tokens.", len(in.Text))
			}
		}
		return nil
	}
	body := `{"model":"tiny","input":["short","` + strings.Repeat("é", 20) + `"]}`
	f := newFake()
	f.embedErr = longest
	f.running = []Running{{Model: "tiny:latest", Context: 99}, {Model: "tiny:latest", Embedding: true, Context: 20}}
	w := f.call(t, "POST", "/api/embed", body)
	if w.Code != 200 || !strings.HasPrefix(w.Header().Get("X-Ashatai-Truncated"), "1 input") || f.gotEmb.Inputs[0].Text != "short" ||
		f.gotEmb.Inputs[1].Text != strings.Repeat("é", 7) {
		t.Errorf("%d %s %v %+v", w.Code, w.Body, w.Header(), f.gotEmb)
	}
	wantError(t, f.call(t, "POST", "/api/embed", strings.Replace(body, "{", `{"truncate":false,`, 1)), 400, "40 tokens")
	most = 1
	wantError(t, f.call(t, "POST", "/api/embed", body), 400, "5 tokens") // nothing helps: the first refusal
	f.running, f.models[0].Context = nil, 2
	wantError(t, f.call(t, "POST", "/api/embed", body), 400, "5 tokens") // a context without room
	f = newFake()
	f.embedErr = func(*core.EmbedRequest) error {
		if len(f.calls) == 0 {
			return core.Errorf(core.CodeContextExceeded, "Too long.")
		}
		return core.Errorf(core.CodeWorkerDied, "It died.")
	}
	wantError(t, f.call(t, "POST", "/api/embed", body), 502, "It died")
}

// TestNumCtxBoundsInputs: an input has at most as many tokens as its caller allows, whatever the model was loaded with, and only those
// that may have more are counted.
func TestNumCtxBoundsInputs(t *testing.T) {
	for _, c := range []struct {
		size, more string
		status     int
		want       string // the second input, or the words of the refusal
		counted    int
	}{
		{"22", "", 200, "a long input of many", 1},
		{"23", "", 200, "a long input of many!", 0},
		{"6", "", 200, "a lo", 2},
		{"6", `"truncate":false,`, 400, "input length exceeds the context length. Entry 0 of input has 5 tokens, and options.num_ctx allows 6,", 1},
		{"2", "", 400, "input after truncation exceeds maximum context length", 1},
		{"0", "", 400, "input after truncation exceeds maximum context length", 1},
	} {
		f := newFake()
		w := f.call(t, "POST", "/api/embed", `{"model":"tiny",`+c.more+`"input":["short","a long input of many!"],"options":{"num_ctx":`+c.size+`}}`)
		if len(f.calls) != c.counted {
			t.Errorf("%s: %v", c.size, f.calls)
		}
		if c.status != 200 {
			wantError(t, w, c.status, c.want)
			continue
		}
		said := w.Header().Get("X-Ashatai-Truncated")
		if w.Code != 200 || f.gotEmb.Inputs[1].Text != c.want || said != map[int]string{0: "", 1: "1 inputs were cut to the context", 2: "2 inputs were cut to the context"}[c.counted] {
			t.Errorf("%s: %d %s %q %+v", c.size, w.Code, w.Body, said, f.gotEmb)
		}
	}
	f := newFake()
	f.err = core.Errorf(core.CodeDraining, "The server stops.")
	wantError(t, f.call(t, "POST", "/api/embed", `{"model":"tiny","input":"long","options":{"num_ctx":3}}`), 503, "stops")
}

func TestValidPrefix(t *testing.T) {
	for in, want := range map[string]string{"": "", "ab": "ab", "a\xc3": "a", "a\xf0\x9f\x98": "a", "é": "é", "\xff\xff\xff\xff\xff": ""} {
		if got := validPrefix([]byte(in)); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
