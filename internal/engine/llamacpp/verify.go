package llamacpp

import (
	"slices"

	"ashatai/internal/engine/llamacpp/batch"
	"ashatai/internal/engine/llamacpp/curve"
	"ashatai/internal/engine/llamacpp/spec"
	"ashatai/internal/native/llama"
)

// draft is a guess at how a stream goes on, to be checked in one call.
type draft struct {
	c      *choice
	tokens []llama.Token
}

// guess takes out of the streams of s those for which checking a draft is worth a call of their own.
func (l *loop) guess(s *batch.State) []draft {
	var drafts []draft
	if l.opt.plain || l.opt.repeatable || len(s.Streams) == 0 {
		return nil
	}
	line, verify := s.Costs.Line(curve.Decode, s.Context), s.Costs.Line(curve.Verify, s.Context)
	for _, id := range slices.Clone(s.Streams) {
		c := l.slots[id].run
		if c.guess == nil || c.guide != nil { // a constraint forces what it knows
			continue
		}
		rest := slices.DeleteFunc(slices.Clone(s.Streams), func(other int) bool { return other == id })
		costs := spec.Costs{
			Plain: batch.DecodeCost(line, s.Streams), Rest: batch.DecodeCost(line, rest), Streams: len(s.Streams), Verify: verify,
		}
		l.draft = c.guess.Draft(l.draft[:0], costs, l.draftLimit(c))
		if len(l.draft) == 0 {
			continue
		}
		drafts = append(drafts, draft{c, slices.Clone(l.draft)})
		s.Streams, s.Drafts = rest, append(s.Drafts, len(l.draft)+1)
	}
	return drafts
}

// draftLimit is the longest draft that makes sense for a choice. Its call stays below a tile, so that its rows are computed
// as single tokens are.
func (l *loop) draftLimit(c *choice) int {
	n := min(spec.MaxDraft, l.facts.Context-c.done-2, l.ctx.MaxBatch()-1, tileFlash-2)
	if most := c.job.req.MaxTokens; most > 0 {
		n = min(n, most-len(c.answer)-1)
	}
	return max(n, 0)
}

// verify computes a stream's next token together with the draft after it, and keeps of the draft what the sampler would have
// taken anyway.
func (l *loop) verify(d draft) {
	c := d.c
	if c.slot == nil {
		return
	}
	s := c.slot
	l.rows.Reset()
	l.rows.Add(c.token(c.done), c.done, s.id, true)
	for i, t := range d.tokens {
		l.rows.Add(t, c.done+1+i, s.id, true)
	}
	one := []*choice{c}
	if !l.succeeded(l.decode(one, l.runs(curve.Verify, one, len(d.tokens)+1)), one) {
		return
	}
	l.count.Drafted += uint64(len(d.tokens))
	accepted := 0
	for row := 0; ; row++ {
		c.computed(1)
		l.sample(c, l.ctx.Logits(row))
		if c.slot == nil || row == len(d.tokens) || c.token(c.done) != d.tokens[row] {
			break
		}
		accepted++
	}
	l.count.Accepted += uint64(accepted)
	c.guess.Observe(len(d.tokens), accepted)
	l.forget(s)
}

// forget drops what a sequence computed beyond the tokens that it is known to hold.
func (l *loop) forget(s *slot) {
	if !l.ctx.Truncate(s.id, len(s.held)) {
		l.clear(s)
	}
}
