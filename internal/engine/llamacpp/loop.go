package llamacpp

import (
	"context"
	"math/bits"
	"runtime"
	"slices"
	"sync"
	"time"

	"ashatai/internal/core"
	"ashatai/internal/engine"
	"ashatai/internal/engine/llamacpp/batch"
	"ashatai/internal/engine/llamacpp/threads"
	"ashatai/internal/native/llama"
)

// slot is one sequence of the context.
type slot struct {
	id     int
	tenant string
	held   []llama.Token // the prompt tokens at its start, as a prompt computes them: what another request may reuse
	run    *choice       // nil when free
	used   uint64        // the step in which it was last used
}

// loop owns a context. Everything but submit, gone, stats and stop runs on its goroutine.
type loop struct {
	vocab  *llama.Vocab
	ctx    *llama.Context
	abort  *llama.Abort
	facts  engine.Facts
	limits batch.Limits
	rows   *llama.Batch
	slots  []*slot
	queue  []*choice // accepted, without a slot, in order
	pieces [][]byte  // bytes of the tokens seen so far
	pace   *threads.Controller
	count  engine.Stats

	in       chan *job
	asked    chan chan engine.Stats
	quit     chan struct{}
	finished chan struct{}
	stopOnce sync.Once

	mu      sync.Mutex
	serving []*job // whose rows are in the call that runs now
}

// promptChunk is how many prompt tokens are computed between two tokens of running streams.
const promptChunk = 64

func newLoop(v *llama.Vocab, ctx *llama.Context, abort *llama.Abort, facts engine.Facts) *loop {
	l := &loop{
		vocab: v, ctx: ctx, abort: abort, facts: facts,
		limits: batch.Limits{Batch: facts.Batch, Chunk: min(promptChunk, facts.Batch)},
		rows:   llama.NewBatch(ctx.MaxBatch()), pieces: make([][]byte, v.Len()), pace: threads.New(facts.Threads),
		in: make(chan *job), asked: make(chan chan engine.Stats), quit: make(chan struct{}), finished: make(chan struct{}),
	}
	for i := range facts.Sequences {
		l.slots = append(l.slots, &slot{id: i})
	}
	go l.run()
	return l
}

// submit hands an accepted job to the loop.
func (l *loop) submit(ctx context.Context, j *job) error {
	select {
	case l.in <- j:
		return nil
	case <-l.finished:
		return errClosed
	case <-ctx.Done():
		return core.AsError(context.Cause(ctx))
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
	for l.receive() {
		l.drop()
		l.admit()
		l.step()
		runtime.Gosched() // let what this step made leave before the next one takes the processors
	}
}

// receive takes what has arrived; it waits only when there is nothing to compute. It reports false when the loop ends.
func (l *loop) receive() bool {
	for {
		if l.idle() {
			select {
			case j := <-l.in:
				l.queue = append(l.queue, j.choices...)
			case a := <-l.asked:
				a <- l.figures()
			case <-l.quit:
				return false
			}
			continue
		}
		select {
		case j := <-l.in:
			l.queue = append(l.queue, j.choices...)
		case a := <-l.asked:
			a <- l.figures()
		case <-l.quit:
			return false
		default:
			return true
		}
	}
}

func (l *loop) idle() bool {
	return len(l.queue) == 0 && !slices.ContainsFunc(l.slots, func(s *slot) bool { return s.run != nil })
}

func (l *loop) figures() engine.Stats {
	s := l.count
	s.Waiting = len(l.queue)
	for _, sl := range l.slots {
		if sl.run != nil {
			s.Active++
		}
	}
	return s
}

// drop frees the sequences of requests whose callers went away or whose time is over.
func (l *loop) drop() {
	l.queue = slices.DeleteFunc(l.queue, func(c *choice) bool {
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

// release makes a slot free. What it holds of a prompt stays for reuse.
func (l *loop) release(s *slot) {
	c := s.run
	s.run, c.slot = nil, nil
	s.used = l.count.Steps
	if c.grammar != nil {
		c.grammar.Close()
		c.grammar = nil
	}
}

// fail ends a job with an error and frees its sequences.
func (l *loop) fail(j *job, err error) {
	j.out.close(err)
	for _, s := range l.slots {
		if s.run != nil && s.run.job == j {
			l.release(s)
			s.held = nil
			l.ctx.Clear(s.id)
		}
	}
	l.queue = slices.DeleteFunc(l.queue, func(c *choice) bool { return c.job == j })
}

// shut ends what is left and frees the native memory.
func (l *loop) shut() {
	for _, c := range l.queue {
		c.job.out.close(errClosed)
	}
	for _, s := range l.slots {
		if s.run != nil {
			s.run.job.out.close(errClosed)
			l.release(s)
		}
	}
	l.rows.Close()
	l.ctx.Close()
}

// decode runs one call into the library for the given choices and measures it.
func (l *loop) decode(choices []*choice, tokens int) llama.DecodeStatus {
	jobs := make([]*job, 0, len(choices))
	for _, c := range choices {
		jobs = append(jobs, c.job)
	}
	l.mu.Lock()
	l.serving = jobs
	l.mu.Unlock()
	l.gone() // an end that came before serving was set

	l.ctx.SetThreads(l.pace.Threads(), l.pace.Threads())
	start := time.Now()
	status := l.ctx.Decode(l.rows)
	took := time.Since(start)

	l.mu.Lock()
	l.serving = nil
	l.abort.Set(false)
	l.mu.Unlock()
	if status == llama.DecodeOK {
		rows := len(choices) * tokens
		l.pace.Observe(bits.Len(uint(rows)), rows, took)
	}
	l.count.Steps++
	l.count.Busy += took
	return status
}
