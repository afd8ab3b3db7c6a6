package host

import (
	"bytes"
	"slices"
	"testing"

	"ashatai/internal/core"
	"ashatai/internal/engine"
	"ashatai/internal/engine/mock"
	"ashatai/internal/worker/wire"
)

func TestTensorsThroughAWorker(t *testing.T) {
	m, err := New(config(t, "good")).Runtime("panicking", mock.New().Descriptor()).Load(t.Context(), spec(t, nil), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close() //nolint:errcheck // at the end of the test
	tm, ok := m.(engine.TensorModel)
	if !ok {
		t.Fatal("no tensors")
	}
	big := func(n int) core.Tensor {
		return core.Tensor{Name: "big", Type: core.Uint8, Shape: []int64{int64(n)}, Data: bytes.Repeat([]byte{3}, n)}
	}
	for _, in := range [][]core.Tensor{
		{{Name: "a", Type: core.FP32, Shape: []int64{1}, Data: []byte{1, 2, 3, 4}}, {Name: "b", Type: core.Bytes, Shape: []int64{1}, Data: core.AppendText(nil, "x")}},
		{big(32 << 20)},
	} {
		out, err := tm.Infer(t.Context(), in, nil)
		if err != nil {
			t.Fatal(err)
		}
		same := func(a, b core.Tensor) bool {
			return a.Name == b.Name && a.Type == b.Type && slices.Equal(a.Shape, b.Shape) && bytes.Equal(a.Data, b.Data)
		}
		if !slices.EqualFunc(in, out, same) {
			t.Error("tensors come back otherwise")
		}
	}
	for _, in := range [][]core.Tensor{{big(wire.MaxFrame)}, {big(40 << 20), big(40 << 20)}} {
		if _, err := tm.Infer(t.Context(), in, nil); core.CodeOf(err) != core.CodeTooLarge {
			t.Errorf("too many bytes: %v", err)
		}
	}
	plain := open(t, config(t, "good"), spec(t, nil))
	if _, err := plain.Infer(t.Context(), nil, nil); core.CodeOf(err) != core.CodeUnsupported {
		t.Errorf("a model without tensors: %v", err)
	}
	odd := open(t, config(t, "chatty"), spec(t, nil))
	_ = odd.Close()
	if _, err := odd.Infer(t.Context(), nil, nil); err == nil {
		t.Error("a worker that has ended answers")
	}
}

// TestAnswerWithoutEnd: a worker that sends tensors for ever takes no more of the server's memory than an answer may.
func TestAnswerWithoutEnd(t *testing.T) {
	g := gathered{room: 1000}
	frame := func() *wire.Frame {
		return &wire.Frame{Kind: wire.KindTensors, Header: []byte(`{"tensors":[{"name":"x","type":"UINT8","shape":[300],"size":300}],"more":true}`), Tail: make([]byte, 300)}
	}
	for n := 1; ; n++ {
		over, err := g.take(frame())
		if err != nil || n > 3 {
			t.Fatalf("%d frames, %v", n, err)
		}
		if over {
			break
		}
	}
	if g.room >= 0 || g.tensors != nil {
		t.Errorf("%+v", g)
	}
}
