package fetch

import (
	"slices"
	"sync"

	"ashatai/internal/blob"
)

// book says which pieces of a file are there and which lane brings each of the others. Its methods are safe for concurrent
// use; it does no I/O.
type book struct {
	mark blob.Mark

	mu     sync.Mutex
	pieces []blob.Piece
	lanes  []*lane
	bytes  int64 // that are there
}

// lane is a run of pieces that one stream brings in their order: [next, end). Only the first may have bytes already, so
// that one request brings all of it. The book's mu guards it.
type lane struct {
	next, end int
	asked     int   // up to this piece it was asked for, so that nobody else should bring it
	got       int64 // bytes that it brought
}

// perRequest bounds the pieces that one request asks for: what is asked for is not shared any more, and an address that is
// signed for some time is asked for again before it ends.
const perRequest = 4

func newBook(mark blob.Mark, pieces []blob.Piece) *book {
	b := &book{mark: mark, pieces: pieces}
	for _, p := range pieces {
		b.bytes += p.Have
	}
	return b
}

// claim finds work: the first run that nobody brings, else the later half of the longest lane. It is nil when there is
// nothing to take.
func (b *book) claim() *lane {
	b.mu.Lock()
	defer b.mu.Unlock()
	l := b.free()
	if l == nil {
		l = b.split()
	}
	if l != nil {
		b.lanes = append(b.lanes, l)
	}
	return l
}

func (b *book) whole(i int) bool { return b.pieces[i].Have == b.mark.PieceSize(i) }

func (b *book) taken(i int) bool {
	return slices.ContainsFunc(b.lanes, func(l *lane) bool { return l.next <= i && i < l.end })
}

func (b *book) free() *lane {
	for i := range b.pieces {
		if b.whole(i) || b.taken(i) {
			continue
		}
		end := i + 1
		for end < len(b.pieces) && b.pieces[end].Have == 0 && !b.taken(end) {
			end++
		}
		return &lane{next: i, end: end}
	}
	return nil
}

func (b *book) split() *lane {
	var longest *lane
	most := 0
	for _, l := range b.lanes {
		if n := l.end - max(l.next+1, l.asked); n > most {
			longest, most = l, n
		}
	}
	if longest == nil {
		return nil
	}
	m := longest.end - (most+1)/2
	l := &lane{next: m, end: longest.end}
	longest.end = m
	return l
}

// release gives up what a lane still has to bring.
func (b *book) release(l *lane) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lanes = slices.DeleteFunc(b.lanes, func(o *lane) bool { return o == l })
}

// where is the piece that a lane brings, and what it has. ok is false when the lane is done.
func (b *book) where(l *lane) (i int, p blob.Piece, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if l.next >= l.end {
		return 0, blob.Piece{}, false
	}
	return l.next, b.pieces[l.next], true
}

// ask decides how much of a lane the next request asks for: up to a piece, which is not one of them, and the offset in the
// file where that begins.
func (b *book) ask(l *lane) (piece int, end int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	l.asked = min(l.end, l.next+perRequest)
	return l.asked, min(int64(l.asked)*b.mark.Chunk, b.mark.Size)
}

// set records what a piece has, and returns how many bytes of the file are there. A lane whose piece is whole goes on to
// its next one.
func (b *book) set(l *lane, i int, p blob.Piece) int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.bytes += p.Have - b.pieces[i].Have
	l.got += p.Have - b.pieces[i].Have
	b.pieces[i] = p
	if l.next == i && b.whole(i) {
		l.next++
	}
	return b.bytes
}

// brought is how many bytes a lane has brought.
func (b *book) brought(l *lane) int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return l.got
}

// count is how many bytes of the file are there.
func (b *book) count() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.bytes
}
