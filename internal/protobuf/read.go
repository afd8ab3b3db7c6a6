// Package protobuf reads messages of protobuf Field by field, between places of a file, with bounds: no field may reach out of
// what holds it, and nothing is kept that its caller does not ask for. What the fields mean is its callers' knowledge. Every
// error is a core.CodeBadModel that names the place.
package protobuf

import (
	"encoding/binary"
	"fmt"
	"io"
	"strings"

	"ashatai/internal/core"
)

// The kinds of Fields.
const (
	Varint  = 0
	Fixed64 = 1
	Lengthy = 2
	Fixed32 = 5
)

// MaxText bounds a name; maxFields bounds all fields of a file together.
const (
	MaxText   = 1 << 16
	maxFields = 64 << 20
)

// Cursor reads fields between two places of a file, through a window.
type Cursor struct {
	src    io.ReaderAt
	window []byte
	base   int64 // where the window begins
	fields int
}

// Field is one field of a message. A field of bytes lies from Start to End.
type Field struct {
	Number     int
	Kind       int
	Value      uint64
	Start, End int64
}

// New reads from src, which lives as long as the cursor.
func New(src io.ReaderAt) Cursor { return Cursor{src: src} }

// Damaged says that a file is broken at a place.
func Damaged(at int64, format string, args ...any) *core.Error {
	return core.Errorf(core.CodeBadModel, "The model file is broken at byte %d: %s. Get the file again from the model's publisher.", at, fmt.Sprintf(format, args...))
}

const windowSize = 64 << 10

// At returns up to n bytes at a place, fewer at the end of the file.
func (c *Cursor) At(pos int64, n int) ([]byte, error) {
	if pos >= c.base && pos+int64(n) <= c.base+int64(len(c.window)) {
		return c.window[pos-c.base:][:n], nil
	}
	if cap(c.window) < max(n, windowSize) {
		c.window = make([]byte, max(n, windowSize))
	}
	got, err := c.src.ReadAt(c.window[:cap(c.window)], pos)
	if err != nil && err != io.EOF {
		c.window = c.window[:0] // nothing of it was read
		return nil, core.Wrap(core.CodeBadModel, err, "The model file cannot be read: %v.", err)
	}
	c.window, c.base = c.window[:got], pos
	return c.window[:min(n, got)], nil
}

// Around is At for who reads to and fro: a window is read with half of it before the place.
func (c *Cursor) Around(pos int64, n int) ([]byte, error) {
	if pos < c.base || pos+int64(n) > c.base+int64(len(c.window)) {
		from := max(0, pos-windowSize/2)
		if _, err := c.At(from, int(pos-from)+n); err != nil {
			return nil, err
		}
	}
	return c.At(pos, n)
}

// Varint reads a number at a place, and tells where the next field lies.
func (c *Cursor) Varint(pos, end int64) (value uint64, next int64, err error) {
	b, err := c.At(pos, int(min(binary.MaxVarintLen64, end-pos)))
	if err != nil {
		return 0, 0, err
	}
	v, n := binary.Uvarint(b)
	if n <= 0 {
		return 0, 0, Damaged(pos, "a number is cut off or too long")
	}
	return v, pos + int64(n), nil
}

// Each visits the fields of the message between two places.
func (c *Cursor) Each(start, end int64, visit func(f Field) error) error {
	for pos := start; pos < end; {
		if c.fields++; c.fields > maxFields {
			return Damaged(pos, "it has more than %d fields", maxFields)
		}
		tag, next, err := c.Varint(pos, end)
		if err != nil {
			return err
		}
		f := Field{Number: int(tag >> 3 & 0x1fffffff), Kind: int(tag & 7)}
		if f.Number == 0 || tag>>32 != 0 {
			return Damaged(pos, "a field has no number")
		}
		switch f.Kind {
		case Varint:
			f.Value, next, err = c.Varint(next, end)
		case Fixed64:
			next += 8
		case Fixed32:
			next += 4
		case Lengthy:
			var size uint64
			if size, next, err = c.Varint(next, end); err == nil && size > uint64(end-next) { //nolint:gosec // next is at most end
				err = Damaged(pos, "a field of %d bytes is longer than what holds it", size)
			}
			f.Start, f.End = next, next+int64(size&(1<<62-1))
			next = f.End
		default:
			err = Damaged(pos, "a field is of the kind %d", f.Kind)
		}
		if err == nil && next > end {
			err = Damaged(pos, "a field is longer than what holds it")
		}
		if err == nil {
			err = visit(f)
		}
		if err != nil {
			return err
		}
		pos = next
	}
	return nil
}

// Text reads a field of bytes as text.
func (c *Cursor) Text(f Field) (string, error) {
	if f.Kind != Lengthy || f.End-f.Start > MaxText {
		return "", Damaged(f.Start, "a name has %d bytes, or is none", f.End-f.Start)
	}
	b, err := c.At(f.Start, int(f.End-f.Start))
	if err != nil {
		return "", err
	}
	if int64(len(b)) != f.End-f.Start {
		return "", Damaged(f.Start, "a name is cut off")
	}
	return strings.ToValidUTF8(string(b), "\uFFFD"), nil
}
