package llama

import (
	"fmt"
	"sync/atomic"
	"unsafe"
)

// Context is the state of running sequences. One goroutine at a time may use it.
type Context struct {
	lib   *Library
	model *Model
	ptr   uintptr
	mem   uintptr
	vocab int
	dim   int
	abort *Abort
}

// NewContext allocates the KV space and the compute buffers. abort may be nil.
func (m *Model) NewContext(p ContextParams, abort *Abort) (*Context, error) {
	m.lib.log.take()
	if abort != nil {
		p.AbortCallback, p.AbortCallbackData = m.lib.zero, abort.addr()
	}
	ptr := m.lib.fn.ContextInit(m.ptr, p)
	if ptr == 0 {
		return nil, fmt.Errorf("%w: %s", ErrContext, m.lib.log.take())
	}
	return &Context{
		lib: m.lib, model: m, ptr: ptr, mem: m.lib.fn.ContextMemory(ptr), abort: abort,
		vocab: m.Vocab.Len(), dim: m.Dimensions(),
	}, nil
}

// Close frees the context.
func (c *Context) Close() {
	if c.ptr != 0 {
		c.lib.fn.ContextFree(c.ptr)
		c.ptr = 0
	}
}

// PerSequence is the number of tokens that one sequence can hold.
func (c *Context) PerSequence() int { return int(c.lib.fn.ContextNCtxSeq(c.ptr)) }

// MaxBatch is the number of tokens that one Decode may have; more would abort the process.
func (c *Context) MaxBatch() int { return int(c.lib.fn.ContextNBatch(c.ptr)) }

// Sequences is the number of sequences.
func (c *Context) Sequences() int { return int(c.lib.fn.ContextNSeqMax(c.ptr)) }

// Pooling is the pooling type in force.
func (c *Context) Pooling() int { return int(c.lib.fn.PoolingType(c.ptr)) }

// SetThreads changes the number of threads for single tokens and for batches.
func (c *Context) SetThreads(decode, batch int) {
	c.lib.fn.SetNThreads(c.ptr, int32(decode), int32(batch)) //nolint:gosec // a number of cores
}

// DecodeStatus is the outcome of Decode.
type DecodeStatus int32

// The outcomes that Decode tells apart. Negative ones other than these are defects.
const (
	DecodeOK      DecodeStatus = 0
	DecodeNoSpace DecodeStatus = 1 // no room in the KV space
	DecodeAborted DecodeStatus = 2 // the abort flag was set; what was computed of the batch is kept, see Tail
)

// Decode computes a batch. It panics when the batch is larger than MaxBatch, where the library would abort the process.
func (c *Context) Decode(b *Batch) DecodeStatus {
	c.check(b)
	return DecodeStatus(c.lib.fn.Decode(c.ptr, b.c()))
}

func (c *Context) check(b *Batch) {
	if b.Len() == 0 || b.Len() > c.MaxBatch() {
		panic(fmt.Sprintf("llama: batch of %d tokens, the context takes 1 to %d", b.Len(), c.MaxBatch()))
	}
}

// Logits returns the logits of row i of the last batch, one per token of the vocabulary. The memory belongs to the
// context, may be changed, and is valid until the next Decode. It is nil when the row asked for none.
func (c *Context) Logits(i int) []float32 {
	return floats(c.lib.fn.LogitsIth(c.ptr, int32(i)), c.vocab) //nolint:gosec // below MaxBatch
}

// Embedding returns the pooled embedding of sequence seq, or nil. Valid until the next Decode.
func (c *Context) Embedding(seq int) []float32 {
	return floats(c.lib.fn.EmbeddingsSeq(c.ptr, SeqID(seq)), c.dim) //nolint:gosec // below Sequences
}

// Scores returns what the classification head made of sequence seq, or nil. Valid until the next Decode. Only a context
// whose pooling is PoolingRank has it.
func (c *Context) Scores(seq int) []float32 {
	if c.Pooling() != PoolingRank {
		return nil
	}
	return floats(c.lib.fn.EmbeddingsSeq(c.ptr, SeqID(seq)), c.model.Scores()) //nolint:gosec // below Sequences
}

func floats(p *float32, n int) []float32 {
	if p == nil {
		return nil
	}
	return unsafe.Slice(p, n) //nolint:gosec // the library says that there are n
}

// Truncate forgets the tokens of seq from position keep on. It reports false when this kind of model cannot forget a
// part; the sequence is unchanged then and must be cleared.
func (c *Context) Truncate(seq, keep int) bool {
	return c.lib.fn.MemorySeqRm(c.mem, SeqID(seq), Pos(keep), -1) //nolint:gosec // below Sequences and PerSequence
}

// Clear forgets all of seq.
func (c *Context) Clear(seq int) { c.lib.fn.MemorySeqRm(c.mem, SeqID(seq), -1, -1) } //nolint:gosec // below Sequences

// ClearAll forgets every sequence.
func (c *Context) ClearAll() { c.lib.fn.MemoryClear(c.mem, false) }

// Length is the number of tokens that seq holds.
func (c *Context) Length(seq int) int {
	return int(c.lib.fn.MemorySeqPosMax(c.mem, SeqID(seq))) + 1 //nolint:gosec // below Sequences
}

// Abort is a flag that stops a running Decode. The library asks its abort callback between operations; the callback is
// the C library's strlen on this flag's memory, an empty string while work may go on and a string of one byte when it
// must stop. So asking costs nanoseconds and never enters Go.
type Abort struct {
	word *[8]atomic.Uint64 // a whole cache line, as strlen reads beyond the end in aligned blocks
}

// NewAbort makes a flag in the state "go on".
func NewAbort() *Abort { return &Abort{word: new([8]atomic.Uint64)} }

// Set says whether work must stop.
func (a *Abort) Set(stop bool) {
	if stop {
		a.word[0].Store(1) // little-endian: 0x01 0x00, a string of length 1
	} else {
		a.word[0].Store(0)
	}
}

func (a *Abort) addr() uintptr { return uintptr(unsafe.Pointer(a.word)) } //nolint:gosec // the context keeps the flag alive
