package wire

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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

// Frame is one message. Header and Tail point into the reader's buffer: they hold until the next Read.
type Frame struct {
	Kind   Kind
	Call   uint32
	Header []byte // JSON, or empty
	Tail   []byte
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

// appendFrame adds a frame to b.
func appendFrame(b []byte, kind Kind, call uint32, header []byte, tail string, raw []byte) ([]byte, error) {
	n := fixed + len(header) + len(tail) + len(raw)
	if n > MaxFrame {
		return b, broken("a frame %s of %d bytes is over the limit of %d", kind, n, MaxFrame)
	}
	b = binary.LittleEndian.AppendUint32(b, uint32(n))
	b = append(b, byte(kind))
	b = binary.LittleEndian.AppendUint32(b, call)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(header))) //nolint:gosec // less than n
	b = append(b, header...)
	b = append(b, tail...)
	return append(b, raw...), nil
}

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
	f := Frame{Kind: Kind(head[4]), Call: binary.LittleEndian.Uint32(head[5:])}
	if f.Kind == 0 || f.Kind >= kindEnd {
		return Frame{}, broken("a frame has the unknown kind %d", f.Kind)
	}
	header := int64(binary.LittleEndian.Uint32(head[9:]))
	n -= fixed
	if header > n {
		return Frame{}, broken("a frame %s states a header of %d bytes and has %d", f.Kind, header, n)
	}
	if err := r.fill(int(n)); err != nil {
		return Frame{}, inside(err)
	}
	f.Header, f.Tail = r.buf[:header:header], r.buf[header:n]
	return f, nil
}

// fill reads n bytes. The buffer grows with what really comes, so that a length alone takes no memory.
func (r *reader) fill(n int) error {
	if cap(r.buf) > keep {
		r.buf = nil
	}
	r.buf = r.buf[:0]
	for len(r.buf) < n {
		step := min(n-len(r.buf), max(readSize, len(r.buf)))
		at := len(r.buf)
		r.buf = append(r.buf, make([]byte, step)...)
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
