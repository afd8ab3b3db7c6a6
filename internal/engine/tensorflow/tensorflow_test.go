package tensorflow

import (
	"bytes"
	"context"
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"ashatai/internal/core"
	"ashatai/internal/engine"
	"ashatai/internal/native/tf"
	"ashatai/internal/savedmodel/savedmodeltest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var shared = sync.OnceValue(func() *Runtime { return New(os.Getenv("ASHATAI_TEST_TENSORFLOW")) })

func runtime(t *testing.T) *Runtime {
	t.Helper()
	if os.Getenv("ASHATAI_TEST_TENSORFLOW") == "" {
		t.Skip("ASHATAI_TEST_TENSORFLOW is not set; make test sets it where TensorFlow is installed")
	}
	return shared()
}

func models(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("ASHATAI_TEST_TENSORFLOW_MODELS")
	if dir == "" {
		t.Skip("ASHATAI_TEST_TENSORFLOW_MODELS is not set; make test sets it")
	}
	return dir
}

func load(t *testing.T, spec engine.LoadSpec) (engine.Model, engine.TensorModel) {
	t.Helper()
	m, err := runtime(t).Load(t.Context(), spec, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	tm, ok := m.(engine.TensorModel)
	if !ok {
		t.Fatal("no tensors")
	}
	return m, tm
}

func raw(v ...float32) []byte {
	var b []byte
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return b
}

func floats(b []byte) []float32 {
	v := make([]float32, len(b)/4)
	for i := range v {
		v[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return v
}

func numbers(name string, shape []int64, v ...float32) core.Tensor {
	return core.Tensor{Name: name, Type: core.FP32, Shape: shape, Data: raw(v...)}
}

func TestSavedModel(t *testing.T) {
	path := savedmodeltest.Folder(t, savedmodeltest.Linear())
	m, tm := load(t, engine.LoadSpec{Path: path, Sequences: 2, Threads: 1})
	f := m.Facts()
	if f.Runtime != "tensorflow" || len(f.Inputs) != 1 || f.Inputs[0].Shape[0] != -1 || f.Outputs[0].Name != "y" || f.Threads != 1 || f.Sequences != 2 {
		t.Errorf("%+v", f)
	}
	for rows, want := range map[int64][]byte{1: raw(22.5, 27.5), 2: raw(22.5, 27.5, 0.5, -0.5)} {
		out, err := tm.Infer(t.Context(), []core.Tensor{numbers("x", []int64{rows, 3}, []float32{1, 2, 3, 0, 0, 0}[:3*rows]...)}, []string{"y"})
		if err != nil || len(out) != 1 || out[0].Name != "y" || out[0].Shape[0] != rows || !bytes.Equal(out[0].Data, want) {
			t.Errorf("%d rows: %+v, %v", rows, out, err)
		}
	}
	for name, in := range map[string][]core.Tensor{
		"nothing": nil, "a wrong name": {numbers("z", []int64{1, 3}, 1, 2, 3)}, "a wrong shape": {numbers("x", []int64{1, 2}, 1, 2)},
		"a wrong type": {{Name: "x", Type: core.Int32, Shape: []int64{1, 3}, Data: make([]byte, 12)}}, "too few bytes": {numbers("x", []int64{2, 3}, 1)},
	} {
		if _, err := tm.Infer(t.Context(), in, nil); core.CodeOf(err) != core.CodeInvalidRequest {
			t.Errorf("%s: %v", name, err)
		}
	}
	x := []core.Tensor{numbers("x", []int64{1, 3}, 1, 2, 3)}
	if _, err := tm.Infer(t.Context(), x, []string{"z"}); core.CodeOf(err) != core.CodeInvalidRequest {
		t.Errorf("an output that is not there: %v", err)
	}
	if s, err := m.(engine.Statter).Stats(t.Context()); err != nil || s.Steps != 2 || s.Busy == 0 {
		t.Errorf("%+v, %v", s, err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := tm.Infer(ended, x, nil); core.CodeOf(err) != core.CodeCancelled {
		t.Errorf("an ended context: %v", err)
	}
	for range 2 {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := tm.Infer(t.Context(), x, nil); core.CodeOf(err) != core.CodeUnavailable {
		t.Errorf("a closed model: %v", err)
	}
	if _, err := m.(engine.Statter).Stats(t.Context()); core.CodeOf(err) != core.CodeUnavailable {
		t.Errorf("figures of a closed model: %v", err)
	}
}

func texts(name string, shape []int64, words ...string) core.Tensor {
	t := core.Tensor{Name: name, Type: core.Bytes, Shape: shape}
	for _, w := range words {
		t.Data = core.AppendText(t.Data, w)
	}
	return t
}

// TestTexts: texts in and out, through a signature that says nothing of the shape.
func TestTexts(t *testing.T) {
	path := savedmodeltest.Folder(t, savedmodeltest.Linear())
	m, tm := load(t, engine.LoadSpec{Path: path, Options: map[string]string{"signature": "loud"}})
	if f := m.Facts(); f.Inputs[0].Type != core.Bytes || f.Inputs[0].Shape != nil {
		t.Errorf("%+v", f.Inputs)
	}
	for _, shape := range [][]int64{{2}, {2, 1}} {
		if err := core.Fits(m.Facts().Inputs, []core.Tensor{texts("text", shape, "loud", "néw")}); err != nil {
			t.Errorf("the server refuses what the model takes: %v", err)
		}
		out, err := tm.Infer(t.Context(), []core.Tensor{texts("text", shape, "loud", "néw")}, nil)
		if err != nil || len(out[0].Shape) != len(shape) || strings.Join(core.Texts(out[0].Data), " ") != "LOUD NéW" {
			t.Errorf("%v: %+v, %v", shape, out, err)
		}
	}
}

// TestEnding: a call whose caller leaves returns at once, one that takes too long says so, and a model that is closed waits for what computes.
func TestEnding(t *testing.T) {
	m, tm := load(t, engine.LoadSpec{Path: savedmodeltest.Folder(t, savedmodeltest.Slow())})
	x := []core.Tensor{numbers("x", []int64{}, 1e-3)}
	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := tm.Infer(short, x, nil); core.CodeOf(err) != core.CodeDeadline {
		t.Errorf("a deadline: %v", err)
	}
	// The place is still taken by the run of before.
	leaving, leave := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer leave()
	if _, err := tm.Infer(leaving, x, nil); core.CodeOf(err) != core.CodeDeadline {
		t.Errorf("a deadline while waiting: %v", err)
	}
	done := make(chan error)
	go func() {
		_, err := tm.Infer(t.Context(), x, nil)
		done <- err
	}()
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	if err := <-done; core.CodeOf(err) != core.CodeUnavailable {
		t.Errorf("a run while the model is closed: %v", err)
	}
}

// TestGuesslang: a published model that takes texts. It tells languages apart.
func TestGuesslang(t *testing.T) {
	_, tm := load(t, engine.LoadSpec{Path: filepath.Join(models(t), "guesslang", "saved_model.pb")})
	sources := []string{
		"package main\n\nimport \"fmt\"\n\nfunc main() {\n\tfmt.Println(\"hello\")\n}\n",
		"def fib(n):\n    if n < 2:\n        return n\n    return fib(n - 1) + fib(n - 2)\n\nprint(fib(10))\n",
	}
	out, err := tm.Infer(t.Context(), []core.Tensor{texts("inputs", []int64{2}, sources...)}, nil)
	if err != nil || len(out) != 2 || out[0].Name != "classes" || out[1].Shape[1] != 54 {
		t.Fatalf("%+v, %v", out, err)
	}
	classes, scores := core.Texts(out[0].Data), floats(out[1].Data)
	for row, want := range []string{"go", "py"} {
		best := 0
		for i := range 54 {
			if scores[row*54+i] > scores[row*54+best] {
				best = i
			}
		}
		if got := classes[row*54+best]; got != want {
			t.Errorf("the source in %s is taken for %s", want, got)
		}
	}
}

func TestRefused(t *testing.T) {
	file := func(dir, name, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	with := func(change func(g *savedmodeltest.Graph)) string {
		g := savedmodeltest.Linear()
		change(&g)
		return savedmodeltest.Folder(t, g)
	}
	weights := func(g *savedmodeltest.Graph) { g.Filename, g.Restore = "x:0", "x" }
	cut := with(func(*savedmodeltest.Graph) {})
	whole, err := os.ReadFile(cut)
	if err != nil {
		t.Fatal(err)
	}
	file(filepath.Dir(cut), "saved_model.pb", string(whole[:len(whole)/2]))
	twice := with(func(*savedmodeltest.Graph) {})
	file(filepath.Dir(twice), "saved_model.pbtxt", "")
	noData := with(weights)
	file(filepath.Dir(noData), "variables/variables.index", "x")
	linked := with(weights)
	file(filepath.Dir(linked), "variables/variables.index", "x")
	if err := os.Symlink("/etc/hostname", filepath.Join(filepath.Dir(linked), "variables", "variables.data-00000-of-00001")); err != nil {
		t.Fatal(err)
	}
	broken := with(weights)
	file(filepath.Dir(broken), "variables/variables.index", "not a table")
	file(filepath.Dir(broken), "variables/variables.data-00000-of-00001", "x")
	for name, c := range map[string]struct{ path, says string }{
		"cut off":           {cut, "broken at byte"},
		"two descriptions":  {twice, "saved_model.pbtxt"},
		"no index":          {with(weights), "variables.index is missing"},
		"no weights":        {noData, "weights are missing"},
		"weights elsewhere": {linked, "is a link"},
		"a missing asset":   {with(func(g *savedmodeltest.Graph) { g.Assets = []string{"words.txt"} }), "assets/words.txt is missing"},
		"a file is read": {with(func(g *savedmodeltest.Graph) {
			g.Nodes = append(g.Nodes, savedmodeltest.Node{Name: "r", Op: "ReadFile"})
		}), "ReadFile"},
		"no signature": {with(func(g *savedmodeltest.Graph) { g.Signatures = nil }), "no signature"},
		"no usual signature": {with(func(g *savedmodeltest.Graph) {
			g.Signatures["other"] = g.Signatures["serving_default"]
			delete(g.Signatures, "serving_default")
		}), "loud, other"},
		"complex numbers": {with(func(g *savedmodeltest.Graph) {
			g.Signatures["serving_default"].Inputs["c"] = savedmodeltest.Value{Node: "x:0", Type: 8}
		}), "TensorFlow's type 8"},
		"no folder":  {filepath.Join(t.TempDir(), "x", "saved_model.pb"), "cannot be read"},
		"no file":    {filepath.Join(t.TempDir(), "saved_model.pb"), "is missing"},
		"other file": {filepath.Join(t.TempDir(), "x.bin"), "no model of TensorFlow"},
	} {
		// None of these comes to the library.
		if _, err := New(t.TempDir()).Load(t.Context(), engine.LoadSpec{Path: c.path}, nil); core.CodeOf(err) != core.CodeBadModel || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	path := savedmodeltest.Folder(t, savedmodeltest.Linear())
	for name, c := range map[string]struct {
		spec engine.LoadSpec
		code core.Code
	}{
		"an unknown option":    {engine.LoadSpec{Options: map[string]string{"x": "y"}}, core.CodeInvalidRequest},
		"an unknown signature": {engine.LoadSpec{Options: map[string]string{"signature": "y"}}, core.CodeInvalidRequest},
		"too many sequences":   {engine.LoadSpec{Sequences: 1000}, core.CodeInvalidRequest},
		"too little memory":    {engine.LoadSpec{Memory: 1000}, core.CodeOutOfMemory},
		"embeddings":           {engine.LoadSpec{Embedding: true}, core.CodeUnsupported},
		"no library":           {engine.LoadSpec{}, core.CodeUnavailable},
	} {
		c.spec.Path = path
		if _, err := New(t.TempDir()).Load(t.Context(), c.spec, nil); core.CodeOf(err) != c.code {
			t.Errorf("%s: %v", name, err)
		}
	}
	if s := New(t.TempDir()).Probe(t.Context()); s.Ready || !strings.Contains(s.Missing, "ashatai runtime install tensorflow") {
		t.Errorf("%+v", s)
	}
	if s := runtime(t).Probe(t.Context()); !s.Ready || !strings.HasPrefix(s.Version, tf.Release) {
		t.Errorf("%+v", s)
	}
	// These two are the library's to refuse.
	for name, path := range map[string]string{
		"a broken index": broken,
		"a lie of types": with(func(g *savedmodeltest.Graph) { g.Nodes[1].Attrs["dtype"] = savedmodeltest.Type(savedmodeltest.Int) }),
		"no such output": with(func(g *savedmodeltest.Graph) {
			g.Signatures["serving_default"].Outputs["y"] = savedmodeltest.Value{Node: "y:7", Type: savedmodeltest.Float}
		}),
	} {
		if _, err := runtime(t).Load(t.Context(), engine.LoadSpec{Path: path}, nil); core.CodeOf(err) != core.CodeBadModel {
			t.Errorf("%s: %v", name, err)
		}
	}
}
