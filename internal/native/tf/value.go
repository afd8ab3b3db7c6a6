package tf

import (
	"encoding/binary"
	"fmt"
	"unsafe"
)

// The element types of TensorFlow (types.proto) that have a fixed size, and text.
const (
	Float32  = 1
	Float64  = 2
	Int32    = 3
	Uint8    = 4
	Int16    = 5
	Int8     = 6
	String   = 7
	Int64    = 9
	Bool     = 10
	BFloat16 = 14
	Uint16   = 17
	Float16  = 19
	Uint32   = 22
	Uint64   = 23
)

// Size is the number of bytes of an element; 0 for text and what has no fixed size.
func Size(typ int) int {
	switch typ {
	case Uint8, Int8, Bool:
		return 1
	case Uint16, Int16, Float16, BFloat16:
		return 2
	case Float32, Int32, Uint32:
		return 4
	case Int64, Float64, Uint64:
		return 8
	}
	return 0
}

// Value is a tensor of the library. Who made it closes it.
type Value struct {
	l     *Library
	h     handle
	texts int // that were made here, which the library does not free with the tensor
}

// Of makes a tensor with a copy of the bytes, which have the size that type and shape ask for: the library wants its own
// alignment.
func (l *Library) Of(typ int, shape []int64, data []byte) (*Value, error) {
	if want := count(shape) * int64(Size(typ)); Size(typ) == 0 || want != int64(len(data)) {
		return nil, fmt.Errorf("%d bytes are no tensor of the type %d and the shape %v", len(data), typ, shape)
	}
	v, err := l.allocate(typ, shape, len(data))
	if err == nil && len(data) > 0 {
		copy(unsafe.Slice((*byte)(l.fn.Data(v.h)), len(data)), data) //nolint:gosec // memory of the library, of this size
	}
	return v, err
}

// Texts makes a tensor of text.
func (l *Library) Texts(shape []int64, texts []string) (*Value, error) {
	if count(shape) != int64(len(texts)) {
		return nil, fmt.Errorf("%d texts are no tensor of the shape %v", len(texts), shape)
	}
	v, err := l.allocate(String, shape, len(texts)*textSize)
	if err != nil || len(texts) == 0 {
		return v, err
	}
	at := l.fn.Data(v.h)
	for i, s := range texts {
		p := unsafe.Add(at, i*textSize)
		l.fn.TextInit(p)
		v.texts++
		l.fn.TextCopy(p, unsafe.Pointer(unsafe.StringData(s)), uint64(len(s))) //nolint:gosec // the library copies it
	}
	return v, nil
}

func (l *Library) allocate(typ int, shape []int64, size int) (*Value, error) {
	h := l.fn.AllocateTensor(int32(typ), unsafe.SliceData(shape), int32(len(shape)), uint64(size)) //nolint:gosec // a small constant, few, not negative
	if h == 0 {
		return nil, fmt.Errorf("%w: no memory for a tensor of %d bytes", ErrFailed, size)
	}
	return &Value{l: l, h: h}, nil
}

func count(shape []int64) int64 {
	n := int64(1)
	for _, d := range shape {
		n *= d
	}
	return n
}

// Info is the type and the shape of the tensor.
func (v *Value) Info() (typ int, shape []int64) {
	shape = make([]int64, v.l.fn.Rank(v.h))
	for i := range shape {
		shape[i] = v.l.fn.Dim(v.h, int32(i))
	}
	return int(v.l.fn.TensorType(v.h)), shape
}

// Data is the memory of the tensor, which is not copied: it holds until Close. A tensor of text has none.
func (v *Value) Data() ([]byte, error) {
	typ, shape := v.Info()
	size := count(shape) * int64(Size(typ))
	if Size(typ) == 0 || uint64(size) != v.l.fn.ByteSize(v.h) { //nolint:gosec // of the library, so not negative
		return nil, fmt.Errorf("a tensor of the type %d has no plain memory", typ)
	}
	if size == 0 {
		return nil, nil
	}
	return unsafe.Slice((*byte)(v.l.fn.Data(v.h)), size), nil //nolint:gosec // memory of the library, as long as the value is open
}

// AppendTexts appends the texts of the tensor, each behind its length in four bytes, little-endian.
func (v *Value) AppendTexts(to []byte) ([]byte, error) {
	typ, shape := v.Info()
	if typ != String {
		return nil, fmt.Errorf("a tensor of the type %d has no texts", typ)
	}
	at := v.l.fn.Data(v.h)
	for i := range int(count(shape)) {
		p := unsafe.Add(at, i*textSize)
		n := v.l.fn.TextSize(p)
		to = binary.LittleEndian.AppendUint32(to, uint32(n)) //nolint:gosec // a text is far below 4 GiB
		if n > 0 {
			to = append(to, unsafe.Slice((*byte)(v.l.fn.TextData(p)), n)...) //nolint:gosec // memory of the library, of this size
		}
	}
	return to, nil
}

// Close frees the tensor, its texts included.
func (v *Value) Close() {
	if v.h != 0 {
		for i := range v.texts {
			v.l.fn.TextFree(unsafe.Add(v.l.fn.Data(v.h), i*textSize))
		}
		v.l.fn.DeleteTensor(v.h)
		v.h = 0
	}
}
