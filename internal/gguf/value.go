package gguf

import (
	"encoding/binary"
	"fmt"
	"iter"
	"math"
)

// ValueType is the type of a metadata value, by its number in the file.
type ValueType uint32

// The value types of the format.
const (
	Uint8   ValueType = 0
	Int8    ValueType = 1
	Uint16  ValueType = 2
	Int16   ValueType = 3
	Uint32  ValueType = 4
	Int32   ValueType = 5
	Float32 ValueType = 6
	Bool    ValueType = 7
	String  ValueType = 8
	Array   ValueType = 9
	Uint64  ValueType = 10
	Int64   ValueType = 11
	Float64 ValueType = 12
)

// String is the type's name, such as "uint32".
func (t ValueType) String() string {
	names := [...]string{"uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "bool", "string", "array", "uint64", "int64", "float64"}
	if int(t) < len(names) {
		return names[t]
	}
	return fmt.Sprintf("type %d", uint32(t))
}

// size is the number of bytes of one value; 0 for strings, arrays and unknown types.
func (t ValueType) size() int {
	sizes := [...]int{1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8}
	if int(t) < len(sizes) {
		return sizes[t]
	}
	return 0
}

// Entry is one metadata value without its content.
type Entry struct {
	Key  string
	Type ValueType
	Elem ValueType // of an array
	Len  int       // elements of an array
}

// value is one metadata value. Scalars are held; an array is only remembered by its place, because those of a
// vocabulary have hundreds of thousands of elements that most callers never ask for.
type value struct {
	typ   ValueType
	elem  ValueType
	count int    // elements of an array
	off   int64  // of the array's first element
	bits  uint64 // a number, widened: integers by sign, floats as float64 bits
	str   string
}

// Metadata holds the key-value pairs of a file in the file's order. Scalars are in memory. Arrays are read from the file
// when they are asked for, so the reader that was given to Read must still be open then.
type Metadata struct {
	keys   []string
	values map[string]value
	open   func(off int64) *cursor
	limits Limits
}

// Len is the number of keys.
func (m *Metadata) Len() int { return len(m.keys) }

// Entries ranges over all values in the file's order.
func (m *Metadata) Entries() iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		for _, k := range m.keys {
			v := m.values[k]
			if !yield(Entry{Key: k, Type: v.typ, Elem: v.elem, Len: v.count}) {
				return
			}
		}
	}
}

// String returns a string; false when the key is missing or has another type. It is valid UTF-8.
func (m *Metadata) String(key string) (string, bool) {
	v, ok := m.values[key]
	return v.str, ok && v.typ == String
}

// Uint returns a whole number of any width that is not negative; false when the key is missing or has no such value.
func (m *Metadata) Uint(key string) (uint64, bool) {
	v, ok := m.values[key]
	return v.bits, ok && v.isUint()
}

func (v value) isUint() bool {
	switch v.typ {
	case Uint8, Uint16, Uint32, Uint64:
		return true
	case Int8, Int16, Int32, Int64:
		return int64(v.bits) >= 0 //nolint:gosec // the bits of a signed number
	case Float32, Float64, Bool, String, Array:
	}
	return false
}

// Int returns a whole number that fits int64; false when the key is missing or has no such value.
func (m *Metadata) Int(key string) (int64, bool) {
	v := m.values[key]
	switch v.typ {
	case Int8, Int16, Int32, Int64:
		return int64(v.bits), true //nolint:gosec // the bits of a signed number
	case Uint8, Uint16, Uint32, Uint64, Float32, Float64, Bool, String, Array:
	}
	u, ok := m.Uint(key)
	return int64(u), ok && u <= math.MaxInt64 //nolint:gosec // compared just here
}

// Float returns a floating point number of either width; false when the key is missing or has another type.
func (m *Metadata) Float(key string) (float64, bool) {
	v, ok := m.values[key]
	return math.Float64frombits(v.bits), ok && (v.typ == Float32 || v.typ == Float64)
}

// Bool returns a truth value; false when the key is missing or has another type.
func (m *Metadata) Bool(key string) (val, ok bool) {
	v, ok := m.values[key]
	return v.bits != 0, ok && v.typ == Bool
}

// ArrayLen is the number of elements of an array; false when the key is missing or is no array.
func (m *Metadata) ArrayLen(key string) (int, bool) {
	v, ok := m.values[key]
	return v.count, ok && v.typ == Array
}

// Strings reads a whole array of strings; false when there is none, or when the file cannot be read any more. The bytes
// are as in the file, which need not be UTF-8.
func (m *Metadata) Strings(key string) ([]string, bool) {
	v, ok := m.values[key]
	if !ok || v.typ != Array || v.elem != String {
		return nil, false
	}
	c := m.open(v.off)
	out := make([]string, 0, v.count)
	for range v.count {
		s, err := c.view(m.limits.MaxString, key)
		if err != nil {
			return nil, false
		}
		out = append(out, string(s))
	}
	return out, true
}

// Uints reads a whole array of integers or truth values; false when there is none, when an element is negative, or when
// the file cannot be read any more.
func (m *Metadata) Uints(key string) ([]uint64, bool) {
	v, ok := m.values[key]
	if !ok || v.typ != Array || v.elem == String || v.elem == Float32 || v.elem == Float64 {
		return nil, false
	}
	c := m.open(v.off)
	out := make([]uint64, 0, v.count)
	for range v.count {
		b, err := c.peek(v.elem.size(), key)
		if err != nil {
			return nil, false
		}
		c.off += int64(len(b))
		e := value{typ: v.elem, bits: number(v.elem, b)}
		if v.elem != Bool && !e.isUint() {
			return nil, false
		}
		out = append(out, e.bits)
	}
	return out, true
}

// number decodes one value of a type with a size.
func number(t ValueType, b []byte) uint64 {
	switch t {
	case Uint8, Bool:
		return uint64(b[0])
	case Int8:
		return uint64(int64(int8(b[0]))) //nolint:gosec // keeps the bits
	case Uint16:
		return uint64(binary.LittleEndian.Uint16(b))
	case Int16:
		return uint64(int64(int16(binary.LittleEndian.Uint16(b)))) //nolint:gosec // keeps the bits
	case Uint32:
		return uint64(binary.LittleEndian.Uint32(b))
	case Int32:
		return uint64(int64(int32(binary.LittleEndian.Uint32(b)))) //nolint:gosec // keeps the bits
	case Float32:
		return math.Float64bits(float64(math.Float32frombits(binary.LittleEndian.Uint32(b))))
	case Uint64, Int64, Float64:
		return binary.LittleEndian.Uint64(b)
	case String, Array:
	}
	return 0
}
