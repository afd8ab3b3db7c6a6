package onnxfile

import (
	"encoding/binary"
	"fmt"
	"io"
	"strings"

	"ashatai/internal/core"
)

// The kinds of fields of protobuf.
const (
	varint  = 0
	fixed64 = 1
	lengthy = 2
	fixed32 = 5
)

// maxText bounds a name; maxDepth bounds messages in messages; maxFields bounds all fields together.
const (
	maxText   = 1 << 16
	maxDepth  = 40
	maxFields = 64 << 20
)

// cursor reads fields between two places of a file, through a window.
type cursor struct {
	src    io.ReaderAt
	window []byte
	base   int64 // where the window begins
	fields int
}

// field is one field of a message. A field of bytes lies from start to end.
type field struct {
	number     int
	kind       int
	value      uint64
	start, end int64
}

func damaged(at int64, format string, args ...any) *core.Error {
	return core.Errorf(core.CodeBadModel, "The model file is broken at byte %d: %s. Get the file again from the model's publisher.", at, fmt.Sprintf(format, args...))
}

const windowSize = 64 << 10

// at returns up to n bytes at a place, fewer at the end of the file.
func (c *cursor) at(pos int64, n int) ([]byte, error) {
	if pos >= c.base && pos+int64(n) <= c.base+int64(len(c.window)) {
		return c.window[pos-c.base:][:n], nil
	}
	if cap(c.window) < max(n, windowSize) {
		c.window = make([]byte, max(n, windowSize))
	}
	got, err := c.src.ReadAt(c.window[:cap(c.window)], pos)
	if err != nil && err != io.EOF {
		return nil, core.Wrap(core.CodeBadModel, err, "The model file cannot be read: %v.", err)
	}
	c.window, c.base = c.window[:got], pos
	return c.window[:min(n, got)], nil
}

func (c *cursor) varint(pos, end int64) (value uint64, next int64, err error) {
	b, err := c.at(pos, int(min(binary.MaxVarintLen64, end-pos)))
	if err != nil {
		return 0, 0, err
	}
	v, n := binary.Uvarint(b)
	if n <= 0 {
		return 0, 0, damaged(pos, "a number is cut off or too long")
	}
	return v, pos + int64(n), nil
}

// each visits the fields of the message between two places.
func (c *cursor) each(start, end int64, visit func(f field) error) error {
	for pos := start; pos < end; {
		if c.fields++; c.fields > maxFields {
			return damaged(pos, "it has more than %d fields", maxFields)
		}
		tag, next, err := c.varint(pos, end)
		if err != nil {
			return err
		}
		f := field{number: int(tag >> 3 & 0x1fffffff), kind: int(tag & 7)}
		if f.number == 0 || tag>>32 != 0 {
			return damaged(pos, "a field has no number")
		}
		switch f.kind {
		case varint:
			f.value, next, err = c.varint(next, end)
		case fixed64:
			next += 8
		case fixed32:
			next += 4
		case lengthy:
			var size uint64
			if size, next, err = c.varint(next, end); err == nil && size > uint64(end-next) { //nolint:gosec // next is at most end
				err = damaged(pos, "a field of %d bytes is longer than what holds it", size)
			}
			f.start, f.end = next, next+int64(size&(1<<62-1))
			next = f.end
		default:
			err = damaged(pos, "a field is of the kind %d", f.kind)
		}
		if err == nil && next > end {
			err = damaged(pos, "a field is longer than what holds it")
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

// text reads a field of bytes as text.
func (c *cursor) text(f field) (string, error) {
	if f.kind != lengthy || f.end-f.start > maxText {
		return "", damaged(f.start, "a name has %d bytes, or is none", f.end-f.start)
	}
	b, err := c.at(f.start, int(f.end-f.start))
	if err != nil {
		return "", err
	}
	if int64(len(b)) != f.end-f.start {
		return "", damaged(f.start, "a name is cut off")
	}
	return strings.ToValidUTF8(string(b), "\uFFFD"), nil
}
