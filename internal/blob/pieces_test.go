package blob

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ashatai/internal/core"
)

func TestPieces(t *testing.T) {
	t.Parallel()
	s, data := newStore(t), []byte("first second third!")
	key := sum(data)
	p := partial(t, s, key)
	mark := Mark{Validator: `"v1"`, Size: int64(len(data)), Chunk: 7}
	if mark.Pieces() != 3 || mark.PieceSize(1) != 7 || mark.PieceSize(2) != 5 {
		t.Fatalf("%d pieces, the last of %d bytes", mark.Pieces(), mark.PieceSize(2))
	}
	if err := p.Spread(mark); err != nil {
		t.Fatal(err)
	}
	if _, err := p.WriteAt(data[14:], 14); err != nil {
		t.Fatal(err)
	}
	last := Piece{Have: 5, Sum: [32]byte{1, 2, 3}}
	if err := p.SetPiece(2, last); err != nil {
		t.Fatal(err)
	}
	// A killed process closes nothing: another store opens the same directory.
	again, err := Open(s.Dir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = again.Close() })
	p = partial(t, again, key)
	if p.Mark() != mark || p.Size() != mark.Size {
		t.Fatalf("after a restart: %+v, %d bytes", p.Mark(), p.Size())
	}
	if err := p.Spread(p.Mark()); err != nil {
		t.Fatal(err)
	}
	got, err := p.Pieces()
	if diff := cmp.Diff([]Piece{{}, {}, last}, got); diff != "" || err != nil {
		t.Fatal(err, diff)
	}
	if _, err := p.WriteAt(data[:14], 0); err != nil {
		t.Fatal(err)
	}
	if err := p.Verify(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if err := p.Promote(); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(again.Path(key)); err != nil || !bytes.Equal(b, data) {
		t.Errorf("%q, %v", b, err)
	}
	if left, _ := filepath.Glob(s.Dir() + "/partial/*"); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

func TestPiecesRestart(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	p := partial(t, s, sum(nil))
	mark := Mark{Size: 100, Chunk: 10}
	if err := p.Spread(mark); err != nil {
		t.Fatal(err)
	}
	if err := p.SetPiece(4, Piece{Have: 10}); err != nil {
		t.Fatal(err)
	}
	if err := p.Restart(); err != nil {
		t.Fatal(err)
	}
	if p.Size() != 0 || p.Mark() != (Mark{}) {
		t.Errorf("%d bytes, %+v", p.Size(), p.Mark())
	}
	if err := p.Spread(mark); err != nil {
		t.Fatal(err)
	}
	got, err := p.Pieces()
	if diff := cmp.Diff(make([]Piece, 10), got); diff != "" || err != nil {
		t.Error(err, diff)
	}
	if err := p.Spread(Mark{Size: math.MaxInt64, Chunk: 1}); core.CodeOf(err) != core.CodeTooLarge {
		t.Errorf("too many pieces: %v", err)
	}
	if err := p.Spread(Mark{}); core.CodeOf(err) != core.CodeTooLarge {
		t.Errorf("no pieces: %v", err)
	}
}

// FuzzPieces: whatever a journal holds, no piece has more bytes than it can.
func FuzzPieces(f *testing.F) {
	f.Add([]byte{}, int64(100), int64(10))
	f.Add(bytes.Repeat([]byte{0, 0, 0, 0, 0, 0, 0, 5}, 50), int64(77), int64(7))
	f.Add(bytes.Repeat([]byte{0xff}, 400), int64(99), int64(50))
	f.Fuzz(func(t *testing.T, data []byte, size, chunk int64) {
		m := Mark{Size: size, Chunk: chunk}
		if n := m.Pieces(); n < 0 || n > 1<<16 {
			return
		}
		for i, p := range parsePieces(data, m) {
			if p.Have < 0 || p.Have > m.PieceSize(i) {
				t.Errorf("piece %d of %+v has %d bytes", i, m, p.Have)
			}
		}
	})
}
