// Package crew is the threads that compute for one context of the library, and how many of them do. It decides nothing:
// package threads does.
package crew

import (
	"runtime"

	"ashatai/internal/native/llama"
	"ashatai/internal/proc"
)

// Crew is the caller's own thread and a pool. One goroutine uses it, from Start to Stop.
//
// When the crew takes all processors, each thread is bound to one. The threads wait for each other dozens of times a token,
// and the system, whenever some other program needed a processor for a moment, would now and then put two of them on one
// and leave the other idle: such a step takes three times as long. With fewer threads than processors nothing is bound (a
// pool of its own has threads that never were), so that several models, or a busy neighbour, are placed around each other.
type Crew struct {
	lib  *llama.Library
	ctx  *llama.Context
	pool *llama.ThreadPool // nil when it could not be made; the library then starts threads for every step
	free *llama.ThreadPool // unbound threads beside a bound pool; nil until they are needed
	most int
	now  int
	all  []int // processors of this process, when the crew takes all of them
}

// Polling is how long the pool's threads spin for the next step before they sleep, on the library's scale from 0 to 100.
const Polling = 50

// New makes a crew of at most so many threads.
func New(lib *llama.Library, most int) *Crew { return &Crew{lib: lib, most: most} }

// Now is how many threads compute.
func (c *Crew) Now() int { return c.now }

// Start makes the pool; the calling goroutine keeps its thread until it ends.
func (c *Crew) Start(ctx *llama.Context) {
	runtime.LockOSThread()
	c.ctx = ctx
	p := llama.PoolParams{Threads: c.most, Poll: Polling}
	if all := proc.Processors(); len(all) == c.most && c.most > 1 {
		p.Pin = all
	}
	pool, err := c.lib.NewThreadPool(p)
	if err != nil {
		return
	}
	c.pool, c.now, c.all = pool, c.most, p.Pin
	ctx.Attach(pool)
}

// Use sets the number of threads for the next steps.
func (c *Crew) Use(n int) {
	if n == c.now {
		return
	}
	c.now = n
	c.ctx.SetThreads(n, n)
	if c.all == nil {
		return
	}
	mine := c.all
	switch {
	case n == c.most:
		mine = c.all[len(c.all)-1:]
		c.ctx.Attach(c.pool)
	case n > 1:
		c.roam()
	}
	_ = proc.Pin(mine) // where it is forbidden the system places the thread, as before
}

// roam makes the unbound threads compute; where they cannot be made the bound ones go on.
func (c *Crew) roam() {
	if c.free == nil {
		pool, err := c.lib.NewThreadPool(llama.PoolParams{Threads: c.most - 1, Poll: Polling})
		if err != nil {
			return
		}
		c.free = pool
	}
	c.ctx.Attach(c.free)
}

// Stop ends the pool, after its context.
func (c *Crew) Stop() {
	for _, p := range []*llama.ThreadPool{c.pool, c.free} {
		if p != nil {
			p.Close()
		}
	}
}
