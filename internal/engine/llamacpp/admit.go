package llamacpp

import (
	"time"

	"ashatai/internal/engine/llamacpp/sample"
	"ashatai/internal/native/llama"
)

// minReuse is the number of equal prompt tokens from which copying another sequence pays.
const minReuse = 32

// admit gives free slots to waiting choices, first come first served. The other choices of a request wait until the
// first one's prompt is computed, and take a copy of it.
func (l *loop) admit() {
	kept := l.queue[:0]
	for i, c := range l.queue {
		if !l.free() {
			kept = append(kept, l.queue[i:]...)
			break
		}
		if lead := c.job.choices[0]; c != lead && lead.done < len(c.job.prompt) {
			kept = append(kept, c)
			continue
		}
		if err := l.start(c); err != nil {
			c.job.out.close(err)
		}
	}
	l.queue = kept
}

func (l *loop) free() bool {
	for _, s := range l.slots {
		if s.run == nil {
			return true
		}
	}
	return false
}

// start puts a choice into the best free slot, with as much of its prompt as some slot of its tenant holds.
func (l *loop) start(c *choice) error {
	j := c.job
	var g sample.Constraint
	if j.req.Grammar != "" {
		native, err := l.vocab.NewGrammar(j.req.Grammar)
		if err != nil {
			return grammarError(err)
		}
		c.grammar, g = native, &constraint{Grammar: native}
	}
	s, reuse := l.place(j)
	s.run, s.tenant = c, j.req.Tenant
	s.held = append(s.held[:0], j.prompt[:reuse]...)
	c.slot, c.done = s, reuse
	c.sampler = sample.New(j.req.Sampling, c.index, j.prompt, l.facts.Context, g)
	if c.index == 0 {
		j.started = time.Now()
		j.usage.Prompt, j.usage.Cached = len(j.prompt), reuse
	}
	l.count.Cached += uint64(reuse) //nolint:gosec // not negative
	return nil
}

// place chooses a free slot for j and makes it hold the longest prefix of the prompt that any slot of the tenant has. It
// returns the slot and the length of that prefix. At least two tokens are left to compute, see package batch.
func (l *loop) place(j *job) (*slot, int) {
	most := max(len(j.prompt)-2, 0)
	var source, target *slot
	best := 0
	for _, s := range l.slots {
		n := 0
		if s.tenant == j.req.Tenant {
			n = min(common(s.held, j.prompt), most)
		}
		if n > best || n == best && n > 0 && source.run != nil && s.run == nil {
			source, best = s, n
		}
		if s.run == nil && (target == nil || s.used < target.used) {
			target = s
		}
	}
	switch {
	case source == nil:
	case source.run == nil && 2*best >= len(source.held): // little is lost of what the slot holds
		target = source
	case source != target && best >= minReuse:
		l.ctx.Copy(source.id, target.id)
	case source != target:
		best = 0
	}
	if best == 0 || !l.ctx.Truncate(target.id, best) {
		l.ctx.Clear(target.id)
		best = 0
	}
	return target, best
}

// common is the length of the longest common prefix.
func common(a, b []llama.Token) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// constraint lets package sample use a native grammar.
type constraint struct {
	*llama.Grammar
	data []llama.TokenData
}

// Mask implements sample.Constraint.
func (c *constraint) Mask(cand []sample.Candidate) {
	c.data = c.data[:0]
	for _, x := range cand {
		c.data = append(c.data, llama.TokenData{ID: x.ID, Logit: x.Logit})
	}
	c.Grammar.Mask(c.data)
	for i := range cand {
		cand[i].Logit = c.data[i].Logit
	}
}
