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
	in := onnxfiletest.Floats(1, 2, 3, 4)
	x, err := l.Over(Float32, []int64{2, 2}, in)
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	values, err := s.Run(nil, []Input{{"x", x}}, []string{"y"})
	if err != nil || len(values) != 1 {
		t.Fatalf("%d values, %v", len(values), err)
	}
	typ, shape, data, err := values[0].Data()
	if err != nil || typ != Float32 || !slices.Equal(shape, []int64{2, 2}) || !bytes.Equal(data, onnxfiletest.Floats(2, 4, 6, 8)) {
		t.Errorf("type %d, shape %v, % x, %v", typ, shape, data, err)
	}

	// An output is the input of the next run without a copy, and stays as it is.
	again, err := s.Run(nil, []Input{{"x", values[0]}}, []string{"y"})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, data, err := again[0].Data(); err != nil || !bytes.Equal(data, onnxfiletest.Floats(4, 8, 12, 16)) {
		t.Errorf("% x, %v", data, err)
	}
	if _, _, data, err := values[0].Data(); err != nil || !bytes.Equal(data, onnxfiletest.Floats(2, 4, 6, 8)) {
		t.Errorf("% x, %v", data, err)
	}
	values[0].Close()
	again[0].Close()
	if _, err := s.Run(nil, []Input{{"z", x}}, []string{"y"}); err == nil {
		t.Error("an input that the model does not have")
	}
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
		values, err := s.Run(nil, []Input{{"x", x}}, []string{"y"})
		if err != nil {
			t.Fatal(err)
		}
		shape, got, err := values[0].Texts()
		var want []byte
		for _, s := range texts {
			want = append(append(want, byte(len(s)), 0, 0, 0), s...)
		}
		if err != nil || !bytes.Equal(got, want) || !slices.Equal(shape, []int64{int64(len(texts))}) {
			t.Errorf("%q, %v", got, err)
		}
		if _, _, _, err := values[0].Data(); err == nil {
			t.Error("texts have plain memory")
		}
		values[0].Close()
		x.Close()
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
		if _, _, data, err := v.Data(); err != nil || len(data) != 0 {
			t.Errorf("% x, %v", data, err)
		}
		v.Close()
	}
	s := session(t, l, twice(Int64))
	x, err := l.Over(Float32, []int64{1, 2}, make([]byte, 8))
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	if _, err := s.Run(nil, []Input{{"x", x}}, []string{"y"}); !errors.Is(err, ErrFailed) {
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
	if _, err := s.Run(stop, []Input{{"x", y}}, []string{"y"}); err == nil || !strings.Contains(err.Error(), "terminate") {
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

// TestStopsAreUsedAgain: one that ended nothing serves the next run; one that did is gone, and ends nothing later.
func TestStopsAreUsedAgain(t *testing.T) {
	l := open(t)
	stop := func() *Stop {
		t.Helper()
		s, err := l.NewStop()
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	a := stop()
	first := a.h
	a.Close()
	if err := a.Now(); err != nil { // late
		t.Error(err)
	}
	b := stop()
	if b.h != first {
		t.Error("a new one was made")
	}
	if err := b.Now(); err != nil {
		t.Error(err)
	}
	b.Close()
	if c := stop(); c.h == 0 {
		t.Error("none was made")
	} else {
		defer c.Close()
	}
	if len(l.stops) != 0 {
		t.Error("one that has ended a run is kept")
	}
}
