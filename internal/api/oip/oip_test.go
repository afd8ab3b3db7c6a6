package oip

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"math"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ashatai/internal/api"
	"ashatai/internal/core"
)

// fake has a model that gives its tensors back, and one of text.
type fake struct {
	loaded  []string
	req     *core.TensorRequest
	text    *core.Request
	answer  []core.Tensor // nil: the inputs
	fails   error
	late    error // of a text, after its first piece
	stopped bool
}

func (f *fake) List(context.Context) ([]*core.Manifest, error) {
	return []*core.Manifest{
		{Name: "echo:latest", Format: "onnx", Capabilities: []core.Capability{core.CapTensors}},
		{Name: "talk:q4", Format: "gguf", Capabilities: []core.Capability{core.CapGenerate}},
	}, f.fails
}

func (f *fake) Resolve(ctx context.Context, name string) (*core.Manifest, error) {
	if !strings.Contains(name, ":") {
		name += ":latest"
	}
	list, _ := f.List(ctx)
	for _, m := range list {
		if m.Name == name || name == "talk:latest" && m.Name == "talk:q4" {
			return m, nil
		}
	}
	return nil, core.Errorf(core.CodeModelNotFound, "There is no model %s.", name)
}

func (f *fake) Infer(_ context.Context, req *core.TensorRequest) (*core.Tensors, error) {
	f.req = req
	if f.fails != nil {
		return nil, f.fails
	}
	out := f.answer
	if out == nil {
		out = req.Inputs
	}
	return &core.Tensors{Model: req.Model, Outputs: out, Usage: core.Usage{Queued: 1, Prefill: 2}, Placement: core.Placement{Runtime: "onnx"}}, nil
}

func (f *fake) Signature(context.Context, string) (*core.Signature, error) {
	return &core.Signature{
		Model: "echo:latest", Runtime: "onnx", Labels: []string{"cat", "dog"}, Inputs: []core.TensorInfo{{Name: "a", Type: core.FP32, Shape: []int64{-1, 2}}},
		Outputs: []core.TensorInfo{{Name: "t", Type: core.Bytes}},
	}, f.fails
}

func (f *fake) Load(_ context.Context, model string) error {
	f.loaded = append(f.loaded, model)
	return f.fails
}

func (f *fake) Unload(_ context.Context, model string) error {
	if !slices.Contains(f.loaded, model) {
		return core.Errorf(core.CodeNotFound, "Not loaded.")
	}
	f.loaded = slices.DeleteFunc(f.loaded, func(n string) bool { return n == model })
	return nil
}

func (f *fake) Loaded(context.Context) ([]string, error) { return f.loaded, nil }

func (f *fake) Generate(_ context.Context, req *core.Request) (*core.Stream, error) {
	f.text = req
	if f.fails != nil {
		return nil, f.fails
	}
	return &core.Stream{Events: iter.Seq2[core.Event, error](func(yield func(core.Event, error) bool) {
		if yield(core.Event{Text: "one "}, nil) && f.late != nil {
			yield(core.Event{}, f.late)
			return
		}
		_ = yield(core.Event{Text: "two"}, nil) && yield(core.Event{Finish: core.FinishStop}, nil) && yield(core.Event{Usage: &core.Usage{}}, nil)
	})}, nil
}

func (f *fake) handler(t *testing.T) http.Handler {
	t.Helper()
	s := NewService(Config{Version: "v", Tensors: f, Generator: f, Catalogue: f, Repository: f, Ready: func() bool { return !f.stopped }})
	mux, err := api.NewMux([]api.Dialect{Dialect(s)}, func(row api.Route, d api.Dialect) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if err := row.Handle(w, r); err != nil {
				d.WriteError(w, r, core.AsError(err))
			}
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return mux
}

func send(h http.Handler, method, path, body string, head ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(context.Background(), method, path, strings.NewReader(body)) //nolint:forbidigo // nothing waits for it
	for i := 0; i+1 < len(head); i += 2 {
		r.Header.Set(head[i], head[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestCalls(t *testing.T) {
	f := &fake{}
	h := f.handler(t)
	for _, c := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"GET", "/v2/health/live", "", 200, ""},
		{"GET", "/v2/health/ready", "", 200, ""},
		{"GET", "/v2", "", 200, `"version":"v"`},
		{"GET", "/v2/models/echo", "", 200, `{"name":"echo","versions":["latest"],"platform":"onnx","inputs":[{"name":"a","datatype":"FP32","shape":[-1,2]}],"outputs":[{"name":"t","datatype":"BYTES","shape":[-1]}]}`},
		{"GET", "/v2/models/talk/versions/q4", "", 200, `"text_input"`},
		{"GET", "/v2/models/echo/config", "", 200, `"max_batch_size":0,"input":[{"name":"a","data_type":"TYPE_FP32","dims":[-1,2]}],"output":[{"name":"t","data_type":"TYPE_STRING"`},
		{"GET", "/v2/models/echo/versions/1/ready", "", 200, ""},
		{"GET", "/v2/models/echo/versions/7/ready", "", 404, "There is no model"},
		{"GET", "/v2/models/echo:latest/versions/7/ready", "", 404, "its version is latest"},
		{"GET", "/v2/models/nobody", "", 404, "There is no model"},
		{"GET", "/v2/models/nobody/config", "", 404, "There is no model"},
		{"GET", "/v2/models/nobody/stats", "", 404, "There is no model"},
		{"POST", "/v2/repository/index", "", 200, `[{"name":"echo","version":"latest","state":"UNAVAILABLE"`},
		{"POST", "/v2/repository/index", `{"ready":true}`, 200, `[]`},
		{"POST", "/v2/repository/index", `{"ready":1}`, 400, `"error"`},
		{"POST", "/v2/repository/models/echo/load", "", 200, "{}"},
		{"POST", "/v2/repository/index", `{"ready":true}`, 200, `"state":"READY"`},
		{"POST", "/v2/repository/models/echo/unload", `{"parameters":{"unload_dependents":true}}`, 200, "{}"},
		{"POST", "/v2/repository/models/echo/unload", "", 200, "{}"},
		{"GET", "/v2/models/echo/ready", "", 400, "was unloaded"},
		{"POST", "/v2/repository/models/echo/load", `{"parameters":{}}`, 200, "{}"},
		{"GET", "/v2/models/echo/ready", "", 200, ""},
		{"POST", "/v2/repository/models/echo/load", `{"parameters":{"config":"x"}}`, 400, "config"},
		{"POST", "/v2/repository/models/echo/unload", `{"x":1}`, 400, "x"},
		{"POST", "/v2/repository/models/nobody/load", "", 404, "There is no model"},
		{"POST", "/v2/repository/models/nobody/unload", "", 404, "There is no model"},
		{"GET", "/v2/systemsharedmemory/status", "", 404, "error"},
	} {
		w := send(h, c.method, c.path, c.body)
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.want) {
			t.Errorf("%s %s %s: %d %s", c.method, c.path, c.body, w.Code, w.Body)
		}
	}
	f.stopped = true
	if w := send(h, "GET", "/v2/health/ready", ""); w.Code != 503 {
		t.Errorf("a server that stops is ready: %d", w.Code)
	}
	f.fails = core.Errorf(core.CodeUnavailable, "No.")
	for _, path := range []string{"/v2/models/echo", "/v2/models/stats"} {
		if w := send(h, "GET", path, ""); w.Code != 503 {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	for _, path := range []string{"/v2/repository/index", "/v2/repository/models/echo/load"} {
		if w := send(h, "POST", path, ""); w.Code != 503 {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}

// TestReadyByAnotherProtocol: a model that was unloaded here and loaded by others is ready.
func TestReadyByAnotherProtocol(t *testing.T) {
	f := &fake{}
	h := f.handler(t)
	ready := func() int { return send(h, "GET", "/v2/models/echo/ready", "").Code }
	send(h, "POST", "/v2/repository/models/echo/unload", "")
	if code := ready(); code != 400 {
		t.Errorf("unloaded: %d", code)
	}
	f.loaded = []string{"echo:latest"}
	if code := ready(); code != 200 {
		t.Errorf("loaded by others: %d", code)
	}
	if f.loaded = nil; ready() != 200 {
		t.Error("one that went by itself is not one that a caller unloaded")
	}
}

// TestEveryTypeAsJSON: what a model is given as JSON comes back as the same JSON.
func TestEveryTypeAsJSON(t *testing.T) {
	f := &fake{}
	h := f.handler(t)
	for typ, data := range map[core.DataType]string{
		core.Bool: "[true,false]", core.Int8: "[-128,127]", core.Uint8: "[0,255]", core.Int16: "[-32768,32767]", core.Uint16: "[0,65535]",
		core.Int32: "[-2147483648,2147483647]", core.Uint32: "[0,4294967295]", core.Int64: "[-9223372036854775808,9223372036854775807]",
		core.Uint64: "[0,18446744073709551615]", core.FP16: "[0.5,-65504]", core.BF16: "[1.5,-2]", core.FP32: "[0.1,-3.4e+38]", core.FP64: "[0.1,1e+300]",
		core.Bytes: `["","a \" b\\ é"]`,
	} {
		w := send(h, "POST", "/v2/models/echo/infer", `{"id":"7","inputs":[{"name":"x","shape":[2],"datatype":"`+string(typ)+`","data":`+data+`}]}`)
		want := `{"model_name":"echo","model_version":"latest","id":"7","outputs":[{"name":"x","datatype":"` + string(typ) + `","shape":[2],"data":` + data + `}]}`
		if got := strings.TrimSpace(w.Body.String()); w.Code != 200 || got != want {
			t.Errorf("%s: %d %s, want %s", typ, w.Code, got, want)
		}
	}
	w := send(h, "POST", "/v2/models/echo/infer", `{"inputs":[{"name":"x","shape":[2,1],"datatype":"BOOL","data":[[1],[0]]}]}`)
	if w.Code != 200 || !slices.Equal(f.req.Inputs[0].Data, []byte{1, 0}) {
		t.Errorf("nested: %d %s", w.Code, w.Body)
	}
}

func TestBytesBehindTheJSON(t *testing.T) {
	f := &fake{}
	h := f.handler(t)
	data := binary.LittleEndian.AppendUint32(nil, math.Float32bits(float32(math.Inf(1))))
	ask := func(head string, tail []byte) *httptest.ResponseRecorder {
		return send(h, "POST", "/v2/models/echo/infer", head+string(tail), headerLength, strconv.Itoa(len(head)))
	}
	w := ask(`{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","parameters":{"binary_data_size":4}},{"name":"y","shape":[1],"datatype":"INT8","data":[5]}],"outputs":[{"name":"x"},{"name":"y","parameters":{"binary_data":false}}],"parameters":{"binary_data_output":true}}`, data)
	n, err := strconv.Atoi(w.Header().Get(headerLength))
	if err != nil || w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	body := w.Body.Bytes()
	var got inferAnswer
	if err := json.Unmarshal(body[:n], &got); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(body[n:], data) || got.Outputs[0].Parameters.Size != 4 || string(got.Outputs[1].Data) != "[5]" || w.Header().Get("X-Ashatai-Runtime") != "onnx" {
		t.Errorf("%s", body)
	}
	if !slices.Equal(f.req.Outputs, []string{"x", "y"}) {
		t.Errorf("%v", f.req.Outputs)
	}
	one := func(size string) string {
		return `{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","parameters":{"binary_data_size":` + size + `}}]}`
	}
	for name, w := range map[string]*httptest.ResponseRecorder{
		"more than there is":   ask(one("5"), data),
		"less than there is":   ask(one("3"), data),
		"below zero":           ask(one("-1"), data),
		"bytes of no input":    ask(one("4"), append(data, 0)),
		"data too":             ask(`{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":[1],"parameters":{"binary_data_size":4}}]}`, data),
		"a length beyond":      send(h, "POST", "/v2/models/echo/infer", one("4"), headerLength, "9999"),
		"no length":            send(h, "POST", "/v2/models/echo/infer", one("4"), headerLength, "x"),
		"infinite as JSON":     ask(one("4"), data),
		"a shape that is huge": ask(`{"inputs":[{"name":"x","shape":[4294967296,4294967296],"datatype":"FP32","parameters":{"binary_data_size":4}}]}`, data),
	} {
		if w.Code != 400 || !strings.Contains(w.Body.String(), `{"error":"`) {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
	r := httptest.NewRequestWithContext(t.Context(), "POST", "/v2/models/echo/infer", strings.NewReader(one("4")+string(data)))
	r.Header.Set(headerLength, strconv.Itoa(len(one("4"))))
	r.ContentLength = -1
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	if rec.Code != 400 { // read well, and answered as JSON, which has no word for it
		t.Errorf("a body of unknown length: %d %s", rec.Code, rec.Body)
	}
}

func TestBadTensors(t *testing.T) {
	h := (&fake{}).handler(t)
	for name, in := range map[string]string{
		"no type":              `"shape":[1],"datatype":"FP7","data":[1]`,
		"no data":              `"shape":[1],"datatype":"FP32"`,
		"too many":             `"shape":[1],"datatype":"FP32","data":[1,2]`,
		"too few":              `"shape":[2],"datatype":"FP32","data":[1]`,
		"below zero":           `"shape":[-1],"datatype":"FP32","data":[1]`,
		"an object":            `"shape":[1],"datatype":"FP32","data":[{}]`,
		"no array":             `"shape":[1],"datatype":"FP32","data":1`,
		"nested too deep":      `"shape":[1],"datatype":"FP32","data":[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]`,
		"out of range":         `"shape":[1],"datatype":"INT8","data":[128]`,
		"not whole":            `"shape":[1],"datatype":"INT32","data":[1.5]`,
		"below zero, unsigned": `"shape":[1],"datatype":"UINT8","data":[-1]`,
		"too large for FP16":   `"shape":[1],"datatype":"FP16","data":[70000]`,
		"too large for FP32":   `"shape":[1],"datatype":"FP32","data":[1e39]`,
		"a text":               `"shape":[1],"datatype":"FP32","data":["1"]`,
		"a number as text":     `"shape":[1],"datatype":"BYTES","data":[1]`,
		"no truth":             `"shape":[1],"datatype":"BOOL","data":[2]`,
		"an unknown field":     `"shape":[1],"datatype":"FP32","data":[1],"color":1`,
	} {
		w := send(h, "POST", "/v2/models/echo/infer", `{"inputs":[{"name":"x",`+in+`}]}`)
		if w.Code != 400 || !strings.Contains(w.Body.String(), `{"error":"`) {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
	for name, body := range map[string]string{
		"a long id":            `{"id":"` + strings.Repeat("x", 300) + `","inputs":[]}`,
		"a timeout below 0":    `{"parameters":{"timeout":-1},"inputs":[]}`,
		"classes below 0":      `{"inputs":[],"outputs":[{"name":"x","parameters":{"classification":-1}}]}`,
		"too many tensors":     `{"inputs":[` + strings.Repeat(`{"name":"x","shape":[],"datatype":"INT8","data":[1]},`, 1024) + `{"name":"x","shape":[],"datatype":"INT8","data":[1]}]}`,
		"no JSON":              `{`,
		"an unknown parameter": `{"parameters":{"sequence_id":1},"inputs":[]}`,
	} {
		if w := send(h, "POST", "/v2/models/echo/infer", body); w.Code != 400 {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
	if w := send(h, "POST", "/v2/models/nobody/infer", `{"inputs":[]}`); w.Code != 404 {
		t.Errorf("no model: %d", w.Code)
	}
	f := &fake{answer: []core.Tensor{{Name: "x", Type: core.Bytes, Shape: []int64{1}, Data: core.AppendText(nil, "\xff")}}}
	if w := send(f.handler(t), "POST", "/v2/models/echo/infer", `{"inputs":[]}`); w.Code != 400 {
		t.Errorf("bytes that are no text: %d", w.Code)
	}
}

func TestClassification(t *testing.T) {
	f := &fake{}
	h := f.handler(t)
	ask := func(typ, shape, data string) string {
		return `{"inputs":[{"name":"x","shape":` + shape + `,"datatype":"` + typ + `","data":` + data + `}],"outputs":[{"name":"x","parameters":{"classification":2}}],"parameters":{"timeout":1000000}}`
	}
	for _, c := range []struct{ body, want string }{
		{ask("FP32", "[2,3]", "[0.1,0.7,0.2,5,4,3]"), `"shape":[2,2],"data":["0.700000:1:dog","0.200000:2","5.000000:0:cat","4.000000:1:dog"]`},
		{ask("UINT64", "[1]", "[18446744073709551615]"), `"18446744073709551616.000000:0:cat"`},
		{ask("INT8", "[2]", "[-1,1]"), `["1.000000:1:dog","-1.000000:0:cat"]`},
		{ask("BYTES", "[1]", `["x"]`), `rows of numbers`},
	} {
		if w := send(h, "POST", "/v2/models/echo/infer", c.body); !strings.Contains(w.Body.String(), c.want) {
			t.Errorf("%s: %s", c.body, w.Body)
		}
	}
}

// TestTooMuchText: what would be more text than an answer may have is refused, and classes before any of it is made.
func TestTooMuchText(t *testing.T) {
	const most = 63 << 20
	for name, shape := range map[string]string{"a class of each row": "[66060288,1]", "all of one long row": "[66060288]"} {
		head := `{"inputs":[{"name":"x","shape":` + shape + `,"datatype":"UINT8","parameters":{"binary_data_size":` + strconv.Itoa(most) + `}}],"outputs":[{"name":"x","parameters":{"classification":100000000}}]}`
		f := &fake{}
		h := f.handler(t)
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v2/models/echo/infer", io.MultiReader(strings.NewReader(head), bytes.NewReader(make([]byte, most))))
		r.ContentLength = int64(len(head) + most)
		r.Header.Set(headerLength, strconv.Itoa(len(head)))
		w := httptest.NewRecorder()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		h.ServeHTTP(w, r)
		runtime.ReadMemStats(&after)
		took := (after.TotalAlloc-before.TotalAlloc)>>20 - most>>20
		if w.Code != http.StatusRequestEntityTooLarge || !strings.Contains(w.Body.String(), "Ask for fewer") || took > 24 { // a third is copied while it comes
			t.Errorf("%s: %d after %d MiB beside the request: %.200s", name, w.Code, took, w.Body)
		}
	}
	few := core.Tensor{Name: "x", Type: core.Uint8, Shape: []int64{10, 2}, Data: make([]byte, 20)}
	if _, err := classify(few, 2, []string{strings.Repeat("cat", 100)}, 1000); core.CodeOf(err) != core.CodeTooLarge {
		t.Errorf("few values with long labels: %v", err)
	}
	if one, err := classify(core.Tensor{Name: "x", Type: core.Uint8, Shape: []int64{1 << 20}, Data: make([]byte, 1<<20)}, 1, nil, 1000); err != nil || !slices.Equal(one.Shape, []int64{1}) {
		t.Errorf("one value of a long row: %v, %v", one.Shape, err)
	}
	words := core.Tensor{Name: "x", Type: core.Bytes, Shape: []int64{2}, Data: core.AppendText(core.AppendText(nil, strings.Repeat("x", 20)), "")}
	for _, of := range []*core.Tensor{&few, &words} {
		if _, err := values(of, 20); core.CodeOf(err) != core.CodeTooLarge || !strings.Contains(err.Error(), "binary_data") {
			t.Errorf("%s as JSON: %v", of.Type, err)
		}
	}
}

func TestHighest(t *testing.T) {
	values := make([]float64, 1000)
	all := make([]int, len(values))
	for i := range values {
		values[i], all[i] = float64(i*7919%101), i
	}
	values[500] = math.NaN()
	slices.SortStableFunc(all, func(a, b int) int { return cmp.Compare(values[b], values[a]) })
	for _, k := range []int{1, 2, 7, 499, 500, 501, 999, 1000} {
		if got := highest(len(values), func(i int) float64 { return values[i] }, k); !slices.Equal(got, all[:k]) {
			t.Errorf("%d highest: %v", k, got)
		}
	}
	if all[999] != 500 {
		t.Error("what is no number is not the last")
	}
	if got := highest(7, func(i int) float64 { return float64(i + 1) }, 2); !slices.Equal(got, []int{6, 5}) {
		t.Errorf("of rising values: %v", got)
	}
}

func TestStatistics(t *testing.T) {
	f := &fake{}
	h := f.handler(t)
	send(h, "POST", "/v2/models/echo/infer", `{"inputs":[]}`)
	f.fails = core.Errorf(core.CodeInternal, "No.")
	send(h, "POST", "/v2/models/echo/infer", `{"inputs":[]}`)
	f.fails = nil
	for path, models := range map[string]int{"/v2/models/stats": 2, "/v2/models/echo/stats": 1} {
		var got Statistics
		if err := json.Unmarshal(send(h, "GET", path, "").Body.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		m := got.Models[0]
		if len(got.Models) != models || m.Inferences != 1 || m.Inference.Fail.Count != 1 || m.Inference.Queue.NS != 1 || m.Inference.Compute.NS != 2 || m.Last == 0 {
			t.Errorf("%s: %+v", path, got)
		}
	}
}

func TestText(t *testing.T) {
	f := &fake{}
	h := f.handler(t)
	w := send(h, "POST", "/v2/models/talk/generate", `{"id":"7","text_input":"Once","parameters":{"temperature":0,"max_tokens":5,"stop":"x","seed":1,"stream":false}}`)
	if w.Code != 200 || strings.TrimSpace(w.Body.String()) != `{"id":"7","model_name":"talk","model_version":"q4","text_output":"one two"}` {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if f.text.Model != "talk:q4" || f.text.Prompt != "Once" || f.text.MaxTokens != 5 || *f.text.Sampling.Temperature != 0 || !slices.Equal(f.text.Stop, []string{"x"}) {
		t.Errorf("%+v", f.text)
	}
	w = send(h, "POST", "/v2/models/talk/versions/q4/generate_stream", `{"text_input":"Once","parameters":{"stop":["a","b"]}}`)
	if got := w.Body.String(); strings.Count(got, "data: ") != 3 || !strings.Contains(got, `"text_output":"one "`) || len(f.text.Stop) != 2 {
		t.Errorf("%s", got)
	}
	for name, body := range map[string]string{
		"no text": `{}`, "a stop that is none": `{"text_input":"x","parameters":{"stop":1}}`, "another path's stream": `{"text_input":"x","parameters":{"stream":true}}`,
		"a long id": `{"text_input":"x","id":"` + strings.Repeat("x", 300) + `"}`, "an unknown parameter": `{"text_input":"x","parameters":{"beams":3}}`,
	} {
		if w := send(h, "POST", "/v2/models/talk/generate", body); w.Code != 400 {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
	if w := send(h, "POST", "/v2/models/nobody/generate_stream", `{"text_input":"x"}`); w.Code != 404 {
		t.Errorf("no model: %d", w.Code)
	}
	f.late = core.Errorf(core.CodeWorkerDied, "It died.")
	if got := send(h, "POST", "/v2/models/talk/generate_stream", `{"text_input":"x"}`).Body.String(); !strings.Contains(got, "\n\ndata: {\"error\":\"It died.\"}\n\n") {
		t.Errorf("%s", got)
	}
	if w := send(h, "POST", "/v2/models/talk/generate", `{"text_input":"x"}`); w.Code != 502 {
		t.Errorf("%d", w.Code)
	}
	f.fails = core.Errorf(core.CodeUnsupported, "No text.")
	if w := send(h, "POST", "/v2/models/talk/generate_stream", `{"text_input":"x"}`); w.Code != 400 {
		t.Errorf("%d", w.Code)
	}
}

// slow has a queue in which requests wait for long.
type slow struct{ *fake }

func (s slow) Generate(ctx context.Context, req *core.Request) (*core.Stream, error) {
	<-time.After(12 * time.Second)
	return s.fake.Generate(ctx, req)
}

// TestTextWaits: a stream that waits for long is told where it stands, and then of a failure too.
func TestTextWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		h := &handler{s: NewService(Config{Version: "v", Tensors: f, Generator: slow{f}, Catalogue: f, Repository: f, Ready: func() bool { return true }})}
		wait := &core.Wait{}
		wait.By(func() int { return 3 })
		ask := func() string {
			r := httptest.NewRequestWithContext(core.WithWait(t.Context(), wait), http.MethodPost, "/", strings.NewReader(`{"text_input":"x"}`))
			r.SetPathValue("model", "talk")
			w := httptest.NewRecorder()
			if err := h.generateStream(w, r); !errors.Is(err, f.fails) {
				t.Error(err)
			}
			return w.Body.String()
		}
		if got := ask(); !strings.HasPrefix(got, ": queue position 3\n\ndata: {") {
			t.Errorf("%s", got)
		}
		f.fails = core.Errorf(core.CodeWorkerDied, "It died.")
		if got := ask(); got != ": queue position 3\n\ndata: {\"error\":\"It died.\"}\n\n" {
			t.Errorf("%s", got)
		}
	})
}

func TestHalf(t *testing.T) {
	for f, want := range map[float32]uint16{0: 0, 1: 0x3c00, -2: 0xc000, 65504: 0x7bff, 65519: 0x7bff, 65520: 0x7c00, 1e9: 0x7c00, 6e-8: 1, 0.1: 0x2e66, 6.1035e-5: 0x0400, 5.96e-8: 1} {
		if got := halfBits(f); got != want {
			t.Errorf("%v is %#x, want %#x", f, got, want)
		}
	}
	for h := range 1 << 16 {
		f := halfFloat(uint16(h))
		if f != f { // NaN keeps being one
			if back := halfBits(f); back&0x7c00 != 0x7c00 || back&0x3ff == 0 {
				t.Fatalf("%#x", h)
			}
			continue
		}
		if back := halfBits(f); back != uint16(h) {
			t.Fatalf("%#x is %v and comes back as %#x", h, f, back)
		}
	}
	if bfloatFloat(bfloatBits(1.5)) != 1.5 || bfloatBits(float32(math.NaN()))&0x7f == 0 || bfloatBits(3.4e38) != 0x7f80 {
		t.Error("bfloat16")
	}
}

// FuzzValues: whatever JSON an array is, reading it neither fails otherwise than by an error nor makes more than it says.
func FuzzValues(f *testing.F) {
	for _, s := range []string{`[1,2]`, `[["a"]]`, `[true,null,{}]`, `"x"`, `[1e400]`} {
		f.Add("FP32", []byte(s))
		f.Add("BYTES", []byte(s))
	}
	f.Fuzz(func(t *testing.T, typ string, data []byte) {
		d := core.DataType(typ)
		if !d.Known() || !json.Valid(data) {
			return
		}
		if b, err := readValues("x", d, data); err == nil && d != core.Bytes && len(b) > len(data)*8 {
			t.Errorf("%d bytes of %d", len(b), len(data))
		}
	})
}
