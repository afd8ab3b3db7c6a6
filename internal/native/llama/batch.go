package llama

import (
	"runtime"
	"unsafe"
)

// Batch is the rows of one Decode: a token, its position, its sequence, and whether its logits are wanted. Its memory is
// allocated once and pinned, because the library keeps pointers into it during the call.
type Batch struct {
	tokens []Token
	pos    []Pos
	nSeq   []int32
	seq    []SeqID
	seqPtr []*SeqID
	out    []int8
	n      int
	pin    runtime.Pinner
}

// NewBatch makes a batch with room for size rows. The caller closes it.
func NewBatch(size int) *Batch {
	b := &Batch{
		tokens: make([]Token, size), pos: make([]Pos, size), nSeq: make([]int32, size),
		seq: make([]SeqID, size), seqPtr: make([]*SeqID, size), out: make([]int8, size),
	}
	for i := range size {
		b.nSeq[i] = 1
		b.seqPtr[i] = &b.seq[i]
	}
	for _, p := range []any{&b.tokens[0], &b.pos[0], &b.nSeq[0], &b.seq[0], &b.seqPtr[0], &b.out[0]} {
		b.pin.Pin(p)
	}
	return b
}

// Close unpins the memory.
func (b *Batch) Close() { b.pin.Unpin() }

// Reset makes the batch empty.
func (b *Batch) Reset() { b.n = 0 }

// Len is the number of rows.
func (b *Batch) Len() int { return b.n }

// Add appends a row and returns its index. It panics when the batch is full.
func (b *Batch) Add(t Token, pos, seq int, output bool) int {
	i := b.n
	b.tokens[i], b.pos[i], b.seq[i] = t, Pos(pos), SeqID(seq) //nolint:gosec // bounded by the context
	b.out[i] = 0
	if output {
		b.out[i] = 1
	}
	b.n++
	return i
}

func (b *Batch) c() cBatch {
	return cBatch{
		NTokens: int32(b.n),                                                                                               //nolint:gosec // bounded by the context
		Token:   &b.tokens[0], Pos: &b.pos[0], NSeqID: &b.nSeq[0], SeqID: unsafe.Pointer(&b.seqPtr[0]), Logits: &b.out[0], //nolint:gosec // pinned for the call
	}
}
