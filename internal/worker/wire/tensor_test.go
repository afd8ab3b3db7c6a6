package wire

import (
	"bytes"
	"slices"
	"sync"
	"testing"
	"unsafe"

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
		f := sent(t, func(c *Conn) error {
			return c.Send(KindTensors, 1, Tensors{Tensors: head, More: len(more) > 0}, tail...)
		})
		kept := f.Tail
		part, err := TensorsIn(head, &f)
		if err != nil {
			t.Fatal(err)
		}
		if len(kept) < directSize {
			clear(kept) // the frame's bytes do not last
		}
		for _, p := range part {
			if len(p.Data) >= directSize && uintptr(unsafe.Pointer(unsafe.SliceData(p.Data)))%Align != 0 {
				t.Errorf("%s is not aligned", p.Name)
			}
		}
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
		"too few bytes":       {[]TensorHead{good}, []byte{1}},
		"too many bytes":      {[]TensorHead{good}, []byte{1, 2, 3}},
		"below zero":          {[]TensorHead{{Name: "a", Type: core.Uint8, Shape: []int64{2}, Size: -1}}, nil},
		"another shape":       {[]TensorHead{{Name: "a", Type: core.Uint8, Shape: []int64{3}, Size: 2}}, []byte{1, 2}},
		"a gap at the end":    {[]TensorHead{good}, make([]byte, Align)},
		"none behind the gap": {[]TensorHead{good, good}, []byte{1, 2, 3, 4}},
		"no type":             {[]TensorHead{{Name: "a", Type: "X", Shape: []int64{2}, Size: 2}}, []byte{1, 2}},
	} {
		if _, err := TensorsIn(c.head, &Frame{Tail: c.tail}); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

// TestLongTailsAmongOthers: frames that others send while a long tail is written come whole, before it or behind it.
func TestLongTailsAmongOthers(t *testing.T) {
	a, b := pair(t)
	const senders, each = 4, 30
	var wg sync.WaitGroup
	for s := range senders {
		wg.Go(func() {
			long := bytes.Repeat([]byte{byte(s)}, 300<<10)
			for i := range each {
				var err error
				if i%3 == 0 {
					err = a.Send(KindTensors, uint32(s), nil, long[:10], long, long[:200<<10])
				} else {
					err = a.SendEvent(uint32(s), &core.Event{Text: "x"})
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range senders * each {
		f, err := b.Read()
		if err != nil {
			t.Fatal(err)
		}
		if f.Kind != KindTensors {
			continue
		}
		parts, n := [][]byte{f.Tail[:10], f.Tail[Align : Align+300<<10], f.Tail[Align+300<<10:]}, 0
		for _, p := range parts {
			n += bytes.Count(p, []byte{byte(f.Call)})
		}
		if n < 10+500<<10 || len(parts[2]) != 200<<10 {
			t.Fatalf("call %d: %d bytes of %d are right", f.Call, n, len(f.Tail))
		}
	}
	wg.Wait()
	_ = b.Close()
	_ = a.Close()
	if err := a.Send(KindTensors, 1, nil, make([]byte, directSize)); err == nil {
		t.Error("a closed channel takes a long tail")
	}
}
