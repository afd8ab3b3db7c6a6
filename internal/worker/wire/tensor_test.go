package wire

import (
	"bytes"
	"slices"
	"testing"

	"ashatai/internal/core"
)

func TestTensorsThereAndBack(t *testing.T) {
	big := func(n int) core.Tensor {
		return core.Tensor{Name: "big", Type: core.Uint8, Shape: []int64{int64(n)}, Data: make([]byte, n)}
	}
	in := []core.Tensor{
		{Name: "a", Type: core.FP32, Shape: []int64{1, 2}, Data: []byte{1, 2, 3, 4, 5, 6, 7, 8}},
		{Name: "scalar", Type: core.Int8, Shape: nil, Data: []byte{9}},
		{Name: "none", Type: core.Int64, Shape: []int64{0}, Data: []byte{}},
		big(TensorsAtOnce), big(TensorsAtOnce + 1),
		{Name: "b", Type: core.Bytes, Shape: []int64{1}, Data: core.AppendText(nil, "x")},
	}
	var out []core.Tensor
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
	same := func(a, b core.Tensor) bool {
		return a.Name == b.Name && a.Type == b.Type && slices.Equal(a.Shape, b.Shape) && bytes.Equal(a.Data, b.Data)
	}
	if !slices.EqualFunc(in, out, same) || frames != 4 {
		t.Errorf("%d tensors in %d frames", len(out), frames)
	}
	if _, _, _, err := TensorsOut([]core.Tensor{big(MaxFrame)}, MaxTensors); core.CodeOf(err) != core.CodeTooLarge {
		t.Errorf("a tensor that fits into no frame: %v", err)
	}
}

func TestBrokenTensors(t *testing.T) {
	good := TensorHead{Name: "a", Type: core.Uint8, Shape: []int64{2}, Size: 2}
	for name, c := range map[string]struct {
		head []TensorHead
		tail []byte
	}{
		"too few bytes":  {[]TensorHead{good}, []byte{1}},
		"too many bytes": {[]TensorHead{good}, []byte{1, 2, 3}},
		"below zero":     {[]TensorHead{{Name: "a", Type: core.Uint8, Shape: []int64{2}, Size: -1}}, nil},
		"another shape":  {[]TensorHead{{Name: "a", Type: core.Uint8, Shape: []int64{3}, Size: 2}}, []byte{1, 2}},
		"no type":        {[]TensorHead{{Name: "a", Type: "X", Shape: []int64{2}, Size: 2}}, []byte{1, 2}},
	} {
		if _, err := TensorsIn(c.head, c.tail); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}
