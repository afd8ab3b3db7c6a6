package core

import (
	"slices"
	"strings"
	"testing"
)

func TestTensorCheck(t *testing.T) {
	texts := AppendText(AppendText(nil, "a"), "")
	for _, c := range []struct {
		t    Tensor
		good bool
	}{
		{Tensor{Type: FP32, Shape: []int64{2, 3}, Data: make([]byte, 24)}, true},
		{Tensor{Type: FP16, Shape: nil, Data: make([]byte, 2)}, true},
		{Tensor{Type: Int64, Shape: []int64{0, 5}}, true},
		{Tensor{Type: Bytes, Shape: []int64{2}, Data: texts}, true},
		{Tensor{Type: Bytes, Shape: []int64{3}, Data: texts}, false},
		{Tensor{Type: Bytes, Shape: []int64{1}, Data: []byte{9, 0, 0, 0, 'x'}}, false},
		{Tensor{Type: Bytes, Shape: []int64{1}, Data: []byte{1, 0}}, false},
		{Tensor{Type: FP32, Shape: []int64{2}, Data: make([]byte, 7)}, false},
		{Tensor{Type: FP32, Shape: []int64{-1}, Data: nil}, false},
		{Tensor{Type: Bool, Shape: []int64{1 << 40, 1 << 40}, Data: nil}, false},
		{Tensor{Type: Bool, Shape: make([]int64, MaxRank+1), Data: nil}, false},
		{Tensor{Type: "FP7", Shape: []int64{1}, Data: make([]byte, 1)}, false},
	} {
		if err := c.t.Check(); (err == nil) != c.good {
			t.Errorf("%+v: %v", c.t, err)
		}
	}
	if got := Texts(texts); !slices.Equal(got, []string{"a", ""}) {
		t.Errorf("%q", got)
	}
	sizes := map[DataType]int{Bool: 1, Uint8: 1, Int8: 1, Uint16: 2, Int16: 2, FP16: 2, BF16: 2, Uint32: 4, Int32: 4, FP32: 4, Uint64: 8, Int64: 8, FP64: 8, Bytes: 0, "X": 0}
	for d, n := range sizes {
		if d.Size() != n || d.Known() != (d != "X") {
			t.Errorf("%s has %d bytes", d, d.Size())
		}
	}
}

func TestFits(t *testing.T) {
	inputs := []TensorInfo{{Name: "ids", Type: Int64, Shape: []int64{-1, 4}}, {Name: "state", Type: FP32, Shape: []int64{2}}}
	ids := Tensor{Name: "ids", Type: Int64, Shape: []int64{1, 4}, Data: make([]byte, 32)}
	state := Tensor{Name: "state", Type: FP32, Shape: []int64{2}, Data: make([]byte, 8)}
	with := func(t Tensor, change func(*Tensor)) Tensor { change(&t); return t }
	for want, given := range map[string][]Tensor{
		"":                {state, ids},
		"is missing":      {ids},
		"twice":           {ids, ids, state},
		"no input":        {ids, state, with(ids, func(t *Tensor) { t.Name = "x" })},
		"is INT32":        {with(ids, func(t *Tensor) { t.Type = Int32 }), state},
		"is INT64 [1 5]":  {with(ids, func(t *Tensor) { t.Shape = []int64{1, 5} }), state},
		"is INT64 [-1 4]": {with(ids, func(t *Tensor) { t.Shape = []int64{-1, 4} }), state},
		"has 31 bytes":    {with(ids, func(t *Tensor) { t.Data = t.Data[:31] }), state},
	} {
		err := Fits(inputs, given)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", want, err)
		}
	}
	free := []TensorInfo{{Name: "ids", Type: Int64}}
	if err := Fits(free, []Tensor{ids}); err != nil {
		t.Errorf("an input of any shape: %v", err)
	}
	if err := Fits(free, []Tensor{with(ids, func(t *Tensor) { t.Shape = []int64{-1, 4} })}); err == nil {
		t.Error("no shape is a shape")
	}
	if err := Fits([]TensorInfo{{Name: "ids", Type: Int64, Shape: []int64{}}}, []Tensor{ids}); err == nil {
		t.Error("a single value has two dimensions")
	}
	if err := Fits([]TensorInfo{{Name: "ids", Type: FP32, AnyType: true}}, []Tensor{ids}); err != nil {
		t.Errorf("an input of any type: %v", err)
	}
	mask := []TensorInfo{{Name: "mask", Type: Bool, Shape: []int64{2}}}
	for b, good := range map[byte]bool{0: true, 1: true, 2: false, 255: false} {
		if err := Fits(mask, []Tensor{{Name: "mask", Type: Bool, Shape: []int64{2}, Data: []byte{1, b}}}); (err == nil) != good {
			t.Errorf("a boolean of %d: %v", b, err)
		}
	}
	for _, c := range []struct {
		names []string
		want  []int
		good  bool
	}{{nil, []int{0, 1}, true}, {[]string{"state", "ids"}, []int{1, 0}, true}, {[]string{}, nil, true}, {[]string{"x"}, nil, false}, {[]string{"ids", "ids"}, nil, false}} {
		got, err := Wanted(inputs, c.names)
		if (err == nil) != c.good || c.good && !slices.Equal(got, c.want) {
			t.Errorf("%v: %v, %v", c.names, got, err)
		}
	}
	if s := describe(make([]TensorInfo, 40)); !strings.HasSuffix(s, "…") {
		t.Errorf("%q", s)
	}
}
