package onnx

import (
	"bytes"
	"context"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"ashatai/internal/core"
	"ashatai/internal/engine"
	"ashatai/internal/engine/enginetest"
	"ashatai/internal/native/ort"
	"ashatai/internal/onnxfile/onnxfiletest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func runtime(t *testing.T) *Runtime {
	t.Helper()
	dir := os.Getenv("ASHATAI_TEST_ONNX")
	if dir == "" {
		t.Skip("ASHATAI_TEST_ONNX is not set; make test sets it")
	}
	return New(dir)
}

// write makes a model's folder.
func write(t *testing.T, g onnxfiletest.Graph, beside map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range beside {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, "model.onnx")
	if err := os.WriteFile(path, onnxfiletest.Model(g), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func load(t *testing.T, spec engine.LoadSpec) engine.Model {
	t.Helper()
	m, err := runtime(t).Load(t.Context(), spec, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	return m
}

// step is what a small stateful model computes: y = x·w + state, and the new state.
func step() onnxfiletest.Graph {
	return onnxfiletest.Graph{
		Nodes: []onnxfiletest.Node{
			{Op: "MatMul", In: []string{"x", "w"}, Out: []string{"p"}}, {Op: "Add", In: []string{"p", "state"}, Out: []string{"y"}}, {Op: "Identity", In: []string{"y"}, Out: []string{"state_out"}},
		},
		Weights: []onnxfiletest.Tensor{{Name: "w", Type: ort.Float32, Shape: []int64{2, 2}, Raw: onnxfiletest.Floats(1, 0, 0, 2)}},
		Inputs:  []onnxfiletest.Value{{Name: "x", Type: ort.Float32, Shape: []int64{-1, 2}}, {Name: "state", Type: ort.Float32, Shape: []int64{1, 2}}},
		Outputs: []onnxfiletest.Value{{Name: "y", Type: ort.Float32, Shape: []int64{-1, 2}}, {Name: "state_out", Type: ort.Float32, Shape: []int64{-1, 2}}},
	}
}

func floats(name string, shape []int64, v ...float32) core.Tensor {
	return core.Tensor{Name: name, Type: core.FP32, Shape: shape, Data: onnxfiletest.Floats(v...)}
}

func TestTensors(t *testing.T) {
	m := load(t, engine.LoadSpec{Path: write(t, step(), nil), Sequences: 2, Threads: 1})
	tm, ok := m.(engine.TensorModel)
	if !ok {
		t.Fatal("no tensors")
	}
	f := m.Facts()
	if f.Runtime != "onnx" || len(f.Inputs) != 2 || f.Outputs[1].Name != "state_out" || f.Memory.Weights != 16 {
		t.Errorf("%+v", f)
	}
	out, err := tm.Infer(t.Context(), []core.Tensor{floats("state", []int64{1, 2}, 10, 20), floats("x", []int64{1, 2}, 1, 2)}, nil)
	if err != nil || len(out) != 2 || out[0].Name != "y" || !bytes.Equal(out[0].Data, onnxfiletest.Floats(11, 24)) || !bytes.Equal(out[1].Data, out[0].Data) {
		t.Fatalf("%+v, %v", out, err)
	}
	out, err = tm.Infer(t.Context(), []core.Tensor{floats("x", []int64{1, 2}, 0, 0), floats("state", []int64{1, 2}, 1, 1)}, []string{"state_out"})
	if err != nil || len(out) != 1 || out[0].Name != "state_out" {
		t.Errorf("%+v, %v", out, err)
	}
	x, state := floats("x", []int64{1, 2}, 0, 0), floats("state", []int64{1, 2}, 1, 1)
	for name, c := range map[string]struct {
		in  []core.Tensor
		out []string
	}{"too few": {[]core.Tensor{x}, nil}, "no output": {[]core.Tensor{x, state}, []string{"z"}}, "a shape": {[]core.Tensor{floats("x", []int64{2}, 0, 0), state}, nil}} {
		if _, err := tm.Infer(t.Context(), c.in, c.out); core.CodeOf(err) != core.CodeInvalidRequest {
			t.Errorf("%s: %v", name, err)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := tm.Infer(ended, []core.Tensor{x, state}, nil); core.CodeOf(err) != core.CodeCancelled {
		t.Errorf("an ended context: %v", err)
	}
	if s, err := m.(engine.Statter).Stats(t.Context()); err != nil || s.Steps != 2 || s.Busy == 0 {
		t.Errorf("%+v, %v", s, err)
	}
	if _, _, err := m.(engine.Embedder).Embed(t.Context(), nil); core.CodeOf(err) != core.CodeUnsupported {
		t.Errorf("embeddings of a model for tensors: %v", err)
	}
	if _, err := m.(engine.Tokenizer).Tokenize(t.Context(), engine.Prompt{}); core.CodeOf(err) != core.CodeUnsupported {
		t.Errorf("tokens of a model for tensors: %v", err)
	}
	for range 2 {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := tm.Infer(t.Context(), []core.Tensor{x, state}, nil); core.CodeOf(err) != core.CodeUnavailable {
		t.Errorf("a closed model: %v", err)
	}
}

func TestTexts(t *testing.T) {
	m := load(t, engine.LoadSpec{Path: write(t, onnxfiletest.Graph{
		Nodes:  []onnxfiletest.Node{{Op: "Identity", In: []string{"x"}, Out: []string{"y"}}},
		Inputs: []onnxfiletest.Value{{Name: "x", Type: ort.String, Shape: []int64{-1}}}, Outputs: []onnxfiletest.Value{{Name: "y", Type: ort.String, Shape: []int64{-1}}},
	}, nil)})
	data := core.AppendText(core.AppendText(nil, "é"), "")
	out, err := m.(engine.TensorModel).Infer(t.Context(), []core.Tensor{{Name: "x", Type: core.Bytes, Shape: []int64{2}, Data: data}}, nil)
	if err != nil || !bytes.Equal(out[0].Data, data) || out[0].Type != core.Bytes {
		t.Errorf("%+v, %v", out, err)
	}
}

func miniLM(t *testing.T) engine.LoadSpec {
	t.Helper()
	dir := os.Getenv("ASHATAI_TEST_MINILM")
	if dir == "" {
		t.Skip("ASHATAI_TEST_MINILM is not set; make test sets it")
	}
	return engine.LoadSpec{Path: filepath.Join(dir, "model.onnx"), Embedding: true}
}

func prompt(s string) engine.Prompt {
	return engine.Prompt{Segments: []engine.Segment{{Text: s}}, AddSpecial: true}
}

func dot(a, b []float32) float64 {
	sum := 0.0
	for i := range a {
		sum += float64(a[i]) * float64(b[i])
	}
	return sum
}

func TestMiniLM(t *testing.T) {
	m := load(t, miniLM(t))
	e, ok := m.(engine.Embedder)
	if !ok {
		t.Fatal("no embeddings")
	}
	f := m.Facts()
	if f.Dimensions != 384 || f.Context != 128 || f.Vocabulary != 30522 || f.Memory.Weights < 20e6 {
		t.Errorf("%+v", f)
	}
	texts := []string{"A man is eating food.", "A man is eating a piece of bread.", "The girl is carrying a baby through the old town.", "東京"}
	var prompts []engine.Prompt
	for _, s := range texts {
		prompts = append(prompts, prompt(s))
	}
	v, usage, err := e.Embed(t.Context(), prompts)
	if err != nil {
		t.Fatal(err)
	}
	near, far := dot(v[0], v[1]), dot(v[0], v[2])
	t.Logf("near %.3f, far %.3f, %d tokens", near, far, usage.Prompt)
	if near < 0.7 || far > 0.3 || math.Abs(dot(v[3], v[3])-1) > 1e-5 || usage.Prompt != 8+11+13+4 {
		t.Errorf("near %.3f, far %.3f, usage %+v", near, far, usage)
	}
	for i, p := range prompts { // in company a text means the same; the weights' quantization sees the whole batch
		alone, _, err := e.Embed(t.Context(), []engine.Prompt{p})
		if err != nil {
			t.Fatal(err)
		}
		if c := dot(alone[0], v[i]); c < 0.98 {
			t.Errorf("%q alone and in company: %.4f", texts[i], c)
		}
	}
	tok, ok := m.(engine.Tokenizer)
	if !ok {
		t.Fatal("no tokenizer")
	}
	ids, err := tok.Tokenize(t.Context(), prompt("[SEP] hey"))
	if err != nil || len(ids) != 6 || ids[0] != 101 || ids[5] != 102 {
		t.Errorf("a stranger's [SEP] makes %v, %v", ids, err)
	}
	if text, err := tok.Detokenize(t.Context(), ids[4:5]); err != nil || string(text) != "hey" {
		t.Errorf("%q, %v", text, err)
	}
	for name, p := range map[string]engine.Prompt{"too long": prompt(strings.Repeat("a ", 127)), "no token": {Segments: []engine.Segment{{}}}, "an odd token": {Tokens: []int{-1}}} {
		code := core.CodeInvalidRequest
		if name == "too long" {
			code = core.CodeContextExceeded
		}
		if _, _, err := e.Embed(t.Context(), []engine.Prompt{p}); core.CodeOf(err) != code {
			t.Errorf("%s: %v", name, err)
		}
	}
}

const words = `{"model":{"type":"WordLevel","vocab":{"[PAD]":0,"a":1,"b":2,"c":3},"unk_token":"[PAD]"},"pre_tokenizer":{"type":"Whitespace"}}`

// rows is an embedder whose token vectors are rows of a table: 0 for the padding, then (3,4), (0,2) and (-6,8).
func rows(output string) onnxfiletest.Graph {
	return onnxfiletest.Graph{
		Nodes:   []onnxfiletest.Node{{Op: "Gather", In: []string{"table", "input_ids"}, Out: []string{output}}},
		Weights: []onnxfiletest.Tensor{{Name: "table", Type: ort.Float32, Shape: []int64{4, 2}, Raw: onnxfiletest.Floats(100, 100, 3, 4, 0, 2, -6, 8)}},
		Inputs:  []onnxfiletest.Value{{Name: "input_ids", Type: ort.Int64, Shape: []int64{-1, -1}}},
		Outputs: []onnxfiletest.Value{{Name: output, Type: ort.Float32, Shape: []int64{-1, -1, 2}}},
	}
}

func TestPoolingAsTheFilesSay(t *testing.T) {
	for name, c := range map[string]struct {
		pool string
		want [2]float64
	}{
		"mean":  {`{"pooling_mode_mean_tokens":true}`, [2]float64{-3, 14}},
		"first": {`{"pooling_mode_cls_token":true}`, [2]float64{3, 4}},
		"max":   {`{"pooling_mode_max_tokens":true}`, [2]float64{3, 8}},
		"last":  {`{"pooling_mode_lasttoken":true}`, [2]float64{-6, 8}},
		"none":  {``, [2]float64{-3, 14}},
	} {
		beside := map[string]string{"tokenizer.json": words, "config.json": `{"max_position_embeddings":5}`}
		if c.pool != "" {
			beside["1_Pooling/config.json"] = c.pool
		}
		m := load(t, engine.LoadSpec{Path: write(t, rows("last_hidden_state"), beside), Embedding: true})
		// The shorter text is padded, and its padding does not count.
		v, _, err := m.(engine.Embedder).Embed(t.Context(), []engine.Prompt{prompt("a b c"), prompt("a"), prompt("a b c a b")})
		if err != nil {
			t.Fatal(err)
		}
		length := math.Hypot(c.want[0], c.want[1])
		if math.Abs(float64(v[0][0])-c.want[0]/length) > 1e-6 || math.Abs(float64(v[0][1])-c.want[1]/length) > 1e-6 {
			t.Errorf("%s: %v, want %v", name, v[0], c.want)
		}
		if math.Abs(float64(v[1][0])-0.6) > 1e-6 || math.Abs(float64(v[1][1])-0.8) > 1e-6 {
			t.Errorf("%s: the short text is %v", name, v[1])
		}
		if m.Facts().Context != 5 {
			t.Errorf("context %d", m.Facts().Context)
		}
	}
}

func TestRefused(t *testing.T) {
	odd := rows("y")
	odd.Inputs = append(odd.Inputs, onnxfiletest.Value{Name: "pixels", Type: ort.Float32, Shape: []int64{1}})
	ints := rows("y")
	ints.Inputs[0].Type = ort.Int32
	flat := step()
	far := rows("y")
	far.Weights = append(far.Weights, onnxfiletest.Tensor{Name: "far", Type: ort.Float32, Shape: []int64{1}, Location: "w.bin"})
	unknown := step()
	unknown.Nodes[0].Op = "NoSuchOperator"
	for name, spec := range map[string]engine.LoadSpec{
		"no tokenizer":        {Path: write(t, rows("y"), nil), Embedding: true},
		"a broken tokenizer":  {Path: write(t, rows("y"), map[string]string{"tokenizer.json": "{"}), Embedding: true},
		"a broken config":     {Path: write(t, rows("y"), map[string]string{"config.json": "{"})},
		"an input too many":   {Path: write(t, odd, map[string]string{"tokenizer.json": words}), Embedding: true},
		"small numbers":       {Path: write(t, ints, map[string]string{"tokenizer.json": words}), Embedding: true},
		"no input_ids":        {Path: write(t, flat, map[string]string{"tokenizer.json": words}), Embedding: true},
		"a missing file":      {Path: write(t, far, nil)},
		"an unknown operator": {Path: write(t, unknown, nil)},
		"no folder":           {Path: filepath.Join(t.TempDir(), "x", "model.onnx")},
		"no file":             {Path: filepath.Join(t.TempDir(), "model.onnx")},
	} {
		if _, err := runtime(t).Load(t.Context(), spec, nil); core.CodeOf(err) != core.CodeBadModel {
			t.Errorf("%s: %v", name, err)
		}
	}
	path := write(t, step(), nil)
	if _, err := runtime(t).Load(t.Context(), engine.LoadSpec{Path: path, Options: map[string]string{"x": "y"}}, nil); core.CodeOf(err) != core.CodeInvalidRequest {
		t.Errorf("%v", err)
	}
	if _, err := runtime(t).Load(t.Context(), engine.LoadSpec{Path: path, Memory: 1000}, nil); core.CodeOf(err) != core.CodeOutOfMemory {
		t.Errorf("%v", err)
	}
	if _, err := runtime(t).Load(t.Context(), engine.LoadSpec{Path: path, Sequences: 1000}, nil); core.CodeOf(err) != core.CodeInvalidRequest {
		t.Errorf("%v", err)
	}
	missing := New(t.TempDir())
	if s := missing.Probe(t.Context()); s.Ready || !strings.Contains(s.Missing, "ashatai runtime install onnx") {
		t.Errorf("%+v", s)
	}
	if _, err := missing.Load(t.Context(), engine.LoadSpec{Path: path}, nil); core.CodeOf(err) != core.CodeUnavailable {
		t.Errorf("%v", err)
	}
	if s := runtime(t).Probe(t.Context()); !s.Ready || s.Version != ort.Release {
		t.Errorf("%+v", s)
	}
}

// TestTensorLaw holds the runtime to the contract of tensors.
func TestTensorLaw(t *testing.T) {
	rt := runtime(t)
	enginetest.RunTensors(t, func(*testing.T) engine.Runtime { return rt }, enginetest.TensorOptions{
		Spec:   engine.LoadSpec{Path: write(t, step(), nil), Sequences: 2, Threads: 1},
		Inputs: []core.Tensor{floats("x", []int64{2, 2}, 1, 2, 3, 4), floats("state", []int64{1, 2}, 10, 20)},
	})
}
