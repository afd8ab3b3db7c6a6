package mock

import (
	"context"
	"iter"
	"math"
	"slices"
	"time"

	"ashatai/internal/core"
	"ashatai/internal/engine"
)

// request is one running generation.
type request struct {
	told bool // the first event was given out

	m       *model
	req     engine.GenerateRequest
	b       behaviour
	prompt  []int
	script  []int // tokens of a reply that was asked for
	limit   int   // tokens per choice
	choices []*choice

	entered, first, last time.Time
	queued               time.Duration
	completion           int
}

// choice is one of the request's answers.
type choice struct {
	index   int
	sampler *sampler
	out     emitter
	hash    uint64 // of everything before the next token
	n       int    // tokens made
	told    int    // those of them that events have told of
	done    bool
}

// Generate accepts a request; it runs in the goroutine that ranges over the events.
func (m *model) Generate(ctx context.Context, req engine.GenerateRequest) (iter.Seq2[core.Event, error], error) {
	if err := m.alive(ctx); err != nil {
		return nil, err
	}
	if !slices.Contains(m.facts.Capabilities, core.CapGenerate) {
		return nil, core.Errorf(core.CodeUnsupported, "The model was loaded for embeddings; it makes no text.")
	}
	if req.Choices < 1 || req.Choices > core.MaxChoices {
		return nil, core.Invalid("n", "n is %d; it must be between 1 and %d.", req.Choices, core.MaxChoices)
	}
	b, err := m.b.forPrompt(req.Prompt)
	if err != nil {
		return nil, err
	}
	if req.Constraint.Kind == core.FormatGBNF && !b.hasReply {
		return nil, core.Errorf(core.CodeUnsupported, "The mock runtime follows no grammar unless its reply is given.")
	}
	prompt, err := m.tokens(req.Prompt)
	if err != nil {
		return nil, err
	}
	if err := m.fits("prompt", len(prompt), 1); err != nil {
		return nil, err
	}
	r := &request{m: m, req: req, b: b, prompt: prompt, limit: m.facts.Context - len(prompt), entered: time.Now()}
	if req.MaxTokens > 0 {
		r.limit = min(r.limit, req.MaxTokens)
	}
	if b.hasReply {
		r.script = append(m.vocab.encode(nil, b.reply, false), tokenEnd)
	}
	h := uint64(7)
	for _, id := range prompt {
		h = mix(h, uint64(id)) //nolint:gosec // an id
	}
	for i := range req.Choices {
		r.choices = append(r.choices, &choice{index: i, sampler: newSampler(req.Sampling, i, prompt), out: emitter{stops: req.Stop}, hash: h})
	}
	return func(yield func(core.Event, error) bool) { r.serve(ctx, yield) }, nil
}

func (r *request) serve(ctx context.Context, yield func(core.Event, error) bool) {
	err := r.m.enter(ctx)
	if err == nil {
		defer r.m.leave()
		r.queued = time.Since(r.entered)
		err = r.prefill(ctx)
	}
	for err == nil && !r.done() {
		if err = r.disturb(ctx); err != nil {
			break
		}
		for _, c := range r.choices {
			if c.done {
				continue
			}
			var ev core.Event
			if ev, err = r.step(ctx, c); err != nil {
				break
			}
			if ev.Text == "" && ev.Finish == "" && len(ev.Tokens) == 0 {
				continue
			}
			ev.Count, c.told = c.n-c.told, c.n
			if !r.told {
				r.told, ev.Start = true, &core.Usage{Prompt: len(r.prompt)}
			}
			if !yield(ev, nil) {
				return
			}
		}
	}
	if err != nil {
		yield(core.Event{}, err)
		return
	}
	yield(core.Event{Usage: &core.Usage{
		Prompt: len(r.prompt), Completion: r.completion, Queued: r.queued,
		Prefill: r.first.Sub(r.entered) - r.queued, Decode: r.last.Sub(r.first),
	}}, nil)
}

func (r *request) done() bool {
	return !slices.ContainsFunc(r.choices, func(c *choice) bool { return !c.done })
}

func (r *request) prefill(ctx context.Context) error {
	allocate(r.b.allocate)
	_ = pause(ctx, r.m.stop, r.b.prefillDelay)
	if err := r.m.alive(ctx); err != nil {
		return err
	}
	r.m.prompt.Add(uint64(len(r.prompt)))
	return nil
}

// disturb does what the options say should happen at this point, then waits for as long as a token takes.
func (r *request) disturb(ctx context.Context) error {
	reached := func(after int) bool { return after >= 0 && r.completion >= after }
	switch {
	case reached(r.b.crashAfter):
		crash(r.b.crash)
	case reached(r.b.freezeAfter):
		freeze()
	case reached(r.b.garbageAfter):
		garbage()
	case reached(r.b.hangAfter):
		<-r.m.stop
	}
	if r.completion >= r.b.delayAfter {
		_ = pause(ctx, r.m.stop, r.b.tokenDelay)
	}
	return r.m.alive(ctx)
}

// step makes one token of one choice.
func (r *request) step(ctx context.Context, c *choice) (core.Event, error) {
	r.m.work.RLock()
	defer r.m.work.RUnlock()
	if err := r.m.alive(ctx); err != nil {
		return core.Event{}, err
	}
	start := time.Now()
	logits := r.m.logits(c.hash, c.sampler.history, c.n, r.script, r.req.IgnoreEOS)
	id := c.sampler.pick(logits)
	if r.first.IsZero() {
		r.first = start
	}
	r.last = start
	ev := core.Event{Choice: c.index}
	if id == tokenEnd {
		ev.Text, ev.Tokens = c.out.flush()
		ev.Finish, c.done = core.FinishStop, true
		return ev, nil
	}
	c.n++
	r.completion++
	c.hash = mix(c.hash, uint64(id)) //nolint:gosec // an id
	c.sampler.history = append(c.sampler.history, id)
	var tok *core.Token
	if r.req.Logprobs {
		t := r.m.vocab.logprobs(logits, id, r.req.TopLogprobs)
		tok = &t
	}
	ev.Text, ev.Tokens, ev.StopString = c.out.push(r.m.vocab.text[id], tok)
	switch {
	case ev.StopString != "":
		ev.Finish, c.done = core.FinishStop, true
	case c.n >= r.limit:
		text, tokens := c.out.flush()
		ev.Text, ev.Tokens = ev.Text+text, append(ev.Tokens, tokens...)
		ev.Finish, c.done = core.FinishLength, true
	}
	r.m.steps.Add(1)
	r.m.generated.Add(1)
	r.m.spent.Add(uint64(time.Since(start))) //nolint:gosec // time does not run backwards
	return ev, nil
}

const (
	unlikely  = -40.0 // single bytes: only a bias brings them
	spread    = 8.0   // scores of pieces lie between 0 and this
	scripted  = 60.0  // what a given reply has more than the best of the others
	endAtOnce = -4.0  // score of the end at the start of an answer …
	endGrowth = 0.3   // … and what each token adds to it, so that answers end
)

// logits are the scores of all tokens after a text that is known by its hash.
func (m *model) logits(hash uint64, history []int, n int, script []int, ignoreEnd bool) []float64 {
	out := make([]float64, m.vocab.size())
	for id := range out {
		switch {
		case special(id):
			out[id] = math.Inf(-1)
		case id < firstPiece:
			out[id] = unlikely
		default:
			out[id] = float64(mix(hash, uint64(id))>>11) / (1 << 53) * spread
		}
	}
	for first, second := range m.vocab.follow {
		out[second] = unlikely
		if len(history) > 0 && history[len(history)-1] == first {
			out[second] = scripted
		}
	}
	if n < len(script) {
		out[script[n]] = scripted
		if script[n] != tokenEnd {
			return out
		}
	}
	switch {
	case ignoreEnd:
		out[tokenEnd] = math.Inf(-1)
	case n >= len(script) && len(script) == 0:
		out[tokenEnd] = endAtOnce + endGrowth*float64(n)
	}
	return out
}
