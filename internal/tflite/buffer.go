package tflite

import (
	"encoding/binary"
	"io"
	"strings"

	"ashatai/internal/core"
	"ashatai/internal/protobuf"
)

// flat reads a FlatBuffer. Positions count from the beginning of the file. The first error stays, and everything after it
// reads as nothing, so that a caller looks at it once in a while.
type flat struct {
	cursor protobuf.Cursor
	size   int64
	spent  int64 // bytes of lists and texts that were read, those that are read again included
	err    error
}

// table is the place of a table; 0 is none.
type table int64

// vector is a list of elements of one size.
type vector struct {
	start int64
	count int64
}

const (
	maxText  = 1 << 16
	maxCount = 1 << 24
	// What a file holds may be referred to from several places, but a small file that refers to the same list from everywhere
	// would read like a huge one: all that is read is at most so many times the file, and a bit.
	maxTimes = 8
	maxMore  = 1 << 20
)

// spend counts what is read.
func (f *flat) spend(at, n int64) {
	if f.spent += n; f.spent > maxTimes*f.size+maxMore {
		f.fail(at, "it refers to the same bytes again and again")
	}
}

func newFlat(src io.ReaderAt, size int64) *flat { return &flat{cursor: protobuf.New(src), size: size} }

func (f *flat) fail(at int64, format string, args ...any) {
	if f.err == nil {
		f.err = protobuf.Damaged(at, format, args...)
	}
}

// bytes reads n bytes at a place.
func (f *flat) bytes(at int64, n int) []byte {
	if f.err != nil || at < 0 || n < 0 || at > f.size-int64(n) {
		f.fail(at, "it points out of the file")
		return make([]byte, min(max(n, 0), 8))
	}
	b, err := f.cursor.Around(at, n)
	if err != nil {
		f.err = err
	} else if len(b) < n {
		f.fail(at, "it is cut off")
	}
	if f.err != nil {
		return make([]byte, min(n, 8))
	}
	return b
}

func (f *flat) u32(at int64) int64 { return int64(binary.LittleEndian.Uint32(f.bytes(at, 4))) }

func (f *flat) i32(at int64) int32 { return int32(binary.LittleEndian.Uint32(f.bytes(at, 4))) } //nolint:gosec // the bits are meant

func (f *flat) u64(at int64) uint64 { return binary.LittleEndian.Uint64(f.bytes(at, 8)) }

// root is the outermost table.
func (f *flat) root() table { return table(f.u32(0)) }

// field is the place of a table's field of some bytes; 0 where the table has none.
func (f *flat) field(t table, id, size int) int64 {
	if t == 0 || f.err != nil {
		return 0
	}
	at := int64(t)
	v := at - int64(f.i32(at)) // of the list of fields
	length := int64(binary.LittleEndian.Uint16(f.bytes(v, 2)))
	whole := int64(binary.LittleEndian.Uint16(f.bytes(v+2, 2)))
	entry := int64(4 + 2*id)
	if f.err != nil || entry+2 > length {
		return 0
	}
	off := int64(binary.LittleEndian.Uint16(f.bytes(v+entry, 2)))
	if off == 0 {
		return 0
	}
	if off+int64(size) > whole || at+whole > f.size {
		f.fail(at, "a field lies outside of its table")
		return 0
	}
	return at + off
}

// byteOf, numberOf and longOf read fields; a field that is not there is 0.
func (f *flat) byteOf(t table, id int) byte {
	if at := f.field(t, id, 1); at != 0 {
		return f.bytes(at, 1)[0]
	}
	return 0
}

func (f *flat) numberOf(t table, id int) int64 {
	if at := f.field(t, id, 4); at != 0 {
		return f.u32(at)
	}
	return 0
}

func (f *flat) longOf(t table, id int) uint64 {
	if at := f.field(t, id, 8); at != 0 {
		return f.u64(at)
	}
	return 0
}

// list reads a field that is a vector of elements of some bytes.
func (f *flat) list(t table, id int, element int64) vector {
	at := f.field(t, id, 4)
	if at == 0 {
		return vector{}
	}
	v := at + f.u32(at)
	n := f.u32(v)
	if f.err == nil && (n > f.size || v+4+n*element > f.size || element > 1 && n > maxCount) {
		f.fail(v, "a list of %d elements is longer than the file, or than can be served", n)
	}
	if element > 1 {
		f.spend(v, n*element)
	}
	if f.err != nil {
		return vector{}
	}
	return vector{start: v + 4, count: n}
}

// at is the table that an element of a vector of tables points to.
func (f *flat) at(v vector, i int64) table {
	if i < 0 || i >= v.count {
		f.fail(v.start, "there is no element %d of a list of %d", i, v.count)
		return 0
	}
	at := v.start + 4*i
	return table(at + f.u32(at))
}

// ints reads a field that is a list of whole numbers.
func (f *flat) ints(t table, id int) []int32 {
	v := f.list(t, id, 4)
	out := make([]int32, 0, min(v.count, 1<<10))
	for i := range v.count {
		if f.err != nil {
			return nil
		}
		out = append(out, f.i32(v.start+4*i))
	}
	return out
}

// text reads a field that is a text.
func (f *flat) text(t table, id int) string {
	v := f.list(t, id, 1)
	if v.count > maxText {
		f.fail(v.start, "a name has %d bytes", v.count)
	}
	f.spend(v.start, v.count)
	if f.err != nil || v.count == 0 {
		return ""
	}
	return strings.ToValidUTF8(string(f.bytes(v.start, int(v.count))), "\uFFFD")
}

func unsupported(format string, args ...any) *core.Error {
	return core.Errorf(core.CodeBadModel, format, args...)
}
