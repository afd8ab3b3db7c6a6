package prefix

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"time"
)

// A file is a header and the state behind it. All numbers are little-endian:
//
//	magic 8 | version 4 | length of the header 4 | key 32 | created 8 (ns since 1970) | cost 8 (ns) | flags 4 |
//	length of the tenant 4 | number of tokens 4 | piece 4 | length of the state 8 |
//	tenant | tokens, 4 each | sha256 of each piece of the state | sha256 of everything before
//
// The header proves itself, so that a start reads headers only. The state is checked in pieces, so that several processors
// share the work and nothing is read twice. It is sha256 and not a CRC: a CRC of 32 bits misses one damaged file in four
// billion, which for a state means a wrong answer that nobody can explain, while processors compute sha256 in hardware at
// a gigabyte a second or more, a small part of what reading the file costs, and far below computing the prompt.
const (
	magic       = "ASHATPFX"
	version     = 1
	fixedHeader = 88
	pieceSize   = 1 << 20
	maxHeader   = 64 << 20
	maxTenant   = 4 << 10
	flagPinned  = 1
)

// errDamaged: the file is not what a writer of this version finished.
var errDamaged = errors.New("prefix: damaged file")

// header is what a file says of itself.
type header struct {
	key     [32]byte
	tenant  string
	tokens  []int32
	size    int64 // bytes of the state
	created int64 // ns
	cost    time.Duration
	pinned  bool
	sums    [][sha256.Size]byte // of each piece
}

// headerSize is the length of the header of such a file.
func headerSize(tenant string, tokens int, size int64) int64 {
	return fixedHeader + int64(len(tenant)) + 4*int64(tokens) + sha256.Size*pieces(size) + sha256.Size
}

func fileSize(tenant string, tokens int, size int64) int64 {
	return headerSize(tenant, tokens, size) + size
}

func pieces(size int64) int64 { return (size + pieceSize - 1) / pieceSize }

// fileName is where the state of these tokens lies. It does not tell the tenant.
func fileName(key [32]byte, tenant string, tokens []int32) string {
	b := make([]byte, 0, len(key)+8+len(tenant)+4*len(tokens))
	b = append(b, key[:]...)
	b = binary.LittleEndian.AppendUint64(b, uint64(len(tenant)))
	b = append(b, tenant...)
	b = appendTokens(b, tokens)
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:]) + fileSuffix
}

func appendTokens(b []byte, tokens []int32) []byte {
	for _, t := range tokens {
		b = binary.LittleEndian.AppendUint32(b, uint32(t)) //nolint:gosec // the same bits
	}
	return b
}

// encode writes the header.
func (h *header) encode() []byte {
	le := binary.LittleEndian
	n := headerSize(h.tenant, len(h.tokens), h.size)
	b := append(make([]byte, 0, n), magic...)
	b = le.AppendUint32(b, version)
	b = le.AppendUint32(b, uint32(n)) //nolint:gosec // at most maxHeader, see writer.go
	b = append(b, h.key[:]...)
	b = le.AppendUint64(b, uint64(h.created)) //nolint:gosec // the same bits
	b = le.AppendUint64(b, uint64(h.cost))    //nolint:gosec // the same bits
	flags := uint32(0)
	if h.pinned {
		flags = flagPinned
	}
	b = le.AppendUint32(b, flags)
	b = le.AppendUint32(b, uint32(len(h.tenant))) //nolint:gosec // at most maxTenant
	b = le.AppendUint32(b, uint32(len(h.tokens))) //nolint:gosec // the header is at most maxHeader
	b = le.AppendUint32(b, pieceSize)
	b = le.AppendUint64(b, uint64(h.size)) //nolint:gosec // not negative
	b = append(b, h.tenant...)
	b = appendTokens(b, h.tokens)
	for _, s := range h.sums {
		b = append(b, s[:]...)
	}
	sum := sha256.Sum256(b)
	return append(b, sum[:]...)
}

// readHeader reads and checks the header of a file of size bytes. It allocates no more than the file has.
func readHeader(r io.ReaderAt, size int64) (*header, error) {
	// Most headers come with one read.
	first := make([]byte, min(size, 16<<10))
	if _, err := r.ReadAt(first, 0); err != nil {
		return nil, damagedAtEnd(err)
	}
	if len(first) < fixedHeader || !bytes.HasPrefix(first, []byte(magic)) {
		return nil, errDamaged
	}
	le := binary.LittleEndian
	n := int64(le.Uint32(first[12:]))
	if le.Uint32(first[8:]) != version || n < fixedHeader || n > min(size, maxHeader) {
		return nil, errDamaged
	}
	b := first
	if n > int64(len(first)) {
		b = make([]byte, n)
		if _, err := r.ReadAt(b, 0); err != nil {
			return nil, damagedAtEnd(err)
		}
	}
	return parseHeader(b[:n], size)
}

func damagedAtEnd(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errDamaged
	}
	return err
}

// parseHeader reads a whole header, whose fixed part is there, of a file of size bytes.
func parseHeader(b []byte, size int64) (*header, error) {
	le := binary.LittleEndian
	tenant, tokens := int64(le.Uint32(b[68:])), int64(le.Uint32(b[72:]))
	state := int64(le.Uint64(b[80:])) //nolint:gosec // checked below
	if tenant > maxTenant || state <= 0 || state > size || le.Uint32(b[76:]) != pieceSize || le.Uint32(b[64:])&^flagPinned != 0 {
		return nil, errDamaged
	}
	n := int64(len(b))
	if n != fixedHeader+tenant+4*tokens+sha256.Size*pieces(state)+sha256.Size || n+state != size {
		return nil, errDamaged
	}
	body, sum := b[:n-sha256.Size], b[n-sha256.Size:]
	if sha256.Sum256(body) != [sha256.Size]byte(sum) {
		return nil, errDamaged
	}
	h := &header{
		key: [32]byte(b[16:]), size: state, pinned: le.Uint32(b[64:])&flagPinned != 0,
		created: int64(le.Uint64(b[48:])), cost: time.Duration(le.Uint64(b[56:])), //nolint:gosec // the same bits
	}
	if tokens == 0 || h.cost <= 0 {
		return nil, errDamaged
	}
	rest := body[fixedHeader:]
	h.tenant, rest = string(rest[:tenant]), rest[tenant:]
	h.tokens = make([]int32, tokens)
	for i := range h.tokens {
		h.tokens[i] = int32(le.Uint32(rest[4*i:])) //nolint:gosec // the same bits
	}
	for s := rest[4*tokens:]; len(s) > 0; s = s[sha256.Size:] {
		h.sums = append(h.sums, [sha256.Size]byte(s))
	}
	return h, nil
}
