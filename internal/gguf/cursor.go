package gguf

import (
	"encoding/binary"
	"errors"
	"io"

	"ashatai/internal/core"
)

// window is the size of a cursor's buffer. Most reads are a few bytes long, so one window serves thousands of them.
const window = 128 << 10

// cursor reads a file's head forward through one buffer. It compares every length with the end of the file, and with
// the budget for metadata, before it reads or allocates anything.
type cursor struct {
	r      io.ReaderAt
	size   int64 // of the file
	budget int64 // offset that must not be passed; above size when the file is shorter than the limit
	off    int64 // of the next byte

	buf   []byte
	start int64 // offset of buf[0]
}

func newCursor(r io.ReaderAt, size, budget, off int64) *cursor {
	return &cursor{r: r, size: size, budget: budget, off: off, start: off}
}

// need checks that n more bytes exist and are allowed. what names the thing they belong to.
func (c *cursor) need(n uint64, what string) *core.Error {
	if n > uint64(c.size-c.off) { //nolint:gosec // off never passes size
		return damaged(c.off, downloadAgain, "%s needs %d bytes, but the file ends %d bytes later", what, n, c.size-c.off)
	}
	if n > uint64(max(c.budget-c.off, 0)) {
		return damaged(c.off, distrust, "%s needs %d bytes, which makes the description of the model larger than the %d bytes that are allowed", what, n, c.budget)
	}
	return nil
}

// peek returns the next n bytes without passing them; they stay valid until the next call. n is at most window.
func (c *cursor) peek(n int, what string) ([]byte, *core.Error) {
	if err := c.need(uint64(n), what); err != nil { //nolint:gosec // n is a small constant or a chunk of the window
		return nil, err
	}
	at := int(c.off - c.start)
	if at < 0 || at+n > len(c.buf) {
		if err := c.fill(); err != nil {
			return nil, err
		}
		at = 0
	}
	return c.buf[at : at+n], nil
}

// fill reads the window that begins at off.
func (c *cursor) fill() *core.Error {
	n := min(int64(window), c.size-c.off)
	if int64(cap(c.buf)) < n {
		c.buf = make([]byte, n)
	}
	c.buf, c.start = c.buf[:n], c.off
	if err := readFull(c.r, c.buf, c.off); err != nil {
		c.buf = c.buf[:0]
		return err
	}
	return nil
}

// readFull fills p from off. A file that has shrunk since its size was taken is reported as such.
func readFull(r io.ReaderAt, p []byte, off int64) *core.Error {
	n, err := r.ReadAt(p, off)
	switch {
	case n == len(p):
		return nil
	case err == nil || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		return damaged(off+int64(n), downloadAgain, "the file ends here although it was longer a moment ago")
	}
	return core.Wrap(core.CodeUnavailable, err, "The model file could not be read at byte %d. Check the disk and the file's permissions, then try again.", off)
}

func (c *cursor) u32(what string) (uint32, *core.Error) {
	b, err := c.peek(4, what)
	if err != nil {
		return 0, err
	}
	c.off += 4
	return binary.LittleEndian.Uint32(b), nil
}

func (c *cursor) u64(what string) (uint64, *core.Error) {
	b, err := c.peek(8, what)
	if err != nil {
		return 0, err
	}
	c.off += 8
	return binary.LittleEndian.Uint64(b), nil
}

// skip passes n bytes without reading them.
func (c *cursor) skip(n uint64, what string) *core.Error {
	if err := c.need(n, what); err != nil {
		return err
	}
	c.off += int64(n) //nolint:gosec // need compared n with what is left of the file
	return nil
}

// length reads the length of a string, at most limit, and checks that its bytes are there.
func (c *cursor) length(limit int64, what string) (int, *core.Error) {
	at := c.off
	n, err := c.u64(what)
	if err != nil {
		return 0, err
	}
	if err = c.need(n, what); err != nil {
		return 0, err
	}
	if n > uint64(limit) { //nolint:gosec // limits are positive
		return 0, damaged(at, distrust, "%s has %d bytes; at most %d are allowed", what, n, limit)
	}
	return int(n), nil //nolint:gosec // bounded by limit
}

// skipString passes a string.
func (c *cursor) skipString(limit int64, what string) *core.Error {
	n, err := c.length(limit, what)
	if err == nil {
		c.off += int64(n)
	}
	return err
}

// view reads a string and returns its bytes, which stay valid until the next call.
func (c *cursor) view(limit int64, what string) ([]byte, *core.Error) {
	n, err := c.length(limit, what)
	if err != nil {
		return nil, err
	}
	if n > window {
		b := make([]byte, n)
		if err = readFull(c.r, b, c.off); err != nil {
			return nil, err
		}
		c.off += int64(n)
		return b, nil
	}
	b, err := c.peek(n, what)
	c.off += int64(len(b))
	return b, err
}
