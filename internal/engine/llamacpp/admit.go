package llamacpp

import (
	"slices"
	"time"

	"ashatai/internal/core"
	"ashatai/internal/engine/llamacpp/guide"
	"ashatai/internal/engine/llamacpp/spec"
	"ashatai/internal/engine/sample"
)

// admit gives free slots to waiting choices, first come first served. The other choices of a request wait until the
// first one's prompt is computed, and take a copy of it; one whose prefix is on its way from the disk lets others pass.
func (l *loop) admit() {
	var kept []*choice
	for i, c := range l.queue {
		if !l.free() || !l.room(c) {
			kept = append(kept, l.queue[i:]...)
			break
		}
		if lead := c.job.choices[0]; c != lead && lead.done < len(c.job.prompt) {
			kept = append(kept, c)
			continue
		}
		if l.look(c) {
			kept = append(kept, c)
			continue
		}
		if err := l.start(c); err != nil {
			c.job.out.close(err)
			l.discard(c)
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

// start puts a choice into the best free slot, with as much of its prompt as can be had.
func (l *loop) start(c *choice) error {
	if c.paused != nil {
		return l.resume(c)
	}
	j := c.job
	var g sample.Constraint
	if j.req.Constraint.Kind == core.FormatGBNF {
		native, err := guide.NewGBNF(l.vocab, j.req.Constraint.Source)
		if err != nil {
			return err
		}
		c.grammar, g = native, native
	}
	if c.guide != nil {
		g = c.guide
	}
	s, reuse := l.place(c)
	c.fetch.drop()
	l.take(s, c)
	c.done = reuse
	c.sampler = sample.New(j.req.Sampling, c.index, j.prompt, l.facts.Context, g)
	if !l.opt.Plain && !l.opt.Repeatable {
		c.guess = spec.New(l.facts.Context)
		c.guess.Prompt(j.prompt)
	}
	if c.index == 0 {
		j.started = time.Now()
		j.usage.Prompt, j.usage.Cached = len(j.prompt), reuse
		l.pinned(c, true)
	}
	l.count.Cached += uint64(reuse) //nolint:gosec // not negative
	l.force(c)                      // what the constraint forces at the start is computed with the prompt
	if c.guide != nil {
		c.guide.Prepare()
	}
	if c.done == c.known() { // the prompt is that of another choice, whose logits are here
		l.sample(c, slices.Clone(j.logits))
	}
	return nil
}

// take gives a slot to a choice.
func (l *loop) take(s *slot, c *choice) {
	s.run, s.tenant, c.slot = c, c.job.req.Tenant, s
	l.turns.Arrive(s.id, s.tenant)
}
