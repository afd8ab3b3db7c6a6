package ort

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"unsafe"
)

// The element types of ONNX that have a fixed size, and text.
const (
	Float32  = 1
	Uint8    = 2
	Int8     = 3
	Uint16   = 4
	Int16    = 5
	Int32    = 6
	Int64    = 7
	String   = 8
	Bool     = 9
	Float16  = 10
	Float64  = 11
	Uint32   = 12
	Uint64   = 13
	BFloat16 = 16
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
	l   *Library
	h   handle
	pin *runtime.Pinner // what holds the Go memory that it lies over
}

// Over makes a tensor over bytes of Go, which are held in place until Close. data has the size that type and shape ask for.
func (l *Library) Over(typ int, shape []int64, data []byte) (*Value, error) {
	if want := count(shape) * int64(Size(typ)); Size(typ) == 0 || want != int64(len(data)) {
		return nil, fmt.Errorf("%d bytes are no tensor of the type %d and the shape %v", len(data), typ, shape)
	}
	v := &Value{l: l, pin: &runtime.Pinner{}}
	p := unsafe.SliceData(data) //nolint:gosec // held in place until Close
	if len(data) == 0 {
		p = new(byte) // the library wants an address
	}
	v.pin.Pin(p)
	err := l.check(l.fn.TensorOver(l.memory, unsafe.Pointer(p), uint64(len(data)), unsafe.SliceData(shape), uint64(len(shape)), int32(typ), &v.h)) //nolint:gosec // a small constant
	if err != nil {
		v.pin.Unpin()
		return nil, err
	}
	return v, nil
}

// Texts makes a tensor of text.
func (l *Library) Texts(shape []int64, texts []string) (*Value, error) {
	if count(shape) != int64(len(texts)) {
		return nil, fmt.Errorf("%d texts are no tensor of the shape %v", len(texts), shape)
	}
	v := &Value{l: l}
	if err := l.check(l.fn.CreateTensor(l.allocator, unsafe.SliceData(shape), uint64(len(shape)), String, &v.h)); err != nil { //nolint:gosec // memory of this call, which the library copies
		return nil, err
	}
	if len(texts) == 0 {
		return v, nil
	}
	var pin runtime.Pinner
	defer pin.Unpin()
	list := make([]unsafe.Pointer, len(texts))
	for i, s := range texts {
		p := text(s)
		pin.Pin(p)
		list[i] = unsafe.Pointer(p) //nolint:gosec // memory of this call, which the library copies
	}
	if err := l.check(l.fn.FillStrings(v.h, unsafe.SliceData(list), uint64(len(list)))); err != nil { //nolint:gosec // memory of this call, which the library copies
		v.Close()
		return nil, err
	}
	return v, nil
}

func count(shape []int64) int64 {
	n := int64(1)
	for _, d := range shape {
		n *= d
	}
	return n
}

// Info is the type and the shape of the tensor.
func (v *Value) Info() (typ int, shape []int64, err error) {
	var info handle
	if err := v.l.check(v.l.fn.TypeShape(v.h, &info)); err != nil {
		return 0, nil, err
	}
	defer v.l.fn.ReleaseTypeShape(info)
	return v.l.typeAndShape(info)
}

// Data is the memory of the tensor with its type and shape. It is not copied: it holds until Close. A tensor of text has none.
func (v *Value) Data() (typ int, shape []int64, data []byte, err error) {
	if typ, shape, err = v.Info(); err != nil {
		return 0, nil, nil, err
	}
	size := count(shape) * int64(Size(typ))
	if Size(typ) == 0 {
		return typ, shape, nil, fmt.Errorf("a tensor of the type %d has no plain memory", typ)
	}
	if size == 0 {
		return typ, shape, nil, nil
	}
	var p unsafe.Pointer
	if err := v.l.check(v.l.fn.TensorData(v.h, &p)); err != nil {
		return 0, nil, nil, err
	}
	return typ, shape, unsafe.Slice((*byte)(p), size), nil //nolint:gosec // memory of the library, as long as the value is open
}

// Texts is the shape of a tensor of text, and the texts, each behind its length in four bytes, little-endian.
func (v *Value) Texts() (shape []int64, to []byte, err error) {
	if _, shape, err = v.Info(); err != nil {
		return nil, nil, err
	}
	n := uint64(count(shape)) //nolint:gosec // of the library, so not negative
	if n == 0 {
		return shape, []byte{}, nil
	}
	var size uint64
	if err := v.l.check(v.l.fn.StringsLength(v.h, &size)); err != nil {
		return nil, nil, err
	}
	all, offsets := make([]byte, size+1), make([]uint64, n+1)
	if err := v.l.check(v.l.fn.StringsContent(v.h, unsafe.Pointer(unsafe.SliceData(all)), size, unsafe.SliceData(offsets), n)); err != nil { //nolint:gosec // memory of this call, which the library fills
		return nil, nil, err
	}
	offsets[n] = size
	for i := range n {
		s := all[offsets[i]:offsets[i+1]]
		to = append(binary.LittleEndian.AppendUint32(to, uint32(len(s))), s...) //nolint:gosec // a text is far below 4 GiB
	}
	return shape, to, nil
}

// Close frees the tensor.
func (v *Value) Close() {
	if v.h != 0 {
		v.l.fn.ReleaseValue(v.h)
		v.h = 0
	}
	if v.pin != nil {
		v.pin.Unpin()
	}
}
