package gguf

import (
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"ashatai/internal/core"
)

const (
	magic = "GGUF"

	// maxKey is the format's own limit for a key.
	maxKey = 1<<16 - 1
	// The least bytes that a key with its value, and a tensor's row in the table, can take. They bound the counts of
	// the header by the size of the file before anything is read.
	minEntryBytes  = 8 + 1 + 4 + 1
	minTensorBytes = 8 + 1 + 4 + 8 + 4 + 8

	keyArchitecture = "general.architecture"
	keyAlignment    = "general.alignment"

	defaultAlignment = 32
	// minAlignment is what ggml asserts of a buffer's address: a file that is aligned to less ends the process.
	minAlignment = 32
	maxAlignment = 1 << 20
)

// File is the checked description of a model file.
type File struct {
	Version    uint32
	Alignment  uint64 // bytes; tensors start at multiples of it
	Metadata   Metadata
	Tensors    []Tensor
	DataOffset int64 // where in the file the tensor data begins

	arch    string
	layers  []layer // one per block; empty when the file gives no head counts
	bos     string
	eos     string
	vocab   int
	weights int64  // bytes
	params  uint64 // elements
}

// parser reads one file's head.
type parser struct {
	*cursor
	lim Limits
	f   *File
}

// Read checks the whole structure of a GGUF file of the given size and returns its description. It reads the head of
// the file through r and never the tensor data; r must stay open as long as arrays of the metadata are asked for.
//
// Every refusal is a *core.Error with CodeBadModel that says what is wrong, where, and what to do; a reader that fails
// for a reason of its own gives CodeUnavailable with that reason as the cause.
func Read(r io.ReaderAt, size int64, lim Limits) (*File, error) {
	f, err := read(r, size, lim.withDefaults())
	if err != nil {
		return nil, err // a typed nil must not become an error
	}
	return f, nil
}

func read(r io.ReaderAt, size int64, lim Limits) (*File, *core.Error) {
	f := &File{Alignment: defaultAlignment}
	f.Metadata = Metadata{limits: lim, values: map[string]value{}, open: func(off int64) *cursor {
		return newCursor(r, size, size, off)
	}}
	p := &parser{cursor: newCursor(r, size, lim.MaxMetadata, 0), lim: lim, f: f}
	tensors, keys, err := p.header()
	if err != nil {
		return nil, err
	}
	for i := range keys {
		if err = p.entry(i); err != nil {
			return nil, err
		}
	}
	for _, step := range []func() *core.Error{
		p.alignment,
		func() *core.Error { return p.tensors(tensors) },
		f.checkKind,
		f.checkShape,
		f.checkVocabulary,
	} {
		if err = step(); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// header reads magic, version and the two counts.
func (p *parser) header() (tensors, keys int, err *core.Error) {
	if p.size == 0 {
		return 0, 0, refused(downloadAgain, "it is empty")
	}
	m, err := p.peek(4, "the start of the file")
	if err != nil {
		return 0, 0, err
	}
	if string(m) != magic {
		return 0, 0, damaged(0, otherFile, "it begins with %s where a GGUF file begins with %q", quote(string(m)), magic)
	}
	p.off = 4
	v, err := p.u32("the version number")
	if err != nil {
		return 0, 0, err
	}
	switch {
	case v&0xffff == 0 && v != 0:
		return 0, 0, refused(convertAgain, "it is a big-endian GGUF file, and only little-endian ones are supported")
	case v == 1:
		return 0, 0, refused(convertAgain, "it has version 1 of the GGUF format, which is no longer in use; versions 2 and 3 are supported")
	case v != 2 && v != 3:
		return 0, 0, refused(convertAgain, "it has version %d of the GGUF format; versions 2 and 3 are supported", v)
	}
	p.f.Version = v
	if tensors, err = p.count("tensors", minTensorBytes, p.lim.MaxTensors); err != nil {
		return 0, 0, err
	}
	if tensors == 0 {
		return 0, 0, refused(otherFile, "it holds no tensors, so there is no model in it")
	}
	keys, err = p.count("metadata keys", minEntryBytes, p.lim.MaxKeys)
	return tensors, keys, err
}

func (p *parser) count(what string, least, limit int) (int, *core.Error) {
	at := p.off
	n, err := p.u64("the number of " + what)
	if err != nil {
		return 0, err
	}
	if room := uint64(p.size-p.off) / uint64(least); n > room { //nolint:gosec // off never passes size
		return 0, damaged(at, downloadAgain, "the header promises %d %s, but the file has room for %d at most", n, what, room)
	}
	if n > uint64(limit) { //nolint:gosec // limits are positive
		return 0, damaged(at, distrust, "the header promises %d %s; at most %d are allowed", n, what, limit)
	}
	return int(n), nil //nolint:gosec // bounded by limit
}

// entry reads the metadata key number i with its value.
func (p *parser) entry(i int) *core.Error {
	at := p.off
	what := fmt.Sprintf("metadata key %d", i)
	b, err := p.view(maxKey, what)
	if err != nil {
		return err
	}
	key := string(b)
	if reason := badName(key); reason != "" {
		return damaged(at, distrust, "%s %s", what, reason)
	}
	if _, twice := p.f.Metadata.values[key]; twice {
		return damaged(at, convertAgain, "the metadata key %s appears twice", quote(key))
	}
	what = "the value of " + quote(key)
	t, err := p.u32(what)
	if err != nil {
		return err
	}
	v := value{typ: ValueType(t)}
	switch {
	case v.typ == String:
		err = p.text(&v, what)
	case v.typ == Array:
		err = p.array(&v, what)
	case v.typ.size() > 0:
		err = p.scalar(&v, what)
	default:
		err = damaged(p.off-4, downloadAgain, "%s has the unknown type %d", what, t)
	}
	if err != nil {
		return err
	}
	p.f.Metadata.keys = append(p.f.Metadata.keys, key)
	p.f.Metadata.values[key] = v
	return nil
}

// badName says what is wrong with a key or a tensor's name, or nothing. Control characters are refused because native
// code takes such names as C strings, where a NUL makes two names equal, and because names are shown in logs.
func badName(s string) string {
	switch {
	case s == "":
		return "is empty"
	case !utf8.ValidString(s):
		return "is not valid UTF-8"
	case strings.ContainsFunc(s, unicode.IsControl):
		return fmt.Sprintf("is %s, which has control characters", quote(s))
	}
	return ""
}

func (p *parser) text(v *value, what string) *core.Error {
	at := p.off
	b, err := p.view(p.lim.MaxString, what)
	if err != nil {
		return err
	}
	if !utf8.Valid(b) {
		return damaged(at, downloadAgain, "%s is not valid UTF-8", what)
	}
	v.str = string(b)
	return nil
}

func (p *parser) scalar(v *value, what string) *core.Error {
	b, err := p.peek(v.typ.size(), what)
	if err != nil {
		return err
	}
	v.bits = number(v.typ, b)
	if v.typ == Bool && v.bits > 1 {
		return damaged(p.off, downloadAgain, "%s is a truth value and must be 0 or 1, but is %d", what, v.bits)
	}
	p.off += int64(v.typ.size())
	return nil
}

// array remembers where an array is and walks over it.
func (p *parser) array(v *value, what string) *core.Error {
	t, err := p.u32(what)
	if err != nil {
		return err
	}
	v.elem = ValueType(t)
	at := p.off
	n, err := p.u64(what)
	if err != nil {
		return err
	}
	least := v.elem.size()
	switch {
	case v.elem == Array:
		return damaged(at-4, distrust, "%s is an array of arrays, which is not supported", what)
	case v.elem == String:
		least = 8
	case least == 0:
		return damaged(at-4, downloadAgain, "%s is an array of the unknown type %d", what, t)
	}
	// Divided, not multiplied: the product of a hostile count may wrap.
	if n > uint64(p.size-p.off)/uint64(least) { //nolint:gosec // off never passes size; least is 1 to 8
		return damaged(at, distrust, "%s promises %d elements, which cannot fit in the %d bytes that follow", what, n, p.size-p.off)
	}
	v.count, v.off = int(n), p.off //nolint:gosec // bounded by the size of the file
	switch v.elem {
	case String:
		for range v.count {
			if err = p.skipString(p.lim.MaxString, what); err != nil {
				return err
			}
		}
	case Bool:
		err = p.truths(v.count, what)
	case Uint8, Int8, Uint16, Int16, Uint32, Int32, Float32, Uint64, Int64, Float64, Array:
		err = p.skip(n*uint64(least), what)
	}
	return err
}

// truths checks an array of truth values: native code reads them as C++ bool, where another byte is undefined.
func (p *parser) truths(n int, what string) *core.Error {
	for n > 0 {
		b, err := p.peek(min(n, window/2), what)
		if err != nil {
			return err
		}
		for i, x := range b {
			if x > 1 {
				return damaged(p.off+int64(i), downloadAgain, "%s holds truth values, which must be 0 or 1, but one is %d", what, x)
			}
		}
		p.off += int64(len(b))
		n -= len(b)
	}
	return nil
}

// alignment takes the alignment from the metadata.
func (p *parser) alignment() *core.Error {
	v, ok := p.f.Metadata.values[keyAlignment]
	if !ok {
		return nil
	}
	if v.typ != Uint32 {
		return refused(convertAgain, "%q has the type %s where the format asks for %s", keyAlignment, v.typ, Uint32)
	}
	a := v.bits
	if a == 0 || a&(a-1) != 0 {
		return refused(convertAgain, "%q is %d, which is not a power of two", keyAlignment, a)
	}
	if a < minAlignment || a > maxAlignment {
		return refused(convertAgain, "%q is %d bytes; it must be between %d and %d", keyAlignment, a, minAlignment, maxAlignment)
	}
	p.f.Alignment = a
	return nil
}
