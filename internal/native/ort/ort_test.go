package ort

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ashatai/internal/native"
	"ashatai/internal/onnxfile/onnxfiletest"
)

func open(t *testing.T) *Library {
	t.Helper()
	dir := os.Getenv("ASHATAI_TEST_ONNX")
	if dir == "" {
		t.Skip("ASHATAI_TEST_ONNX is not set; make test sets it")
	}
	l, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func session(t *testing.T, l *Library, g onnxfiletest.Graph) *Session {
	t.Helper()
	path := filepath.Join(t.TempDir(), "model.onnx")
	if err := os.WriteFile(path, onnxfiletest.Model(g), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := l.NewSession(path, Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// twice is y = x + x over a free dimension.
func twice(typ int) onnxfiletest.Graph {
	return onnxfiletest.Graph{
		Nodes:   []onnxfiletest.Node{{Op: "Add", In: []string{"x", "x"}, Out: []string{"y"}}},
		Inputs:  []onnxfiletest.Value{{Name: "x", Type: typ, Shape: []int64{-1, 2}}},
		Outputs: []onnxfiletest.Value{{Name: "y", Type: typ, Shape: []int64{-1, 2}}},
	}
}

func TestRun(t *testing.T) {
	l := open(t)
	if providers, err := l.Providers(); err != nil || !slices.Contains(providers, "CPUExecutionProvider") || l.Version() != Release {
		t.Errorf("%v, %v, %s", providers, err, l.Version())
	}
	s := session(t, l, twice(Float32))
	want := []Info{{Name: "x", Type: Float32, Shape: []int64{-1, 2}}}
	if !slices.EqualFunc(s.Inputs, want, func(a, b Info) bool { return a.Name == b.Name && a.Type == b.Type && slices.Equal(a.Shape, b.Shape) }) || s.Outputs[0].Name != "y" {
		t.Errorf("%+v to %+v", s.Inputs, s.Outputs)
	}
	b, err := s.NewBinding()
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	in := onnxfiletest.Floats(1, 2, 3, 4)
	x, err := l.Over(Float32, []int64{2, 2}, in)
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	if err := errors.Join(b.Input("x", x), b.Fresh("y"), b.Run(nil)); err != nil {
		t.Fatal(err)
	}
	values, err := b.Values()
	if err != nil || len(values) != 1 {
		t.Fatalf("%d values, %v", len(values), err)
	}
	typ, shape, err := values[0].Info()
	data, err2 := values[0].Data()
	if errors.Join(err, err2) != nil || typ != Float32 || !slices.Equal(shape, []int64{2, 2}) || !bytes.Equal(data, onnxfiletest.Floats(2, 4, 6, 8)) {
		t.Errorf("type %d, shape %v, % x, %v", typ, shape, data, err)
	}

	// An output bound to a value is the input of the next run without a copy.
	b.Clear()
	out, err := l.Over(Float32, []int64{2, 2}, make([]byte, 16))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if err := errors.Join(b.Input("x", values[0]), b.Output("y", out), b.Run(nil)); err != nil {
		t.Fatal(err)
	}
	if data, err := out.Data(); err != nil || !bytes.Equal(data, onnxfiletest.Floats(4, 8, 12, 16)) {
		t.Errorf("% x, %v", data, err)
	}
	values[0].Close()
}

func TestTexts(t *testing.T) {
	l := open(t)
	s := session(t, l, onnxfiletest.Graph{
		Nodes:  []onnxfiletest.Node{{Op: "Identity", In: []string{"x"}, Out: []string{"y"}}},
		Inputs: []onnxfiletest.Value{{Name: "x", Type: String, Shape: []int64{-1}}}, Outputs: []onnxfiletest.Value{{Name: "y", Type: String, Shape: []int64{-1}}},
	})
	for _, texts := range [][]string{{"hey", "", "é"}, {}} {
		x, err := l.Texts([]int64{int64(len(texts))}, texts)
		if err != nil {
			t.Fatal(err)
		}
		b, err := s.NewBinding()
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(b.Input("x", x), b.Fresh("y"), b.Run(nil)); err != nil {
			t.Fatal(err)
		}
		values, err := b.Values()
		if err != nil {
			t.Fatal(err)
		}
		got, err := values[0].AppendTexts(nil)
		var want []byte
		for _, s := range texts {
			want = append(append(want, byte(len(s)), 0, 0, 0), s...)
		}
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%q, %v", got, err)
		}
		if _, err := values[0].Data(); err == nil {
			t.Error("texts have plain memory")
		}
		values[0].Close()
		x.Close()
		b.Close()
	}
	if _, err := l.Texts([]int64{2}, nil); err == nil {
		t.Error("no texts of a shape of two")
	}
}

func TestRefusals(t *testing.T) {
	l := open(t)
	bad := filepath.Join(t.TempDir(), "bad.onnx")
	if err := os.WriteFile(bad, []byte("no model"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{bad, bad + ".missing"} {
		if _, err := l.NewSession(path, Options{Threads: 1}); !errors.Is(err, ErrFailed) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if _, err := l.Over(Float32, []int64{3}, make([]byte, 4)); err == nil {
		t.Error("too few bytes")
	}
	if v, err := l.Over(Int64, []int64{0}, nil); err != nil {
		t.Error(err)
	} else {
		if data, err := v.Data(); err != nil || len(data) != 0 {
			t.Errorf("% x, %v", data, err)
		}
		v.Close()
	}
	s := session(t, l, twice(Int64))
	b, err := s.NewBinding()
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	x, err := l.Over(Float32, []int64{1, 2}, make([]byte, 8))
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	if err := errors.Join(b.Input("x", x), b.Fresh("y"), b.Run(nil)); !errors.Is(err, ErrFailed) {
		t.Errorf("another type: %v", err)
	}
	stop, err := l.NewStop()
	if err != nil {
		t.Fatal(err)
	}
	defer stop.Close()
	if err := stop.Now(); err != nil {
		t.Fatal(err)
	}
	y, err := l.Over(Int64, []int64{1, 2}, make([]byte, 16))
	if err != nil {
		t.Fatal(err)
	}
	defer y.Close()
	b.Clear()
	if err := errors.Join(b.Input("x", y), b.Fresh("y"), b.Run(stop)); err == nil || !strings.Contains(err.Error(), "terminate") {
		t.Errorf("a run that was ended: %v", err)
	}
}

func TestMissingAndChangedLibraries(t *testing.T) {
	dir := t.TempDir()
	if _, err := Open(dir); !errors.Is(err, native.ErrMissing) {
		t.Errorf("%v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, file), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir); !errors.Is(err, native.ErrMismatch) && !errors.Is(err, native.ErrMissing) {
		t.Errorf("%v", err)
	}
	if d, err := DefaultDir(); err != nil || filepath.Base(d) != "onnxruntime" {
		t.Errorf("%s, %v", d, err)
	}
	for typ, n := range map[int]int{Float32: 4, Bool: 1, Int64: 8, Float16: 2, String: 0} {
		if Size(typ) != n {
			t.Errorf("type %d has %d bytes", typ, Size(typ))
		}
	}
}
