package prefix

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func sample(state int) (*header, []byte) {
	h := &header{
		key: [32]byte{1, 2, 3}, tenant: "tenant", tokens: []int32{1, -2, 1 << 30}, size: int64(state),
		created: 12345, cost: time.Second, pinned: true,
	}
	data := bytes.Repeat([]byte{7, 8, 9}, state/3+1)[:state]
	for i := range int(pieces(h.size)) {
		h.sums = append(h.sums, sha256.Sum256(pieceOf(data, i)))
	}
	return h, append(h.encode(), data...)
}

var exported = cmp.AllowUnexported(header{})

func TestHeaderRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := &header{
			key: [32]byte(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "key")), tenant: rapid.String().Draw(t, "tenant"),
			tokens: rapid.SliceOfN(rapid.Int32(), 1, 6000).Draw(t, "tokens"), size: rapid.Int64Range(1, 5<<20).Draw(t, "size"),
			created: rapid.Int64().Draw(t, "created"), cost: time.Duration(rapid.Int64Range(1, 1<<60).Draw(t, "cost")), pinned: rapid.Bool().Draw(t, "pinned"),
		}
		h.sums = make([][32]byte, pieces(h.size))
		b := h.encode()
		if int64(len(b)) != headerSize(h.tenant, len(h.tokens), h.size) {
			t.Fatalf("%d bytes, want %d", len(b), headerSize(h.tenant, len(h.tokens), h.size))
		}
		got, err := readHeader(padded{b, int64(len(b)) + h.size}, int64(len(b))+h.size)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(h, got, exported); d != "" {
			t.Fatal(d)
		}
	})
}

// padded is a file of zeros that begins with data.
type padded struct {
	data []byte
	size int64
}

func (p padded) ReadAt(b []byte, off int64) (int, error) {
	n := int(min(int64(len(b)), p.size-off))
	clear(b[:n])
	if off < int64(len(p.data)) {
		copy(b[:n], p.data[off:])
	}
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

// TestEveryBitCounts: no header with one wrong bit is taken, whatever the bit, and no cut file.
func TestEveryBitCounts(t *testing.T) {
	h, file := sample(100)
	head := int(headerSize(h.tenant, len(h.tokens), h.size))
	for bit := range 8 * head {
		file[bit/8] ^= 1 << (bit % 8)
		if _, err := readHeader(bytes.NewReader(file), int64(len(file))); !errors.Is(err, errDamaged) {
			t.Fatalf("bit %d: %v", bit, err)
		}
		file[bit/8] ^= 1 << (bit % 8)
	}
	for n := range file {
		if _, err := readHeader(bytes.NewReader(file[:n]), int64(n)); !errors.Is(err, errDamaged) {
			t.Fatalf("%d of %d bytes: %v", n, len(file), err)
		}
	}
	if _, err := readHeader(bytes.NewReader(file), int64(len(file))); err != nil {
		t.Fatal(err)
	}
}

// TestSealedNonsense: a header with a right sum but impossible numbers is damaged, not a crash.
func TestSealedNonsense(t *testing.T) {
	for at, value := range map[int]uint64{48 + 8: 0, 64: 1 << 8, 68: 1 << 30, 72: 0, 76: 5, 80: 1 << 62, 81: 1 << 55} {
		_, file := sample(100)
		head := int(binary.LittleEndian.Uint32(file[12:]))
		if at < 64 || at >= 80 {
			binary.LittleEndian.PutUint64(file[min(at, 80):], value)
		} else {
			binary.LittleEndian.PutUint32(file[at:], uint32(value))
		}
		sum := sha256.Sum256(file[:head-32])
		copy(file[head-32:], sum[:])
		if _, err := readHeader(bytes.NewReader(file), int64(len(file))); !errors.Is(err, errDamaged) {
			t.Errorf("%d at %d: %v", value, at, err)
		}
	}
}

func TestFileNameTellsNothing(t *testing.T) {
	names := map[string]bool{}
	for _, key := range [][32]byte{{}, {1}} {
		for _, tenant := range []string{"alice", "alicf", "alice\x01\x00\x00\x00"} {
			for _, tokens := range [][]int32{{1}, {1, 1}, {2}} {
				n := fileName(key, tenant, tokens)
				if names[n] || len(n) != nameLen || strings.Contains(n, "alice") {
					t.Errorf("name %s", n)
				}
				names[n] = true
			}
		}
	}
}

func FuzzReadHeader(f *testing.F) {
	_, good := sample(100)
	f.Add(good)
	f.Add(good[:90])
	f.Add([]byte(magic))
	_, long := sample(pieceSize + 5)
	f.Add(long[:300])
	f.Fuzz(func(t *testing.T, b []byte) {
		// Whatever is sealed with a right sum gets past the sum.
		if len(b) > fixedHeader+32 {
			if n := int(binary.LittleEndian.Uint32(b[12:])); n > fixedHeader+32 && n <= len(b) {
				sum := sha256.Sum256(b[:n-32])
				copy(b[n-32:n], sum[:])
			}
		}
		h, err := readHeader(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		if again := h.encode(); !bytes.Equal(again, b[:len(again)]) {
			t.Error("another header comes back")
		}
	})
}
