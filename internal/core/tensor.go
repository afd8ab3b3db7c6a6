package core

import (
	"encoding/binary"
	"slices"
)

// DataType is the type of a tensor's elements, by its name in the Open Inference Protocol.
type DataType string

// The types of elements. BF16 is the protocol's extension.
const (
	Bool   DataType = "BOOL"
	Uint8  DataType = "UINT8"
	Uint16 DataType = "UINT16"
	Uint32 DataType = "UINT32"
	Uint64 DataType = "UINT64"
	Int8   DataType = "INT8"
	Int16  DataType = "INT16"
	Int32  DataType = "INT32"
	Int64  DataType = "INT64"
	FP16   DataType = "FP16"
	BF16   DataType = "BF16"
	FP32   DataType = "FP32"
	FP64   DataType = "FP64"
	Bytes  DataType = "BYTES" // texts or blobs of any length
)

// Size is the number of bytes of an element; 0 for BYTES and for what is no type.
func (d DataType) Size() int {
	switch d {
	case Bool, Uint8, Int8:
		return 1
	case Uint16, Int16, FP16, BF16:
		return 2
	case Uint32, Int32, FP32:
		return 4
	case Uint64, Int64, FP64:
		return 8
	case Bytes:
		return 0
	}
	return 0
}

// Known says whether d is one of the types above.
func (d DataType) Known() bool { return d.Size() > 0 || d == Bytes }

// TensorRequest asks a model that takes tensors for tensors.
type TensorRequest struct {
	ID        string
	Principal Principal
	Model     string
	Inputs    []Tensor
	Outputs   []string // what is wanted, in this order; nil means all, in the model's order
}

// Tensors answers a TensorRequest.
type Tensors struct {
	Model     string
	Outputs   []Tensor
	Usage     Usage // times only: tensors have no tokens
	Placement Placement
}

// Signature is what a model that takes tensors takes and gives.
type Signature struct {
	Model           string // canonical name
	Runtime         string
	Inputs, Outputs []TensorInfo
	Labels          []string // of its classes, by their place; nil: it names none
}

// MaxRank is the largest number of dimensions of a tensor.
const MaxRank = 16

// TensorInfo says what a model takes or gives under a name. A dimension of −1 is free; a nil Shape says nothing, where an empty
// one is that of a single value.
type TensorInfo struct {
	Name  string   `json:"name"`
	Type  DataType `json:"type"`
	Shape []int64  `json:"shape"`
	// AnyType: tensors of other types are taken too, since the model does not say which; Type is the usual one.
	AnyType bool `json:"any_type,omitempty"`
}

// Tensor is a named value. Data holds the elements in row-major order, little-endian; an element of BYTES is its length in
// four bytes and then itself. Who makes a tensor does not change Data afterwards.
type Tensor struct {
	Name  string
	Type  DataType
	Shape []int64
	Data  []byte
}

// Check says whether the bytes of a tensor are what its type and shape ask for.
func (t *Tensor) Check() error {
	n, ok := elementCount(t.Shape)
	switch {
	case !t.Type.Known():
		return Invalid(t.Name, "The tensor %.80q is of the type %.40q, which does not exist.", t.Name, t.Type)
	case !ok:
		return Invalid(t.Name, "The tensor %.80q has the shape %v; a shape has at most %d dimensions, none negative, and at most 2³¹ elements.", t.Name, t.Shape[:min(len(t.Shape), MaxRank+1)], MaxRank)
	case t.Type == Bytes:
		if m, ok := countTexts(t.Data); !ok || m != n {
			return Invalid(t.Name, "The tensor %.80q has %d bytes, which are not the %d texts that its shape asks for, each behind its length.", t.Name, len(t.Data), n)
		}
	case n*int64(t.Type.Size()) != int64(len(t.Data)):
		return Invalid(t.Name, "The tensor %.80q has %d bytes; its shape %v of %s asks for %d.", t.Name, len(t.Data), t.Shape, t.Type, n*int64(t.Type.Size()))
	}
	return nil
}

// maxElements bounds the product of a shape, so that it cannot overflow.
const maxElements = 1 << 31

func elementCount(shape []int64) (int64, bool) {
	n := int64(1)
	for _, d := range shape {
		if d < 0 || d > maxElements {
			return 0, false
		}
		if n *= d; n > maxElements {
			return 0, false
		}
	}
	return n, len(shape) <= MaxRank
}

func countTexts(b []byte) (int64, bool) {
	n := int64(0)
	for len(b) > 0 {
		if len(b) < 4 {
			return 0, false
		}
		size := int64(binary.LittleEndian.Uint32(b))
		if size > int64(len(b))-4 {
			return 0, false
		}
		b = b[4+size:]
		n++
	}
	return n, true
}

// AppendText adds an element of BYTES.
func AppendText(b []byte, text string) []byte {
	return append(binary.LittleEndian.AppendUint32(b, uint32(len(text))), text...) //nolint:gosec // a text is far below 4 GiB
}

// Texts reads the elements of BYTES. The data must have passed Check.
func Texts(b []byte) []string {
	var out []string
	for len(b) >= 4 {
		size := int(binary.LittleEndian.Uint32(b))
		out = append(out, string(b[4:4+size]))
		b = b[4+size:]
	}
	return out
}

// Fits says whether tensors are what a model takes: each of its inputs once, with its type and a shape that it allows, and
// bytes to match.
func Fits(inputs []TensorInfo, given []Tensor) error {
	for i := range given {
		t := &given[i]
		k := slices.IndexFunc(inputs, func(in TensorInfo) bool { return in.Name == t.Name })
		if k < 0 {
			return Invalid(t.Name, "The model has no input %.80q; its inputs are %s.", t.Name, describe(inputs))
		}
		if slices.ContainsFunc(given[:i], func(o Tensor) bool { return o.Name == t.Name }) {
			return Invalid(t.Name, "The input %.80q is given twice.", t.Name)
		}
		if in := inputs[k]; t.Type != in.Type && !in.AnyType || !allows(in.Shape, t.Shape) {
			return Invalid(t.Name, "The input %.80q is %.40s %v; the model takes %s %v there, where -1 is free.", t.Name, t.Type, t.Shape[:min(len(t.Shape), MaxRank+1)], in.Type, in.Shape)
		}
		if err := t.Check(); err != nil {
			return err
		}
		// Native code counts the true ones by adding their bytes, and makes room by the sum.
		if t.Type == Bool && slices.ContainsFunc(t.Data, func(b byte) bool { return b > 1 }) {
			return Invalid(t.Name, "The input %.80q of BOOL has a byte that is neither 0 nor 1.", t.Name)
		}
	}
	for _, in := range inputs {
		if !slices.ContainsFunc(given, func(t Tensor) bool { return t.Name == in.Name }) {
			return Invalid(in.Name, "The input %.80q is missing; the model's inputs are %s.", in.Name, describe(inputs))
		}
	}
	return nil
}

func allows(want, have []int64) bool {
	if want == nil {
		return true // a shape that is none is found by Check
	}
	return len(want) == len(have) && !slices.ContainsFunc(have, func(d int64) bool { return d < 0 }) &&
		slices.EqualFunc(want, have, func(w, h int64) bool { return w < 0 || w == h })
}

// Wanted returns the places of the named outputs; nil names mean all.
func Wanted(outputs []TensorInfo, names []string) ([]int, error) {
	var places []int
	for i := range outputs {
		if names == nil {
			places = append(places, i)
		}
	}
	for _, name := range names {
		i := slices.IndexFunc(outputs, func(o TensorInfo) bool { return o.Name == name })
		if i < 0 || slices.Contains(places, i) {
			return nil, Invalid("outputs", "The model has no output %.80q, or it is asked for twice; its outputs are %s.", name, describe(outputs))
		}
		places = append(places, i)
	}
	return places, nil
}

// describe lists names for a sentence; of many, the first.
func describe(list []TensorInfo) string {
	const most = 12
	s := ""
	for i, t := range list {
		if i == most {
			return s + ", …"
		}
		if i > 0 {
			s += ", "
		}
		s += t.Name
	}
	return s
}
