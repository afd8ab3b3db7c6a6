package llamacpp

import (
	"fmt"
	"math"
	"time"

	"ashatai/internal/core"
	"ashatai/internal/engine/llamacpp/batch"
	"ashatai/internal/engine/llamacpp/sample"
	"ashatai/internal/engine/llamacpp/text"
	"ashatai/internal/native/llama"
)

// step computes what the planner says: a token of every running stream, then a piece of the waiting prompts.
func (l *loop) step() {
	var streams []int
	var prompts []batch.Prompt
	for _, s := range l.slots {
		switch c := s.run; {
		case c == nil:
		case c.prefilling():
			prompts = append(prompts, batch.Prompt{Seq: s.id, Left: len(c.job.prompt) - c.done, Done: c.arrived})
		default:
			streams = append(streams, s.id)
		}
	}
	if len(streams)+len(prompts) == 0 {
		return
	}
	plan := batch.Next(streams, prompts, l.limits)
	if len(plan.Streams) > 0 {
		l.advance(l.running(plan.Streams))
	}
	// A stream may have ended, and with it the reason to keep the piece short; the next step sees to that.
	if len(plan.Prompts) > 0 {
		l.prefill(l.running(plan.Prompts), plan.Tokens)
	}
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
	l.rows.Reset()
	for _, c := range choices {
		l.rows.Add(c.next, len(c.job.prompt)+c.made-1, c.slot.id, true)
	}
	if !l.succeeded(l.decode(choices, 1), choices) {
		return
	}
	for row, c := range choices {
		l.sample(c, row)
	}
}

// prefill computes the next tokens of each prompt, and samples the first token where a prompt is complete.
func (l *loop) prefill(choices []*choice, tokens int) {
	if len(choices) == 0 {
		return
	}
	l.rows.Reset()
	last := make([]int, len(choices))
	for i, c := range choices {
		for k := range tokens {
			pos := c.done + k
			last[i] = l.rows.Add(c.job.prompt[pos], pos, c.slot.id, pos == len(c.job.prompt)-1)
		}
	}
	if !l.succeeded(l.decode(choices, tokens), choices) {
		return
	}
	for i, c := range choices {
		c.slot.held = append(c.slot.held, c.job.prompt[c.done:c.done+tokens]...)
		c.done += tokens
		c.arrived += tokens
		l.count.Prompt += uint64(tokens) //nolint:gosec // positive
		if !c.prefilling() {
			l.sample(c, last[i])
		}
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
		for _, c := range choices {
			l.fail(c.job, core.Errorf(core.CodeOutOfMemory, "The model's KV space is full. Use fewer sequences or a smaller context."))
		}
	default:
		for _, c := range choices {
			l.fail(c.job, core.Wrap(core.CodeInternal, fmt.Errorf("llama_decode returned %d", s), "The model failed to compute a batch. Send the request again."))
		}
	}
	return false
}

// restore makes a slot hold exactly the prompt tokens that are known to be in it.
func (l *loop) restore(c *choice) {
	if s := c.slot; s != nil && !l.ctx.Truncate(s.id, len(s.held)) {
		l.ctx.Clear(s.id)
		s.held = nil
	}
}

// sample takes the next token of c from the logits of a row and gives out what it completes.
func (l *loop) sample(c *choice, row int) {
	j := c.job
	if c.slot == nil || j.ctx.Err() != nil {
		return // ended earlier in this step, or about to be dropped
	}
	if j.first.IsZero() {
		j.first = time.Now()
		j.usage.Prefill = j.first.Sub(j.started)
	}
	logits := l.ctx.Logits(row)
	if j.req.IgnoreEOS {
		l.forbidEnd(logits)
	}
	var raw []float32
	if j.req.Logprobs {
		raw = append(raw, logits...)
	}
	t, ok := c.sampler.Sample(logits)
	if !ok {
		l.finish(c, c.text.End(), core.FinishStop)
		return
	}
	if l.vocab.IsEOG(t) {
		l.finish(c, c.text.End(), core.FinishStop)
		return
	}
	c.next = t
	c.made++
	l.count.Generated++
	j.usage.Completion++
	p := c.text.Add(l.piece(t), l.logprob(raw, t, j.req.TopLogprobs))
	switch {
	case p.Stop != "":
		l.finish(c, p, core.FinishStop)
	case c.made == j.req.MaxTokens, len(j.prompt)+c.made >= l.facts.Context:
		rest := c.text.End()
		p.Text, p.Tokens = p.Text+rest.Text, append(p.Tokens, rest.Tokens...)
		l.finish(c, p, core.FinishLength)
	case p.Text != "":
		j.out.put(core.Event{Choice: c.index, Text: p.Text, Tokens: p.Tokens})
	}
}

// finish gives out a choice's last event, and the usage after the last choice.
func (l *loop) finish(c *choice, p text.Piece, why core.FinishReason) {
	j := c.job
	j.out.put(core.Event{Choice: c.index, Text: p.Text, Tokens: p.Tokens, Finish: why, StopString: p.Stop})
	l.release(c.slot)
	if j.open--; j.open == 0 {
		j.usage.Decode = since(j.first)
		u := j.usage
		j.out.put(core.Event{Usage: &u})
		j.out.close(nil)
	}
}

func (l *loop) forbidEnd(logits []float32) {
	for _, t := range l.vocab.Ends() {
		logits[t] = float32(math.Inf(-1))
	}
}

// piece returns the bytes of a token; control tokens have none.
func (l *loop) piece(t llama.Token) []byte {
	if l.pieces[t] == nil {
		l.pieces[t] = l.vocab.AppendPiece(make([]byte, 0, 16), t, false)
	}
	return l.pieces[t]
}

// logprob describes a token by the model's own probabilities; nil when they were not asked for.
func (l *loop) logprob(raw []float32, t llama.Token, n int) *core.Token {
	if raw == nil {
		return nil
	}
	p, tops := sample.Logprobs(raw, t, n)
	tok := &core.Token{ID: int(t), Bytes: l.piece(t), Logprob: p}
	for _, c := range tops {
		tok.Top = append(tok.Top, core.Token{ID: int(c.ID), Bytes: l.piece(c.ID), Logprob: float64(c.Logit)})
	}
	return tok
}

func contextMessage(prompt, context int) string {
	return fmt.Sprintf("The prompt has %d tokens and this model's context holds %d, with at least one to answer. Shorten the prompt, or load the model with a larger context.", prompt, context)
}
