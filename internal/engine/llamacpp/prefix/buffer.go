package prefix

import (
	"sync"
	"sync/atomic"
)

// Buffer is memory for one state. It lies outside the garbage collector's heap: states are large, the collector would
// let twice their size pile up before it frees one, and what the host tier takes must be what it counts.
type Buffer struct {
	data   []byte // as it was mapped
	length int
	refs   atomic.Int32
	pool   *pool
}

// Bytes is the memory. It must not be used after Release.
func (b *Buffer) Bytes() []byte { return b.data[:b.length] }

// Release gives the memory back, once for each Buffer that a caller got and did not hand to Put.
func (b *Buffer) Release() {
	switch n := b.refs.Add(-1); {
	case n == 0:
		b.pool.put(b.data)
		b.data, b.length = nil, 0
	case n < 0:
		panic("prefix: a buffer was released twice")
	}
}

func (b *Buffer) retain() *Buffer {
	b.refs.Add(1)
	return b
}

// pool keeps the last buffer that was given back: getting fresh pages from the system costs more than filling them, and
// when the host tier is full each new state has just pushed out another of about the same size.
type pool struct {
	mu     sync.Mutex
	spare  []byte
	closed bool
}

// get returns a buffer of n bytes with one reference. Its content is undefined.
func (p *pool) get(n int) (*Buffer, error) {
	p.mu.Lock()
	data := p.spare
	if len(data) >= n && len(data)/2 <= n {
		p.spare = nil
	} else {
		data = nil
	}
	p.mu.Unlock()
	if data != nil {
		giveUp(data[n:]) // what is not needed must not be kept in memory uncounted
	} else {
		var err error
		if data, err = allocate(n); err != nil {
			return nil, err
		}
	}
	b := &Buffer{data: data, length: n, pool: p}
	b.refs.Store(1)
	return b, nil
}

func (p *pool) put(data []byte) {
	p.mu.Lock()
	old := data
	if !p.closed {
		old, p.spare = p.spare, data
	}
	p.mu.Unlock()
	if old != nil {
		free(old)
	}
}

func (p *pool) close() {
	p.mu.Lock()
	old := p.spare
	p.spare, p.closed = nil, true
	p.mu.Unlock()
	if old != nil {
		free(old)
	}
}
