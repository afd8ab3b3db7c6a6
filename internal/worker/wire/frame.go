package wire

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
)

// MaxFrame is the largest length that a frame may state.
const MaxFrame = 64 << 20

const (
	prefix   = 4         // the length field
	fixed    = 1 + 4 + 4 // kind, call, length of the header
	readSize = 32 << 10
	// keep is the largest buffer that stays for the next frame.
	keep = 1 << 20
)

// BrokenError says how bytes or frames break the protocol.
type BrokenError struct{ Reason string }

// Error is the reason.
func (e *BrokenError) Error() string { return "worker protocol: " + e.Reason }

func broken(format string, args ...any) error {
	return &BrokenError{Reason: fmt.Sprintf(format, args...)}
}

// Align is where the parts of a tail begin: at its start and at multiples of this, so that numbers can be computed with where
// they lie.
const Align = 64

// Frame is one message. Header and Tail point into the reader's buffer: they hold until the next Read, unless they are kept.
type Frame struct {
	Kind   Kind
	Call   uint32
	Header []byte // JSON, or empty
	Tail   []byte

	from *reader
}

// Keep leaves Header and Tail to the caller for good. It is called before the next Read.
func (f *Frame) Keep() {
	if f.from != nil {
		f.from.buf, f.from = nil, nil
	}
}

// Decode reads the header into v, a pointer to the kind's struct. Unknown keys and anything after the object are errors.
func (f *Frame) Decode(v any) error {
	dec := json.NewDecoder(bytes.NewReader(f.Header))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return broken("the header of %s is wrong: %v", f.Kind, err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return broken("the header of %s goes on after its end", f.Kind)
	}
	return nil
}

// appendHead adds a frame's beginning to b, up to its tail of the given length.
func appendHead(b []byte, kind Kind, call uint32, header []byte, tail int) ([]byte, error) {
	n := fixed + len(header) + tail
	if n > MaxFrame {
		return b, broken("a frame %s of %d bytes is over the limit of %d", kind, n, MaxFrame)
	}
	b = binary.LittleEndian.AppendUint32(b, uint32(n)) //nolint:gosec // not over the limit
	b = append(b, byte(kind))
	b = binary.LittleEndian.AppendUint32(b, call)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(header))) //nolint:gosec // less than n
	return append(b, header...), nil
}

// aligned is the first multiple of Align from n on.
func aligned(n int) int { return (n + Align - 1) / Align * Align }

// partsSize is the length of a tail of parts.
func partsSize(parts [][]byte) int {
	n := 0
	for _, p := range parts {
		n = aligned(n) + len(p)
	}
	return n
}

// gap is what stands in a tail of n bytes before its next part.
func gap(n int) []byte { return make([]byte, aligned(n)-n) }

// reader reads frames into one buffer.
type reader struct {
	r   *bufio.Reader
	buf []byte
}

// next returns the next frame; io.EOF after a whole one, io.ErrUnexpectedEOF within one.
func (r *reader) next() (Frame, error) {
	var head [prefix + fixed]byte
	if _, err := io.ReadFull(r.r, head[:prefix]); err != nil {
		return Frame{}, err
	}
	n := int64(binary.LittleEndian.Uint32(head[:]))
	if n < fixed || n > MaxFrame {
		return Frame{}, broken("a frame states a length of %d; it must be between %d and %d", n, fixed, MaxFrame)
	}
	if _, err := io.ReadFull(r.r, head[prefix:]); err != nil {
		return Frame{}, inside(err)
	}
	f := Frame{Kind: Kind(head[4]), Call: binary.LittleEndian.Uint32(head[5:]), from: r}
	if f.Kind == 0 || f.Kind >= kindEnd {
		return Frame{}, broken("a frame has the unknown kind %d", f.Kind)
	}
	header := int64(binary.LittleEndian.Uint32(head[9:]))
	n -= fixed
	if header > n {
		return Frame{}, broken("a frame %s states a header of %d bytes and has %d", f.Kind, header, n)
	}
	// The tail is aligned where the buffer is, and the buffer of a large frame is.
	from := int64(aligned(int(header))) - header
	if err := r.fill(int(from), int(n)); err != nil {
		return Frame{}, inside(err)
	}
	f.Header, f.Tail = r.buf[from:from+header:from+header], r.buf[from+header:from+n:from+n]
	return f, nil
}

// fill reads n bytes behind the first from of the buffer. It grows with what really comes, so that a length alone takes no
// memory; once a good part of a long frame is there, the rest is made room for at once.
func (r *reader) fill(from, n int) error {
	if cap(r.buf) > keep {
		r.buf = nil
	}
	r.buf = append(r.buf[:0], make([]byte, from)...)
	for n += from; len(r.buf) < n; {
		at := len(r.buf)
		step := min(n-at, max(readSize, at))
		if at >= keep {
			step = n - at
		}
		r.buf = slices.Grow(r.buf, step)[:at+step]
		if _, err := io.ReadFull(r.r, r.buf[at:]); err != nil {
			return err
		}
	}
	return nil
}

func inside(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
