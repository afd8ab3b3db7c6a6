package llamacpp

import (
	"fmt"
	"math"
	"slices"

	"ashatai/internal/core"
	"ashatai/internal/engine/llamacpp/batch"
	"ashatai/internal/engine/llamacpp/curve"
	"ashatai/internal/engine/sample"
	"ashatai/internal/engine/text"
	"ashatai/internal/native/llama"
)

// step computes what the planner says: the drafts that are worth checking, a token of every other running stream, then a
// piece of the waiting prompts.
func (l *loop) step() {
	plan, drafts := l.plan()
	for _, d := range drafts {
		l.verify(d)
	}
	if len(plan.Streams) > 0 {
		l.advance(l.running(plan.Streams))
	}
	// A stream may have ended, and with it the reason to keep the piece short; the next step sees to that.
	if len(plan.Prompts) > 0 {
		l.flush() // who streams does not wait for the piece
		l.prefill(l.running(plan.Prompts), plan)
	}
}

// plan decides about the next step.
func (l *loop) plan() (batch.Plan, []draft) {
	s := batch.State{Batch: l.facts.Batch, Tile: l.tile, MaxGap: l.opt.MaxGap, Costs: l.view()}
	for _, sl := range l.slots {
		switch c := sl.run; {
		case c == nil:
		case c.prefilling():
			s.Prompts = append(s.Prompts, batch.Prompt{Seq: sl.id, Left: c.left(), Held: c.done, Turn: l.turns.Of(sl.id)})
		default:
			s.Streams = append(s.Streams, sl.id)
			s.Context = max(s.Context, len(sl.held))
		}
	}
	if len(s.Streams)+len(s.Prompts) == 0 {
		return batch.Plan{}, nil
	}
	drafts := l.guess(&s)
	return batch.Step(s), drafts
}

func (l *loop) running(ids []int) []*choice {
	out := make([]*choice, 0, len(ids))
	for _, id := range ids {
		if c := l.slots[id].run; c != nil {
			out = append(out, c)
		}
	}
	return out
}

// advance computes one token of each stream and samples the next ones.
func (l *loop) advance(choices []*choice) {
	if len(choices) == 0 {
		return
	}
	l.rows.Reset()
	for _, c := range choices {
		l.rows.Add(c.token(c.done), c.done, c.slot.id, true)
	}
	if !l.succeeded(l.decode(choices, l.runs(curve.Decode, choices, 1)), choices) {
		return
	}
	for _, c := range choices {
		c.computed(1)
	}
	l.sampleAll(choices)
}

// prefill computes the next tokens of each prompt, and samples the first token where a prompt is complete.
func (l *loop) prefill(choices []*choice, plan batch.Plan) {
	if len(choices) == 0 {
		return
	}
	l.rows.Reset()
	last := make([]int, len(choices))
	for i, c := range choices {
		for k := range plan.Tokens {
			pos := c.done + k
			last[i] = l.rows.Add(c.token(pos), pos, c.slot.id, pos == c.known()-1)
		}
	}
	if !l.succeeded(l.decode(choices, l.runs(curve.Prefill, choices, plan.Tokens)), choices) {
		return
	}
	l.turns.Served(plan)
	for i, c := range choices {
		l.count.Prompt += uint64(max(0, min(plan.Tokens, len(c.job.prompt)-c.done)))
		c.computed(plan.Tokens)
		l.pinned(c, false)
		if c.done < c.known() {
			continue
		}
		logits := l.ctx.Logits(last[i])
		if c.index == 0 && len(c.job.choices) > 1 && len(c.answer) == 0 {
			c.job.logits = slices.Clone(logits)
		}
		l.sample(c, logits)
	}
}

// succeeded deals with the outcome of a call. After an abort or a failure the sequences are put back to what is known.
func (l *loop) succeeded(s llama.DecodeStatus, choices []*choice) bool {
	switch s {
	case llama.DecodeOK:
		return true
	case llama.DecodeAborted: // only when all of choices were given up; drop frees them
		for _, c := range choices {
			l.restore(c)
		}
	case llama.DecodeNoSpace:
		l.makeRoom(choices)
	default:
		for _, c := range choices {
			l.fail(c.job, core.Wrap(core.CodeInternal, fmt.Errorf("llama_decode returned %d", s), "The model failed to compute a batch. Send the request again."))
		}
	}
	return false
}

// restore makes a slot hold exactly the tokens that are known to be in it.
func (l *loop) restore(c *choice) {
	s := c.slot
	if s == nil {
		return
	}
	if len(s.held) == 0 || !l.ctx.Truncate(s.id, len(s.held)) {
		l.clear(s)
	}
}

// force appends the tokens to which the constraint of c leaves no choice. They have no probabilities, so none are forced
// where those were asked for.
func (l *loop) force(c *choice) {
	if c.guide == nil || c.job.req.Logprobs {
		return
	}
	room := l.facts.Context - c.known()
	if most := c.job.req.MaxTokens; most > 0 {
		room = min(room, most-len(c.answer))
	}
	for _, t := range c.guide.Forced(room) {
		c.answer = append(c.answer, t)
		c.sampler.Follow(t)
	}
}

// give gives out the tokens of the answer that were not given out yet; raw are the logits of the first of them. It reports
// whether the choice ended.
func (l *loop) give(c *choice, raw []float32) bool {
	j := c.job
	for c.made < len(c.answer) {
		t := c.answer[c.made]
		c.made++
		l.count.Generated++
		j.usage.Completion++
		switch {
		case c.guess == nil:
		case c.made > c.chosen:
			c.guess.Forced(t)
		default:
			c.guess.Add(t)
		}
		p := c.text.Add(l.piece(j, t), l.logprob(j, raw, t))
		raw = nil
		whole := c.made == len(c.answer) && c.guide != nil && c.guide.Done()
		switch {
		case p.Stop != "":
			l.finish(c, p, core.FinishStop)
			return true
		case whole, c.made == j.req.MaxTokens, len(j.prompt)+c.made >= l.facts.Context:
			why := core.FinishLength
			if whole {
				why = core.FinishStop
			}
			rest := c.text.End()
			p.Text, p.Tokens = p.Text+rest.Text, append(p.Tokens, rest.Tokens...)
			l.finish(c, p, why)
			return true
		case p.Text != "":
			l.put(j, core.Event{Choice: c.index, Text: p.Text, Tokens: p.Tokens, Count: p.Count})
		}
	}
	return false
}

// computed notes that the slot of c holds n tokens more of its sequence.
func (c *choice) computed(n int) {
	for range n {
		c.slot.held = append(c.slot.held, c.token(c.done))
		c.done++
	}
}

// put gives out an event; it leaves when the step is over.
func (l *loop) put(j *job, e core.Event) {
	if !j.told {
		j.told = true
		e.Start = &core.Usage{Prompt: j.usage.Prompt, Cached: j.usage.Cached, Kept: j.usage.Kept}
	}
	j.out.put(e)
	l.made = append(l.made, j.out.to)
}

// finish gives out a choice's last event, and the usage after the last choice.
func (l *loop) finish(c *choice, p text.Piece, why core.FinishReason) {
	j := c.job
	l.put(j, core.Event{Choice: c.index, Text: p.Text, Tokens: p.Tokens, Count: p.Count, Finish: why, StopString: p.Stop})
	l.release(c.slot)
	if j.open--; j.open == 0 {
		j.usage.Decode = since(j.first)
		u := j.usage
		l.put(j, core.Event{Usage: &u})
		j.out.close(nil)
	}
}

func (l *loop) forbidEnd(logits []float32) {
	for _, t := range l.vocab.Ends() {
		logits[t] = float32(math.Inf(-1))
	}
}

// piece returns the bytes of a token; control tokens have none, except for those that the request wants to see.
func (l *loop) piece(j *job, t llama.Token) []byte {
	if b, ok := j.reveal[t]; ok {
		return b
	}
	return l.bytes(t)
}

// bytes are those of a token that is text; control tokens have none.
func (l *loop) bytes(t llama.Token) []byte {
	if l.pieces[t] == nil {
		l.pieces[t] = l.vocab.AppendPiece(make([]byte, 0, 16), t, false)
	}
	return l.pieces[t]
}

// logprob describes a token by the model's own probabilities; nil when they were not asked for.
func (l *loop) logprob(j *job, raw []float32, t llama.Token) *core.Token {
	if raw == nil {
		return nil
	}
	p, tops := sample.Logprobs(raw, t, j.req.TopLogprobs)
	tok := &core.Token{ID: int(t), Bytes: l.piece(j, t), Logprob: p}
	for _, c := range tops {
		tok.Top = append(tok.Top, core.Token{ID: int(c.ID), Bytes: l.piece(j, c.ID), Logprob: float64(c.Logit)})
	}
	return tok
}
