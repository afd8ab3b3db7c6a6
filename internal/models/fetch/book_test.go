package fetch

import (
	"testing"

	"pgregory.net/rapid"

	"ashatai/internal/blob"
)

// TestBook: whatever streams do, no byte is brought by two of them, a request begins where the bytes end, and in the end
// every byte is there.
func TestBook(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		mark := blob.Mark{Size: rapid.Int64Range(1, 2000).Draw(t, "size"), Chunk: rapid.Int64Range(1, 100).Draw(t, "chunk")}
		pieces := make([]blob.Piece, mark.Pieces())
		for i := range pieces {
			pieces[i].Have = rapid.SampledFrom([]int64{0, 0, mark.PieceSize(i) / 2, mark.PieceSize(i)}).Draw(t, "have")
		}
		b := newBook(mark, pieces)
		var lanes []*lane
		for range rapid.IntRange(0, 300).Draw(t, "steps") {
			i := 0
			if len(lanes) > 0 {
				i = rapid.IntRange(0, len(lanes)-1).Draw(t, "lane")
			}
			switch what := rapid.IntRange(0, 5).Draw(t, "what"); {
			case what == 0 && len(lanes) < 6:
				if l := b.claim(); l != nil {
					lanes = append(lanes, l)
				}
			case len(lanes) == 0:
			case what == 1:
				b.release(lanes[i])
				lanes = append(lanes[:i], lanes[i+1:]...)
			default:
				bring(t, b, lanes[i])
			}
			checkBook(t, b)
		}
		for _, l := range lanes {
			b.release(l)
		}
		for l := b.claim(); l != nil; l = b.claim() {
			for bring(t, b, l) {
				checkBook(t, b)
			}
			b.release(l)
		}
		if b.count() != mark.Size {
			t.Fatalf("%d of %d bytes", b.count(), mark.Size)
		}
	})
}

// bring lets a lane receive some bytes, and reports whether it goes on.
func bring(t *rapid.T, b *book, l *lane) bool {
	i, p, ok := b.where(l)
	if !ok {
		return false
	}
	if l.asked <= i || rapid.Bool().Draw(t, "ask") {
		b.ask(l)
	}
	end := min(int64(l.asked)*b.mark.Chunk, b.mark.Size)
	if at := int64(i)*b.mark.Chunk + p.Have; at >= end || end > b.mark.Size {
		t.Fatalf("a lane at %d ends at %d", at, end)
	}
	p.Have += rapid.Int64Range(1, b.mark.PieceSize(i)-p.Have).Draw(t, "bytes")
	b.set(l, i, p)
	_, _, ok = b.where(l)
	return ok
}

func checkBook(t *rapid.T, b *book) {
	owner := map[int]*lane{}
	for _, l := range b.lanes {
		if l.asked > l.end {
			t.Fatal("what was asked for was given away")
		}
		for i := l.next; i < l.end; i++ {
			if owner[i] != nil {
				t.Fatalf("piece %d has two lanes", i)
			}
			owner[i] = l
			if i > l.next && b.pieces[i].Have != 0 {
				t.Fatalf("piece %d inside a lane has bytes", i)
			}
		}
	}
	total := int64(0)
	for i, p := range b.pieces {
		if p.Have > b.mark.PieceSize(i) {
			t.Fatalf("piece %d has %d bytes", i, p.Have)
		}
		total += p.Have
	}
	if total != b.count() {
		t.Fatalf("counted %d of %d bytes", b.count(), total)
	}
}
