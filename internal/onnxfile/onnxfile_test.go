package onnxfile

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"ashatai/internal/core"
	"ashatai/internal/onnxfile/onnxfiletest"
	"ashatai/internal/protobuf"
)

func sample() onnxfiletest.Graph {
	return onnxfiletest.Graph{
		Nodes: []onnxfiletest.Node{
			{Op: "MatMul", In: []string{"x", "w"}, Out: []string{"y"}},
			{Op: "Special", Domain: "com.example", In: []string{"y"}, Out: []string{"z"}, Ints: map[string]int64{"axis": 1}, Floats: map[string]float32{"f": 2}, Lists: map[string][]int64{"l": {1, 2}}},
			{Op: "Loop", In: []string{"z"}, Out: []string{"q"}, Graph: &onnxfiletest.Graph{
				Nodes:   []onnxfiletest.Node{{Op: "Add", In: []string{"a", "b"}, Out: []string{"c"}}},
				Weights: []onnxfiletest.Tensor{{Name: "inner", Type: 1, Shape: []int64{1}, Location: "inner.bin"}},
			}},
		},
		Weights: []onnxfiletest.Tensor{
			{Name: "w", Type: 1, Shape: []int64{2, 3}, Raw: onnxfiletest.Floats(1, 2, 3, 4, 5, 6)},
			{Name: "far", Type: 1, Shape: []int64{4}, Location: "data/w.bin", Offset: "16", Length: "16"},
		},
		Inputs:  []onnxfiletest.Value{{Name: "x", Type: 1, Shape: []int64{-1, 2}}, {Name: "w", Type: 1, Shape: []int64{2, 3}}},
		Outputs: []onnxfiletest.Value{{Name: "q", Type: 7, Shape: []int64{-1}}},
	}
}

func read(b []byte) (*File, error) { return Read(bytes.NewReader(b), int64(len(b))) }

func TestRead(t *testing.T) {
	f, err := read(onnxfiletest.Model(sample()))
	if err != nil {
		t.Fatal(err)
	}
	if f.IR != 8 || f.Producer != "onnxfiletest" || f.Opsets[""] != 17 || f.Metadata["purpose"] != "test" {
		t.Errorf("%+v", f)
	}
	if len(f.Inputs) != 1 || f.Inputs[0].Name != "x" || !slices.Equal(f.Inputs[0].Shape, []int64{-1, 2}) || f.Inputs[0].Names[0] != "free" || f.Inputs[0].Type != 1 {
		t.Errorf("the inputs are %+v; an initializer is none", f.Inputs)
	}
	if len(f.Outputs) != 1 || f.Outputs[0].Type != 7 {
		t.Errorf("outputs %+v", f.Outputs)
	}
	if f.Parameters != 10 || f.Weights != 24+16 {
		t.Errorf("%d parameters in %d bytes", f.Parameters, f.Weights)
	}
	for op, n := range map[string]int{".MatMul": 1, "com.example.Special": 1, ".Loop": 1, ".Add": 1} {
		if f.Operators[op] != n {
			t.Errorf("%s %d times", op, f.Operators[op])
		}
	}
	want := []External{{"inner", "inner.bin", 0, -1}, {"far", "data/w.bin", 16, 16}}
	if !slices.Equal(f.External, want) {
		t.Errorf("outside: %+v", f.External)
	}
}

func TestRealModel(t *testing.T) {
	dir := os.Getenv("ASHATAI_TEST_MINILM")
	if dir == "" {
		t.Skip("ASHATAI_TEST_MINILM is not set; make test sets it")
	}
	b, err := os.ReadFile(filepath.Join(dir, "model.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	f, err := read(b)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, v := range f.Inputs {
		names = append(names, v.Name)
	}
	if strings.Join(names, " ") != "input_ids attention_mask token_type_ids" || f.Parameters < 20e6 || f.Operators[".MatMulInteger"] == 0 || len(f.External) != 0 {
		t.Errorf("%v, %d parameters, %v", names, f.Parameters, f.Operators)
	}
	for n := 1; n < len(b); n = n*3/2 + 1 {
		if _, err := read(b[:n]); core.CodeOf(err) != core.CodeBadModel {
			t.Errorf("the first %d bytes: %v", n, err)
		}
	}
}

func TestOutsideTensorsStayInTheFolder(t *testing.T) {
	for _, location := range []string{"/etc/passwd", "../w.bin", "a/../../w.bin", "..", "./w.bin", "a//b", `a\b`, "C:w.bin", "w.bin\x00", "a/"} {
		g := sample()
		g.Weights[1].Location = location
		if _, err := read(onnxfiletest.Model(g)); core.CodeOf(err) != core.CodeBadModel || !strings.Contains(err.Error(), "folder") {
			t.Errorf("%q: %v", location, err)
		}
	}
	for _, n := range []string{"-1", "x", "99999999999999999999"} {
		g := sample()
		g.Weights[1].Offset = n
		if _, err := read(onnxfiletest.Model(g)); core.CodeOf(err) != core.CodeBadModel {
			t.Errorf("offset %q: %v", n, err)
		}
	}
}

func TestCheckExternal(t *testing.T) {
	f, err := read(onnxfiletest.Model(sample()))
	if err != nil {
		t.Fatal(err)
	}
	single := func(fs.FileInfo) bool { return true }
	good := fstest.MapFS{"inner.bin": {Data: make([]byte, 4)}, "data/w.bin": {Data: make([]byte, 32)}}
	if err := f.CheckExternal(good, single); err != nil {
		t.Error(err)
	}
	for name, folder := range map[string]fstest.MapFS{
		"missing":   {"inner.bin": {Data: make([]byte, 4)}},
		"too short": {"inner.bin": {Data: make([]byte, 4)}, "data/w.bin": {Data: make([]byte, 31)}},
		"far short": {"inner.bin": {Data: make([]byte, 4)}, "data/w.bin": {Data: make([]byte, 3)}},
		"a link":    {"inner.bin": {Data: []byte("x"), Mode: fs.ModeSymlink}, "data/w.bin": {Data: make([]byte, 32)}},
		"a folder":  {"inner.bin/x": {Data: []byte("x")}, "data/w.bin": {Data: make([]byte, 32)}},
	} {
		if err := f.CheckExternal(folder, single); core.CodeOf(err) != core.CodeBadModel {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := f.CheckExternal(good, func(fs.FileInfo) bool { return false }); core.CodeOf(err) != core.CodeBadModel {
		t.Errorf("a second name: %v", err)
	}
}

func TestBrokenFiles(t *testing.T) {
	good := onnxfiletest.Model(sample())
	deep := onnxfiletest.Graph{}
	for range maxDepth + 5 {
		inner := deep
		deep = onnxfiletest.Graph{Nodes: []onnxfiletest.Node{{Op: "If", Graph: &inner}}}
	}
	many := onnxfiletest.Graph{Outputs: []onnxfiletest.Value{{Name: "x", Type: 1, Shape: make([]int64, maxRank+1)}}}
	for name, b := range map[string][]byte{
		"nothing": nil, "text": []byte("GGUF and more of it"), "two graphs": slices.Concat(good, good), "deep graphs": onnxfiletest.Model(deep), "many dimensions": onnxfiletest.Model(many),
		"no graph": {8, 8}, "old": {8, 1, 58, 0}, "new": {8, 100, 58, 0}, "no number": {0, 0}, "a group": {11}, "long": {58, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}, "cut": {58, 5, 1}, "cut number": {8, 0xff},
		"cut fixed": {9, 1}, "graph is a number": {56, 1}, "big dimension": onnxfiletest.Model(onnxfiletest.Graph{Weights: []onnxfiletest.Tensor{{Name: "w", Shape: []int64{1 << 41}}}}),
		"overflow":  onnxfiletest.Model(onnxfiletest.Graph{Weights: []onnxfiletest.Tensor{{Name: "w", Shape: []int64{1 << 40, 1 << 40}}}}),
		"long name": onnxfiletest.Model(onnxfiletest.Graph{Inputs: []onnxfiletest.Value{{Name: strings.Repeat("x", protobuf.MaxText+1)}}}),
	} {
		if _, err := read(b); core.CodeOf(err) != core.CodeBadModel {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Read(failing{}, 100); core.CodeOf(err) != core.CodeBadModel {
		t.Errorf("a file that cannot be read: %v", err)
	}
	if _, err := Read(bytes.NewReader(good), int64(len(good))+9); core.CodeOf(err) != core.CodeBadModel {
		t.Errorf("a file that has shrunk: %v", err)
	}
}

type failing struct{}

func (failing) ReadAt([]byte, int64) (int, error) { return 0, errors.New("on purpose") }

func FuzzRead(f *testing.F) {
	f.Add(onnxfiletest.Model(sample()))
	f.Fuzz(func(t *testing.T, b []byte) {
		file, err := read(b)
		if err != nil {
			if core.CodeOf(err) != core.CodeBadModel {
				t.Errorf("%v", err)
			}
			return
		}
		for _, e := range file.External {
			if !fs.ValidPath(e.Location) {
				t.Errorf("outside: %q", e.Location)
			}
		}
	})
}

func TestFilesBesideAModel(t *testing.T) {
	folder := fstest.MapFS{
		"config.json": {Data: []byte(`{"a": 1}`)}, "half.json": {Data: []byte(`{"a"`)}, "sub/x.json": {Data: []byte(`{"a": 2}`)},
	}
	for name, want := range map[string]int{"config.json": 1, "sub/x.json": 2, "missing.json": 7} {
		got := struct{ A int }{7}
		if err := ReadJSON(folder, name, &got); err != nil || got.A != want {
			t.Errorf("%s: %d, %v", name, got.A, err)
		}
	}
	if err := ReadJSON(folder, "half.json", &struct{}{}); core.CodeOf(err) != core.CodeBadModel {
		t.Errorf("half a file: %v", err)
	}
	if b, err := ReadBeside(folder, "config.json", 8); err != nil || string(b) != `{"a": 1}` {
		t.Errorf("%s, %v", b, err)
	}
	for name, limit := range map[string]int64{"config.json": 7, "sub": 100} {
		if _, err := ReadBeside(folder, name, limit); core.CodeOf(err) != core.CodeBadModel {
			t.Errorf("%s of at most %d bytes: %v", name, limit, err)
		}
	}
}
