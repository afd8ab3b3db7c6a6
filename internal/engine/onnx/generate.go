package onnx

import (
	"context"
	"iter"
	"math"
	"slices"
	"time"

	"ashatai/internal/core"
	"ashatai/internal/engine"
	"ashatai/internal/engine/sample"
	"ashatai/internal/engine/text"
	"ashatai/internal/tokenizer"
)

// answer is one request that makes text. Its choices are made one after the other, from one computed prompt.
type answer struct {
	m      *model
	req    engine.GenerateRequest
	prompt []int
	limit  int          // tokens of a choice
	reveal map[int]bool // control tokens that have text
	usage  core.Usage
	first  time.Time // when the first token was there
	yield  func(core.Event, error) bool
	told   bool
}

// Generate implements engine.Generator; it computes in the goroutine that ranges over the events.
func (m *model) Generate(ctx context.Context, req engine.GenerateRequest) (iter.Seq2[core.Event, error], error) {
	if err := m.door.Alive(ctx); err != nil {
		return nil, err
	}
	if m.causal == nil {
		return nil, core.Errorf(core.CodeUnsupported, "This model makes no text; use it for embeddings or by tensors.")
	}
	if req.Constraint.Kind != "" {
		return nil, core.Errorf(core.CodeUnsupported, "The runtime onnx cannot hold answers to a schema, a grammar or a tool. Ask without, or use the model in the format GGUF.")
	}
	if req.Choices < 1 || req.Choices > core.MaxChoices {
		return nil, core.Invalid("n", "n is %d; it must be between 1 and %d.", req.Choices, core.MaxChoices)
	}
	prompt, err := m.tokens(req.Prompt)
	switch {
	case err != nil:
		return nil, err
	case len(prompt) == 0:
		return nil, core.Invalid("prompt", "The prompt has no tokens; say something.")
	case len(prompt) >= m.causal.context:
		return nil, core.TooLong("messages", "the prompt", core.Overflow{Prompt: len(prompt), Context: m.causal.context, Answer: 1})
	}
	a := &answer{m: m, req: req, prompt: prompt, limit: m.causal.context - len(prompt), reveal: map[int]bool{}}
	if req.MaxTokens > 0 {
		a.limit = min(a.limit, req.MaxTokens)
	}
	for _, s := range req.Reveal {
		if id, ok := m.files.tokenizer.ID(s); ok && m.files.tokenizer.Special(id) {
			a.reveal[id] = true
		}
	}
	a.usage.Prompt = len(prompt)
	entered := time.Now()
	return func(yield func(core.Event, error) bool) {
		a.yield = yield
		if err := a.serve(ctx, entered); err != nil {
			yield(core.Event{}, err)
		}
	}, nil
}

// serve returns nil also when the reader has left.
func (a *answer) serve(ctx context.Context, entered time.Time) error {
	if err := a.m.door.Enter(ctx); err != nil {
		return err
	}
	defer a.m.door.Leave()
	began := time.Now()
	a.usage.Queued = began.Sub(entered)
	k, logits, err := a.m.prefill(ctx, a.prompt)
	if err != nil {
		return err
	}
	defer k.release()
	a.first = time.Now()
	a.usage.Prefill = a.first.Sub(began)
	for i := range a.req.Choices {
		k.users++
		if more, err := a.choice(ctx, i, k, slices.Clone(logits)); !more || err != nil {
			return err
		}
	}
	a.usage.Decode = time.Since(a.first)
	a.yield(core.Event{Usage: &a.usage}, nil)
	return nil
}

// choice makes one text, and releases k. It reports false when the reader has left.
func (a *answer) choice(ctx context.Context, index int, k *kept, logits []float32) (bool, error) {
	defer func() { k.release() }()
	history := make([]sample.Token, len(a.prompt))
	for i, id := range a.prompt {
		history[i] = sample.Token(id) //nolint:gosec // checked
	}
	s := sample.New(a.req.Sampling, index, history, a.m.causal.context, nil)
	t := a.m.files.tokenizer.Stream(func(id int) bool { return a.reveal[id] })
	out := text.New(a.req.Stop)
	for n := 1; ; n++ {
		raw := a.prepare(logits)
		token, ok := s.Sample(logits)
		id := int(token)
		if !ok || slices.Contains(a.m.causal.ends, id) {
			return a.put(index, out.End(), core.FinishStop), nil
		}
		a.usage.Completion++
		a.m.generated.Add(1)
		p := out.Add([]byte(t.Bytes(id)), a.described(raw, id))
		switch {
		case p.Stop != "":
			return a.put(index, p, core.FinishStop), nil
		case n == a.limit:
			rest := out.End()
			p.Text, p.Tokens = p.Text+rest.Text, append(p.Tokens, rest.Tokens...)
			return a.put(index, p, core.FinishLength), nil
		case p.Text != "" && !a.put(index, p, ""):
			return false, nil
		}
		next, scores, err := a.m.advance(ctx, k, []int{id})
		if err != nil {
			return false, err
		}
		k.release()
		k, logits = next, scores
	}
}

// prepare forbids the end where the request ignores it, and returns the model's own scores where they are asked for.
func (a *answer) prepare(logits []float32) []float32 {
	if a.req.IgnoreEOS {
		for _, id := range a.m.causal.ends {
			if id < len(logits) {
				logits[id] = float32(math.Inf(-1))
			}
		}
	}
	if !a.req.Logprobs {
		return nil
	}
	return slices.Clone(logits)
}

// described is a token with its probability, and the most likely others.
func (a *answer) described(raw []float32, id int) *core.Token {
	if raw == nil {
		return nil
	}
	p, tops := sample.Logprobs(raw, sample.Token(id), a.req.TopLogprobs) //nolint:gosec // an id
	t := &core.Token{ID: id, Bytes: spelled(a.m.files.tokenizer, id), Logprob: min(p, 0)}
	for _, c := range tops {
		t.Top = append(t.Top, core.Token{ID: int(c.ID), Bytes: spelled(a.m.files.tokenizer, int(c.ID)), Logprob: min(float64(c.Logit), 0)})
	}
	return t
}

// spelled is what a token adds to a text that has begun.
func spelled(t *tokenizer.Tokenizer, id int) []byte {
	s := t.Stream(func(int) bool { return true })
	s.Bytes(id)
	return []byte(s.Bytes(id))
}

// put gives out what a choice has; with why it is its last event. It reports false when the reader has left.
func (a *answer) put(choice int, p text.Piece, why core.FinishReason) bool {
	e := core.Event{Choice: choice, Text: p.Text, Tokens: p.Tokens, Count: p.Count, StopString: p.Stop, Finish: why}
	if !a.told {
		a.told, e.Start = true, &core.Usage{Prompt: a.usage.Prompt}
	}
	return a.yield(e, nil)
}
