package llamacpp

import (
	"slices"
	"time"

	"ashatai/internal/engine/llamacpp/batch"
	"ashatai/internal/engine/llamacpp/curve"
	"ashatai/internal/engine/llamacpp/spec"
	"ashatai/internal/native/llama"
)

// draft is a guess at how a stream goes on, to be checked in one call.
type draft struct {
	c      *choice
	tokens []llama.Token
	likely bool // what the constraint all but forces, and no repetition
}

// maxForced is how many forced tokens may wait for a stream that gets a draft behind them.
const maxForced = 32

// guess takes out of s the streams for which checking a draft is worth a call of their own, also those to which their
// constraint gave several tokens at once: the draft comes behind them. What such a call costs beyond the draft is no part
// of the choice, since those tokens are to be computed anyway.
func (l *loop) guess(s *batch.State) []draft {
	var drafts []draft
	if l.opt.Plain || l.opt.Repeatable {
		return nil
	}
	spare := l.draftTime(*s)
	for _, id := range l.guessable(s) {
		c := l.slots[id].run
		rest := slices.DeleteFunc(slices.Clone(s.Streams), func(other int) bool { return other == id })
		d := l.copied(c, s, rest, spare)
		if len(d.tokens) == 0 && len(rest) == 0 {
			d = l.certain(c)
		}
		if len(d.tokens) == 0 {
			continue
		}
		rows := len(d.tokens) + c.known() - c.done
		spare -= s.Costs.Line(curve.Verify, s.Context).Cost(rows)
		drafts = append(drafts, d)
		s.Streams, s.Drafts = rest, append(s.Drafts, rows)
		s.Prompts = slices.DeleteFunc(s.Prompts, func(p batch.Prompt) bool { return p.Seq == id })
	}
	return drafts
}

// draftTime is how long the checks of drafts may take in this step: without bound where no other request's prompt is being read.
func (l *loop) draftTime(s batch.State) time.Duration {
	s.Prompts = slices.DeleteFunc(slices.Clone(s.Prompts), func(p batch.Prompt) bool {
		c := l.slots[p.Seq].run
		return c.done >= len(c.job.prompt)
	})
	return batch.Step(s).Spare()
}

// guessable are the sequences that may get a draft: the running streams, those for which forced tokens wait, and a lone
// prompt with a constraint whose rest is short.
func (l *loop) guessable(s *batch.State) []int {
	ids := slices.Clone(s.Streams)
	alone := len(s.Streams) == 0 && len(s.Prompts) == 1
	for _, p := range s.Prompts {
		c := l.slots[p.Seq].run
		switch {
		case c.guide == nil:
		case c.done >= len(c.job.prompt):
			if p.Left <= maxForced {
				ids = append(ids, p.Seq)
			}
		case alone && len(c.job.choices) == 1 && p.Left == c.known()-c.done:
			ids = append(ids, p.Seq)
		}
	}
	return slices.DeleteFunc(ids, func(id int) bool { return l.slots[id].run.guess == nil })
}

// copied is a draft of what the text seems to repeat, where the measured costs promise a gain and spare allows; rest are the streams beside it.
func (l *loop) copied(c *choice, s *batch.State, rest []int, spare time.Duration) draft {
	if c.done < len(c.job.prompt) || c.guess.Odds() == 0 {
		return draft{}
	}
	line, all := s.Costs.Line(curve.Decode, s.Context), slices.Sorted(slices.Values(append(slices.Clip(rest), c.slot.id)))
	costs := spec.Costs{
		Plain: batch.DecodeCost(line, all), Rest: batch.DecodeCost(line, rest), Streams: len(all),
		Verify: s.Costs.Line(curve.Verify, s.Context), Waiting: c.known() - c.done - 1,
	}
	l.draft = c.guess.Draft(l.draft[:0], costs, costs.Verify.Rows(spare, l.draftLimit(c)+costs.Waiting+1)-costs.Waiting-1)
	if c.guide != nil && len(l.draft) > 0 {
		l.draft = l.draft[:c.guide.Valid(l.draft)]
	}
	return draft{c: c, tokens: slices.Clone(l.draft)}
}

// certain is a draft of the token whose bytes a constraint leaves no choice about, behind several others of a lone stream: the
// row is far cheaper there than the step that it saves. It waits for the mask, so a single token gets none.
func (l *loop) certain(c *choice) draft {
	if c.guide == nil || c.known()-c.done < 2 || l.draftLimit(c) < 1 || !c.likely.Worth() {
		return draft{}
	}
	t, ok := c.guide.Likely(l.bytes)
	if !ok {
		return draft{}
	}
	return draft{c: c, tokens: []llama.Token{t}, likely: true}
}

// draftLimit is the longest draft that makes sense for a choice. Its call stays below a tile, so that its rows are computed
// as single tokens are.
func (l *loop) draftLimit(c *choice) int {
	waiting := c.known() - c.done
	n := min(spec.MaxDraft, l.facts.Context-c.known()-1, l.ctx.MaxBatch()-waiting, tileFlash-1-waiting)
	if most := c.job.req.MaxTokens; most > 0 {
		n = min(n, most-len(c.answer)-1)
	}
	return max(n, 0)
}

// verify computes a stream's next tokens together with the draft after them, and keeps of the draft what the sampler would
// have taken anyway, and what a constraint forces after that.
func (l *loop) verify(d draft) {
	c := d.c
	if c.slot == nil {
		return
	}
	s, sure := c.slot, c.known()-c.done
	l.rows.Reset()
	for i := range sure {
		l.rows.Add(c.token(c.done+i), c.done+i, s.id, i == sure-1)
	}
	for i, t := range d.tokens {
		l.rows.Add(t, c.done+sure+i, s.id, true)
	}
	one := []*choice{c}
	if !l.succeeded(l.decode(one, l.runs(curve.Verify, one, sure+len(d.tokens))), one) {
		return
	}
	l.count.Drafted += uint64(len(d.tokens))
	l.count.Prompt += uint64(max(0, min(sure, len(c.job.prompt)-c.done)))
	c.computed(sure)
	l.sample(c, l.ctx.Logits(sure-1))
	kept, chosen, forced := 0, 0, 0
	for i, t := range d.tokens {
		if c.slot == nil || c.done == c.known() || c.token(c.done) != t {
			break
		}
		kept++
		if c.done-len(c.job.prompt) < c.chosen {
			chosen++
		} else {
			forced++ // it would have been computed without a draft as well
		}
		if c.computed(1); c.done == c.known() {
			l.sample(c, l.ctx.Logits(sure+i))
		}
	}
	l.count.Accepted += uint64(kept)
	if d.likely {
		c.likely.Tell(kept > 0)
	} else {
		c.guess.Observe(len(d.tokens)-forced, chosen)
	}
	l.forget(s)
}

// forget drops what a sequence computed beyond the tokens that it is known to hold.
func (l *loop) forget(s *slot) {
	if !l.ctx.Truncate(s.id, len(s.held)) {
		l.clear(s)
	}
}
