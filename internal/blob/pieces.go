package blob

import (
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"os"

	"ashatai/internal/core"
)

const (
	pieceSuffix = ".pieces"
	pieceSlot   = 8 + 32 // length and sha256
	maxPieces   = 1 << 22
)

// Piece is what is known of one piece of a file that is filled in several places at once: so many bytes from the piece's
// start were written, and this is their sha256.
type Piece struct {
	Have int64
	Sum  [32]byte
}

// Pieces is how many pieces of m.Chunk bytes a file of m.Size bytes has; 0 for a mark of a file that grows at its end.
func (m Mark) Pieces() int {
	if m.Chunk <= 0 || m.Size <= 0 {
		return 0
	}
	return int((m.Size-1)/m.Chunk) + 1
}

// PieceSize is the length of piece i in bytes. Only the last one may be shorter than m.Chunk.
func (m Mark) PieceSize(i int) int64 { return min(m.Chunk, m.Size-int64(i)*m.Chunk) }

// Spread makes the file one that is filled in pieces: as long as m says, with a journal of what each piece has. A file that
// was spread with the same mark keeps what it has; call it again after opening one. Restart undoes it.
func (p *Partial) Spread(m Mark) error {
	if n := m.Pieces(); n == 0 || n > maxPieces {
		return core.Errorf(core.CodeTooLarge, "A file of %d bytes cannot be downloaded in pieces of %d bytes.", m.Size, m.Chunk)
	}
	if p.mark != m {
		if err := p.SetMark(m); err != nil {
			return err
		}
	}
	if p.size != m.Size {
		if err := p.f.Truncate(m.Size); err != nil {
			return p.s.explain(err, "write to", m.Size)
		}
		p.size = m.Size
	}
	if p.journal != nil {
		return nil
	}
	f, err := p.s.root.OpenFile(p.name(pieceSuffix), os.O_RDWR|os.O_CREATE, fileMode)
	if err != nil {
		return p.s.explain(err, "write to", 0)
	}
	p.journal = f
	return nil
}

// WriteAt writes bytes of a spread file. Several goroutines may write at once. No space left is CodeDiskFull.
func (p *Partial) WriteAt(b []byte, off int64) (int, error) {
	n, err := p.f.WriteAt(b, off)
	if err != nil {
		return n, p.s.explain(err, "write to", off+int64(len(b)))
	}
	return n, nil
}

// SetPiece records what piece i of a spread file has. Several goroutines may do so at once, each for pieces of its own.
// It survives the end of the process, but only Promote makes it survive that of the machine: bytes prove themselves by
// their sum.
func (p *Partial) SetPiece(i int, piece Piece) error {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, pieceSlot), uint64(max(piece.Have, 0)))
	if _, err := p.journal.WriteAt(append(b, piece.Sum[:]...), int64(i)*pieceSlot); err != nil {
		return p.s.explain(err, "write to", 0)
	}
	return nil
}

// Pieces reads what SetPiece recorded for a spread file, in this process or an earlier one.
func (p *Partial) Pieces() ([]Piece, error) {
	data, err := io.ReadAll(io.NewSectionReader(p.journal, 0, int64(p.mark.Pieces())*pieceSlot))
	if err != nil {
		return nil, p.s.explain(err, "read", 0)
	}
	return parsePieces(data, p.mark), nil
}

// parsePieces reads a journal. What is missing or impossible counts as a piece that has nothing.
func parsePieces(data []byte, m Mark) []Piece {
	list := make([]Piece, m.Pieces())
	for i := range list {
		if len(data) < (i+1)*pieceSlot {
			break
		}
		slot := data[i*pieceSlot : (i+1)*pieceSlot]
		have := binary.BigEndian.Uint64(slot)
		if have == 0 || have > uint64(m.PieceSize(i)) { //nolint:gosec // a piece's size is positive
			continue
		}
		list[i].Have = int64(have) //nolint:gosec // it is not above a piece's size
		copy(list[i].Sum[:], slot[8:])
	}
	return list
}

// dropPieces ends the journal and removes it.
func (p *Partial) dropPieces() error {
	err := p.closePieces()
	if rerr := p.s.root.Remove(p.name(pieceSuffix)); rerr != nil && !errors.Is(rerr, fs.ErrNotExist) {
		err = errors.Join(err, rerr)
	}
	if err != nil {
		return p.s.explain(err, "delete a file of", 0)
	}
	return nil
}

func (p *Partial) closePieces() error {
	if p.journal == nil {
		return nil
	}
	err := p.journal.Close()
	p.journal = nil
	return err
}
