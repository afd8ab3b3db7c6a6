package llamacpp

import (
	"context"
	"maps"
	"math/bits"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"ashatai/internal/core"
	"ashatai/internal/engine"
	"ashatai/internal/engine/llamacpp/batch"
	"ashatai/internal/engine/llamacpp/crew"
	"ashatai/internal/engine/llamacpp/curve"
	"ashatai/internal/engine/llamacpp/layout"
	"ashatai/internal/engine/llamacpp/prefix"
	"ashatai/internal/engine/llamacpp/threads"
	"ashatai/internal/native/llama"
)

// slot is one sequence of the context.
type slot struct {
	id     int
	tenant string
	held   []llama.Token // exactly the tokens whose state the sequence holds
	saved  int           // how many of them the store holds too
	run    *choice       // nil when free
	used   uint64        // the step in which it was last used
}

// loop owns a context. Everything but submit, gone, stats and stop runs on its goroutine.
type loop struct {
	life   context.Context //nolint:containedctx // of the process, without its end: what closing may still wait for
	vocab  *llama.Vocab
	ctx    *llama.Context
	abort  *llama.Abort
	facts  engine.Facts
	opt    layout.Options
	cells  int // tokens that the KV space holds
	tile   int // see batch.State
	rows   *llama.Batch
	slots  []*slot
	queue  []*choice           // accepted, without a slot, in order
	pieces [][]byte            // bytes of the tokens seen so far
	pace   *threads.Controller // of paces, the one for the share that holds now
	paces  map[int64]*threads.Controller
	loaded threads.Counts // the most threads, before sharing
	crew   *crew.Crew
	costs  *costs
	turns  batch.Turns
	store  *prefix.Store // nil when prefixes live in sequences only
	count  engine.Stats
	made   []engine.Sink // that this step gave events to
	draft  []llama.Token // scratch

	helpFrom int // logits from which two processors draw

	in       chan *job
	asked    chan chan engine.Stats
	fetched  chan *fetch  // loads from disk that ended
	share    atomic.Int64 // processors that it may use; 0: as loaded
	quit     chan struct{}
	finished chan struct{}
	stopOnce sync.Once

	mu      sync.Mutex
	serving []*job // whose rows are in the call that runs now
	spare   bool   // the call that runs now serves nobody, and gives way to whoever comes
}

// The shortest pieces of prompts. With flash attention the library computes pieces of 64 tokens and more along a path of
// their own; without, all but single tokens.
const (
	tileFlash = 64
	tilePlain = 2
)

func newLoop(ctx context.Context, lib *llama.Library, v *llama.Vocab, space *llama.Context, abort *llama.Abort, facts engine.Facts, opt layout.Options, lay layout.Layout) (*loop, error) {
	l := &loop{
		life: context.WithoutCancel(ctx), vocab: v, ctx: space, abort: abort, helpFrom: helpFrom, facts: facts, opt: opt, cells: lay.Cells, tile: tileFlash,
		rows: llama.NewBatch(space.MaxBatch()), pieces: make([][]byte, v.Len()), loaded: lay.Threads, paces: map[int64]*threads.Controller{},
		crew: crew.New(lib, lay.Threads.Most()),
		in:   make(chan *job), asked: make(chan chan engine.Stats), fetched: make(chan *fetch), quit: make(chan struct{}), finished: make(chan struct{}),
	}
	if opt.Repeatable || facts.Batch < 2*tileFlash {
		l.tile = tilePlain
	}
	for i := range facts.Sequences {
		l.slots = append(l.slots, &slot{id: i})
	}
	var err error
	if l.store, err = openStore(ctx, opt, lay.Cache); err != nil {
		return nil, err
	}
	l.costs = openCosts(opt, facts, lay.Threads)
	l.setPace()
	go l.run() //nolint:contextcheck // the loop outlives the load; its own context is kept for closing
	return l, nil
}

// submit hands an accepted job to the loop.
func (l *loop) submit(ctx context.Context, j *job) error {
	l.giveWay()
	select {
	case l.in <- j:
		return nil
	case <-l.finished:
		return errClosed
	case <-ctx.Done():
		return core.AsError(context.Cause(ctx))
	}
}

// giveWay stops a call that serves nobody.
func (l *loop) giveWay() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.spare {
		l.abort.Set(true)
	}
}

// gone is called when a request's context ends. When nobody waits for the running call any more, the call is aborted.
func (l *loop) gone() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.serving) > 0 && !slices.ContainsFunc(l.serving, func(j *job) bool { return j.ctx.Err() == nil }) {
		l.abort.Set(true)
	}
}

// stats asks the loop for its figures.
func (l *loop) stats(ctx context.Context) (engine.Stats, error) {
	answer := make(chan engine.Stats, 1)
	select {
	case l.asked <- answer:
		return <-answer, nil
	case <-l.finished:
		return engine.Stats{}, errClosed
	case <-ctx.Done():
		return engine.Stats{}, core.AsError(context.Cause(ctx))
	}
}

// stop ends every request and frees the context. It may be called twice.
func (l *loop) stop() {
	l.stopOnce.Do(func() { close(l.quit) })
	<-l.finished
}

func (l *loop) run() {
	defer close(l.finished)
	defer l.shut()
	l.crew.Start(l.ctx)
	for l.receive() {
		l.drop()
		l.admit()
		l.step()
		l.flush()
	}
}

// flush lets what this step made leave, before the next one takes the processors.
func (l *loop) flush() {
	for _, o := range l.made {
		o.Flush()
	}
	clear(l.made)
	l.made = l.made[:0]
}

// receive takes what has arrived; it waits only when there is nothing to compute. It reports false when the loop ends.
func (l *loop) receive() bool {
	for !l.idle() {
		select {
		case j := <-l.in:
			l.queue = append(l.queue, j.choices...)
		case a := <-l.asked:
			a <- l.figures()
		case f := <-l.fetched:
			f.arrived()
		case <-l.quit:
			return false
		default:
			return true
		}
	}
	var rest <-chan time.Time
	if l.chores() {
		timer := time.NewTimer(breather)
		defer timer.Stop()
		rest = timer.C
	}
	select {
	case j := <-l.in:
		l.queue = append(l.queue, j.choices...)
	case a := <-l.asked:
		a <- l.figures()
	case f := <-l.fetched:
		f.arrived()
	case <-l.quit:
		return false
	case <-rest:
		l.chore()
	}
	return true
}

// idle reports whether there is nothing to compute: what is accepted waits for the disk, or nothing is.
func (l *loop) idle() bool {
	return !slices.ContainsFunc(l.queue, func(c *choice) bool { return c.fetch == nil || c.fetch.done }) &&
		!slices.ContainsFunc(l.slots, func(s *slot) bool { return s.run != nil })
}

func (l *loop) figures() engine.Stats {
	s := l.count
	s.Began = maps.Clone(l.count.Began)
	s.Waiting, s.Threads = len(l.queue), l.crew.Now()
	if l.store != nil {
		c := l.store.Stats()
		s.Cache = engine.CacheStats{
			HostBytes: c.HostBytes, DiskBytes: c.DiskBytes, HostEntries: c.HostEntries, DiskEntries: c.DiskEntries,
			EvictedHost: c.EvictedHost, EvictedDisk: c.EvictedDisk, Corrupt: c.Corrupt, WriteErrors: c.WriteErrors, Misses: map[string]uint64{},
		}
		for why, n := range c.Misses {
			s.Cache.Misses[string(why)] = n
		}
	}
	for _, sl := range l.slots {
		if sl.run != nil {
			s.Active++
		}
	}
	return s
}

// drop frees the sequences of requests whose callers went away or whose time is over.
func (l *loop) drop() {
	l.leave(func(c *choice) bool {
		if c.job.ctx.Err() == nil {
			return false
		}
		c.job.out.close(core.AsError(context.Cause(c.job.ctx)))
		return true
	})
	for _, s := range l.slots {
		if s.run != nil && s.run.job.ctx.Err() != nil {
			s.run.job.out.close(core.AsError(context.Cause(s.run.job.ctx)))
			l.release(s)
		}
	}
}

// release makes a slot free. What it holds stays for reuse; the state of an answer only where numbers may depend on the
// path along which they were computed.
func (l *loop) release(s *slot) {
	l.truncate(s, len(l.reusable(s)))
	c := s.run
	s.run, c.slot = nil, nil
	s.used = l.count.Steps
	l.discard(c)
}

// discard frees what a choice holds outside its slot.
func (l *loop) discard(c *choice) {
	c.unbind()
	c.fetch.drop()
	c.fetch, c.paused = nil, nil
}

// fail ends a job with an error and frees its sequences.
func (l *loop) fail(j *job, err error) {
	j.out.close(err)
	for _, s := range l.slots {
		if s.run != nil && s.run.job == j {
			l.release(s)
			l.clear(s)
		}
	}
	l.leave(func(c *choice) bool { return c.job == j })
}

// leave takes choices out of the queue.
func (l *loop) leave(gone func(c *choice) bool) {
	l.queue = slices.DeleteFunc(l.queue, func(c *choice) bool {
		if gone(c) {
			l.discard(c)
			return true
		}
		return false
	})
}

// shut ends what is left and frees the native memory.
func (l *loop) shut() {
	for _, c := range l.queue {
		c.job.out.close(errClosed)
	}
	l.leave(func(*choice) bool { return true })
	for _, s := range l.slots {
		if s.run != nil {
			s.run.job.out.close(errClosed)
			l.release(s)
		}
	}
	l.closeStore()
	l.costs.save()
	l.rows.Close()
	l.ctx.Close()
	l.crew.Stop()
}

// decode runs one call into the library for the given choices and measures it.
func (l *loop) decode(choices []*choice, what curve.Sample) llama.DecodeStatus {
	jobs := make([]*job, 0, len(choices))
	for _, c := range choices {
		jobs = append(jobs, c.job)
	}
	l.mu.Lock()
	l.serving = jobs
	l.mu.Unlock()
	l.gone() // an end that came before serving was set
	status := l.compute(what)
	l.mu.Lock()
	l.serving = nil
	l.abort.Set(false)
	l.mu.Unlock()
	l.count.Steps++
	return status
}

// setPace chooses the controller for the share that holds now. Each learns on its own: a figure for all threads says nothing
// while there are others beside them.
func (l *loop) setPace() {
	n := l.share.Load()
	if l.paces[n] == nil {
		most := l.loaded
		if n > 0 {
			most = most.AtMost(int(n))
		}
		l.paces[n] = threads.New(most)
	}
	l.pace = l.paces[n]
}

// compute calls the library with the rows and learns from what it took.
func (l *loop) compute(what curve.Sample) llama.DecodeStatus {
	l.setPace()
	group := threads.Prefill
	if what.Kind == curve.Decode {
		group = threads.Decode
	}
	// Steps are compared with their like: so many rows, on sequences so long.
	like := bits.Len(uint(l.rows.Len()))<<8 | bits.Len(uint(what.Context>>8))
	what.Threads = l.pace.Next(group, like)
	l.crew.Use(what.Threads)
	start := time.Now()
	status := l.ctx.Decode(l.rows)
	took := time.Since(start)
	if status == llama.DecodeOK {
		l.pace.Observe(group, like, l.rows.Len(), took)
		l.costs.observe(what, took)
	}
	l.count.Busy += took
	return status
}
