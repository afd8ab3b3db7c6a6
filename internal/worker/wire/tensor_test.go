package wire

import (
	"bytes"
	"slices"
	"testing"

	"ashatai/internal/core"
	"ashatai/internal/engine"
)

func TestTensorsThereAndBack(t *testing.T) {
	big := func(n int) engine.Tensor {
		return engine.Tensor{Name: "big", Type: engine.Uint8, Shape: []int64{int64(n)}, Data: make([]byte, n)}
	}
	in := []engine.Tensor{
		{Name: "a", Type: engine.FP32, Shape: []int64{1, 2}, Data: []byte{1, 2, 3, 4, 5, 6, 7, 8}},
		{Name: "scalar", Type: engine.Int8, Shape: nil, Data: []byte{9}},
		{Name: "none", Type: engine.Int64, Shape: []int64{0}, Data: []byte{}},
		big(TensorsAtOnce), big(TensorsAtOnce + 1),
		{Name: "b", Type: engine.Bytes, Shape: []int64{1}, Data: engine.AppendText(nil, "x")},
	}
	var out []engine.Tensor
	frames := 0
	for rest := in; len(rest) > 0; frames++ {
		head, tail, more, err := TensorsOut(rest, TensorsAtOnce)
		if err != nil {
			t.Fatal(err)
		}
		part, err := TensorsIn(head, tail)
		if err != nil {
			t.Fatal(err)
		}
		clear(tail) // the frame's bytes do not last
		out, rest = append(out, part...), more
	}
	same := func(a, b engine.Tensor) bool {
		return a.Name == b.Name && a.Type == b.Type && slices.Equal(a.Shape, b.Shape) && bytes.Equal(a.Data, b.Data)
	}
	if !slices.EqualFunc(in, out, same) || frames != 4 {
		t.Errorf("%d tensors in %d frames", len(out), frames)
	}
	if _, _, _, err := TensorsOut([]engine.Tensor{big(MaxFrame)}, MaxTensors); core.CodeOf(err) != core.CodeTooLarge {
		t.Errorf("a tensor that fits into no frame: %v", err)
	}
}

func TestBrokenTensors(t *testing.T) {
	good := TensorHead{Name: "a", Type: engine.Uint8, Shape: []int64{2}, Size: 2}
	for name, c := range map[string]struct {
		head []TensorHead
		tail []byte
	}{
		"too few bytes":  {[]TensorHead{good}, []byte{1}},
		"too many bytes": {[]TensorHead{good}, []byte{1, 2, 3}},
		"below zero":     {[]TensorHead{{Name: "a", Type: engine.Uint8, Shape: []int64{2}, Size: -1}}, nil},
		"another shape":  {[]TensorHead{{Name: "a", Type: engine.Uint8, Shape: []int64{3}, Size: 2}}, []byte{1, 2}},
		"no type":        {[]TensorHead{{Name: "a", Type: "X", Shape: []int64{2}, Size: 2}}, []byte{1, 2}},
	} {
		if _, err := TensorsIn(c.head, c.tail); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}
