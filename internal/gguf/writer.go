package gguf

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
)

// Writer collects metadata and tensors and writes them as one little-endian GGUF file. It is meant for small files: the
// tensor data is held in memory. The zero Writer is ready to use and writes version 3.
type Writer struct {
	Version uint32 // 2 or 3; 0 is 3

	keys    []string
	head    []byte // the key-value pairs, encoded
	tensors []Tensor
	data    [][]byte
	align   uint64
	err     error
}

// Add adds a metadata value: a bool, a string, a number of a fixed width, or a slice of these. The order of the calls
// is the order in the file. A wrong type, or a key that is already there, is reported by WriteTo.
func (w *Writer) Add(key string, val any) {
	if slices.Contains(w.keys, key) {
		w.fail("the key %q was added twice", key)
		return
	}
	body, err := encode(val)
	if err != nil {
		w.fail("the value of %q: %w", key, err)
		return
	}
	if a, ok := val.(uint32); ok && key == keyAlignment {
		w.align = uint64(a)
	}
	w.keys = append(w.keys, key)
	w.head = append(appendString(w.head, key), body...)
}

// Tensor adds a tensor with its data, which must have the size that the type and the dimensions say.
func (w *Writer) Tensor(name string, t Type, dims []uint64, data []byte) {
	row := Tensor{Name: name, Type: t, Dims: slices.Clone(dims), Size: int64(len(data))}
	if n, ok := t.RowBytes(row.Elements()); !ok || n != uint64(len(data)) {
		w.fail("the tensor %q has %d bytes of data where %s of the shape %v takes %d", name, len(data), t, dims, n)
		return
	}
	w.tensors = append(w.tensors, row)
	w.data = append(w.data, data)
}

func (w *Writer) fail(format string, args ...any) {
	if w.err == nil {
		w.err = fmt.Errorf("gguf writer: "+format, args...)
	}
}

// WriteTo writes the file and returns the number of bytes written. It reports the first mistake of the calls before it,
// without writing, and errors of out. It may be called again.
func (w *Writer) WriteTo(out io.Writer) (int64, error) {
	if w.err != nil {
		return 0, w.err
	}
	version := w.Version
	if version == 0 {
		version = 3
	}
	align := w.align
	if align == 0 {
		align = defaultAlignment
	}
	b := append([]byte(magic), binary.LittleEndian.AppendUint32(nil, version)...)
	b = binary.LittleEndian.AppendUint64(b, uint64(len(w.tensors)))
	b = binary.LittleEndian.AppendUint64(b, uint64(len(w.keys)))
	b = append(b, w.head...)
	off := uint64(0)
	for _, t := range w.tensors {
		b = appendString(b, t.Name)
		b = binary.LittleEndian.AppendUint32(b, uint32(len(t.Dims))) //nolint:gosec // a handful
		for _, d := range t.Dims {
			b = binary.LittleEndian.AppendUint64(b, d)
		}
		b = binary.LittleEndian.AppendUint32(b, uint32(t.Type))
		b = binary.LittleEndian.AppendUint64(b, off)
		off = padded(off+uint64(t.Size), align) //nolint:gosec // a length
	}
	var body bytes.Buffer
	body.Write(b)
	for _, d := range w.data {
		pad(&body, align)
		body.Write(d)
	}
	pad(&body, align)
	return body.WriteTo(out)
}

func padded(n, align uint64) uint64 { return (n + align - 1) / align * align }

func pad(b *bytes.Buffer, align uint64) {
	n := uint64(b.Len()) //nolint:gosec // a length
	b.Write(make([]byte, padded(n, align)-n))
}

func appendString(b []byte, s string) []byte {
	return append(binary.LittleEndian.AppendUint64(b, uint64(len(s))), s...)
}

// encode is a value with its type in front.
func encode(val any) ([]byte, error) {
	scalar := func(t ValueType) ([]byte, error) {
		return binary.Append(binary.LittleEndian.AppendUint32(nil, uint32(t)), binary.LittleEndian, val)
	}
	switch v := val.(type) {
	case string:
		return appendString(binary.LittleEndian.AppendUint32(nil, uint32(String)), v), nil
	case bool:
		return scalar(Bool)
	case uint8:
		return scalar(Uint8)
	case int8:
		return scalar(Int8)
	case uint16:
		return scalar(Uint16)
	case int16:
		return scalar(Int16)
	case uint32:
		return scalar(Uint32)
	case int32:
		return scalar(Int32)
	case uint64:
		return scalar(Uint64)
	case int64:
		return scalar(Int64)
	case float32:
		return scalar(Float32)
	case float64:
		return scalar(Float64)
	}
	return encodeList(val)
}

func encodeList(val any) ([]byte, error) {
	list := func(t ValueType, n int) ([]byte, error) {
		return binary.Append(listHead(t, n), binary.LittleEndian, val)
	}
	switch v := val.(type) {
	case []string:
		b := listHead(String, len(v))
		for _, s := range v {
			b = appendString(b, s)
		}
		return b, nil
	case []bool:
		return list(Bool, len(v))
	case []uint8:
		return list(Uint8, len(v))
	case []int8:
		return list(Int8, len(v))
	case []uint16:
		return list(Uint16, len(v))
	case []int16:
		return list(Int16, len(v))
	case []uint32:
		return list(Uint32, len(v))
	case []int32:
		return list(Int32, len(v))
	case []uint64:
		return list(Uint64, len(v))
	case []int64:
		return list(Int64, len(v))
	case []float32:
		return list(Float32, len(v))
	case []float64:
		return list(Float64, len(v))
	}
	return nil, fmt.Errorf("the format has no %T", val)
}

func listHead(elem ValueType, n int) []byte {
	b := binary.LittleEndian.AppendUint32(nil, uint32(Array))
	b = binary.LittleEndian.AppendUint32(b, uint32(elem))
	return binary.LittleEndian.AppendUint64(b, uint64(n)) //nolint:gosec // a length
}
