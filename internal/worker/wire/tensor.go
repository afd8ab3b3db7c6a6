package wire

import (
	"slices"

	"ashatai/internal/core"
)

// TensorHead is a tensor without its bytes. Those are parts of the tail, in the same order.
type TensorHead struct {
	Name  string        `json:"name"`
	Type  core.DataType `json:"type"`
	Shape []int64       `json:"shape"`
	Size  int           `json:"size"` // bytes
}

// Infer asks for tensors. Outputs null means all.
type Infer struct {
	Inputs    []TensorHead `json:"inputs"`
	Outputs   []string     `json:"outputs"`
	TimeoutMS int64        `json:"timeout_ms,omitempty"` // 0: none
}

// Tensors carries tensors. More says that another frame of the same call follows.
type Tensors struct {
	Tensors []TensorHead `json:"tensors"`
	More    bool         `json:"more,omitempty"`
}

const (
	// TensorsAtOnce is about how much of an answer goes into one frame, where tensors are small enough.
	TensorsAtOnce = 16 << 20
	// MaxTensors is the most that fits into a frame, with room for its header.
	MaxTensors = MaxFrame - 1<<20
)

// TensorsOut makes a frame's header and tail of as many tensors as fit into about room bytes; rest are the others. The tail is
// the tensors' own bytes. One tensor alone may fill a frame; one that fits into none is CodeTooLarge.
func TensorsOut(tensors []core.Tensor, room int) (head []TensorHead, tail [][]byte, rest []core.Tensor, err error) {
	total, n := 0, 0
	for n < len(tensors) && (n == 0 || aligned(total)+len(tensors[n].Data) <= room) {
		total = aligned(total) + len(tensors[n].Data)
		n++
	}
	if total > MaxTensors {
		return nil, nil, nil, core.Errorf(core.CodeTooLarge, "The tensor %.80q has %d MiB; one that goes to or from a worker has at most %d.", tensors[0].Name, total>>20, MaxTensors>>20)
	}
	for _, t := range tensors[:n] {
		head = append(head, TensorHead{Name: t.Name, Type: t.Type, Shape: slices.Clone(t.Shape), Size: len(t.Data)})
		tail = append(tail, t.Data)
	}
	return head, tail, tensors[n:], nil
}

// TensorsIn makes tensors of a frame, which are the caller's: a long tail is kept, a short one copied. Bytes that are not what
// types and shapes ask for break the protocol.
func TensorsIn(head []TensorHead, f *Frame) ([]core.Tensor, error) {
	all := f.Tail
	if len(all) >= directSize {
		f.Keep()
	} else {
		all = slices.Clone(all)
	}
	out := make([]core.Tensor, 0, len(head))
	n := 0
	for _, h := range head {
		from := aligned(n)
		if h.Size < 0 || from > len(all) || h.Size > len(all)-from {
			return nil, broken("a tensor has %d bytes from the byte %d on, and the frame has %d", h.Size, from, len(all))
		}
		n = from + h.Size
		t := core.Tensor{Name: h.Name, Type: h.Type, Shape: h.Shape, Data: all[from:n:n]}
		if err := t.Check(); err != nil {
			return nil, broken("%v", err)
		}
		out = append(out, t)
	}
	if n < len(all) {
		return nil, broken("%d bytes belong to no tensor", len(all)-n)
	}
	return out, nil
}
