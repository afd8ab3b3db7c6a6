package llamacpp

import (
	"sync"
	"time"

	"ashatai/internal/core"
	"ashatai/internal/native/llama"
)

// drawn is what a sampler chose.
type drawn struct {
	token llama.Token
	ok    bool
	raw   []float32 // the logits as the model gave them; nil where nobody asked
}

// helpFrom is how many logits one goroutine looks at in the time in which another one is woken to help.
const helpFrom = 1 << 18

// sampleAll takes the next token of each choice, whose rows are those of the last call. Choices that look at many logits are
// drawn on two processors.
func (l *loop) sampleAll(choices []*choice) {
	rows := make([][]float32, len(choices)) // nil where no token is wanted; only this goroutine asks the context
	for row, c := range choices {
		if l.ready(c) {
			rows[row] = l.ctx.Logits(row)
		}
	}
	out := make([]drawn, len(choices))
	draw := func(from, to int) {
		for row := from; row < to; row++ {
			if rows[row] != nil {
				out[row] = l.draw(choices[row], rows[row])
			}
		}
	}
	half := 0
	if n := len(choices); n > 1 && n*l.vocab.Len() >= l.helpFrom && l.crew.Now() > 1 {
		half = n / 2
	}
	var other sync.WaitGroup
	if half > 0 {
		other.Go(func() { draw(0, half) })
	}
	draw(half, len(choices))
	other.Wait()
	for row, c := range choices {
		if rows[row] != nil {
			l.accept(c, out[row])
		}
	}
}

// sample takes the next token of c from logits, which it changes, and gives out what it completes.
func (l *loop) sample(c *choice, logits []float32) {
	if l.ready(c) {
		l.accept(c, l.draw(c, logits))
	}
}

// ready reports whether a token of c is wanted, and gives out what was forced before its first one.
func (l *loop) ready(c *choice) bool {
	j := c.job
	if c.slot == nil || j.ctx.Err() != nil {
		return false // ended earlier in this step, or about to be dropped
	}
	if j.first.IsZero() {
		j.first = time.Now()
		j.usage.Prefill = j.first.Sub(j.started)
	}
	return !l.give(c, nil)
}

// draw touches nothing but c's own sampler, its constraint and its logits.
func (l *loop) draw(c *choice, logits []float32) (d drawn) {
	if c.job.req.IgnoreEOS {
		l.forbidEnd(logits)
	}
	if c.job.req.Logprobs {
		d.raw = append(d.raw, logits...)
	}
	d.token, d.ok = c.sampler.Sample(logits)
	return d
}

// accept goes on with the token that was drawn for c.
func (l *loop) accept(c *choice, d drawn) {
	switch {
	case c.slot == nil: // another choice of its request failed
		return
	case !d.ok && c.guide != nil && c.guide.Err() != nil:
		l.fail(c.job, c.guide.Err())
		return
	case !d.ok, l.vocab.IsEOG(d.token):
		l.finish(c, c.text.End(), core.FinishStop)
		return
	}
	c.answer = append(c.answer, d.token)
	c.chosen = len(c.answer)
	l.force(c)
	if !l.give(c, d.raw) && c.guide != nil {
		c.guide.Prepare() // the mask is made while the tokens are computed
	}
}
