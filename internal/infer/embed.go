package infer

import (
	"context"
	"math"

	"ashatai/internal/core"
	"ashatai/internal/engine"
)

// Embed makes one unit-length vector per input. Errors: those of Models and Fleet, CodeUnsupported for a model that does
// not embed, CodeInvalidRequest for an empty input and for more dimensions than the model has.
func (s *Service) Embed(ctx context.Context, req *core.EmbedRequest) (*core.Embeddings, error) {
	if len(req.Inputs) == 0 {
		return nil, core.Invalid("input", "There is no input to embed.")
	}
	prompts := make([]engine.Prompt, len(req.Inputs))
	for i, in := range req.Inputs {
		if in.Text == "" && len(in.Tokens) == 0 {
			return nil, core.Invalid("input", "Input %d is empty.", i)
		}
		prompts[i] = raw(in.Text, in.Tokens)
	}
	m, set, err := s.known(ctx, req.Model)
	if err != nil {
		return nil, err
	}
	// A model made for text embeds too, by pooling its last layer; whether its runtime can, the runtime says.
	if !m.Can(core.CapEmbed) && !generates(m) {
		return nil, unable(m, "embed text")
	}
	t := s.target(m, set, true)
	ctx, cancel, deadline := s.limit(ctx, 0)
	defer cancel()
	it := s.item(req.Principal, t, prompts[0])
	it.Deadline = deadline
	bound := 0
	for _, p := range prompts {
		bound += promptBound(p)
	}
	grant, err := s.cfg.Quota.Reserve(req.Principal, m.Name, core.TokenWish{Prompt: bound})
	if err != nil {
		return nil, err
	}
	for _, p := range prompts[1:] {
		it.Cost += promptCost(p)
		it.Fingerprint = max(it.Fingerprint*31+fingerprint(t, p), 1)
	}
	vectors, usage, place, err := s.fleet.Embed(ctx, t, it, prompts)
	grant.Settle(cost(ctx, usage, place, err, min(it.Cost, bound)))
	if err != nil {
		return nil, err
	}
	if len(vectors) != len(prompts) {
		return nil, core.Errorf(core.CodeInternal, "The runtime made %d vectors of %d inputs.", len(vectors), len(prompts))
	}
	if req.Dimensions > 0 {
		for i, v := range vectors {
			if vectors[i], err = cut(v, req.Dimensions); err != nil {
				return nil, err
			}
		}
	}
	return &core.Embeddings{Model: m.Name, Vectors: vectors, Usage: usage, Placement: place}, nil
}

// cut keeps the first n dimensions of a vector and scales it to unit length again.
func cut(v []float32, n int) ([]float32, error) {
	if n > len(v) {
		return nil, core.Invalid("dimensions", "dimensions is %d; the model's vectors have %d.", n, len(v))
	}
	out := make([]float32, n)
	var sum float64
	for i := range out {
		sum += float64(v[i]) * float64(v[i])
	}
	if sum == 0 {
		return out, nil
	}
	scale := 1 / math.Sqrt(sum)
	for i := range out {
		out[i] = float32(float64(v[i]) * scale)
	}
	return out, nil
}

// Tokenize turns text into the model's token ids. Nothing in it counts as a control token; addSpecial asks for the
// model's start tokens.
func (s *Service) Tokenize(ctx context.Context, model, text string, addSpecial bool) ([]int, error) {
	t, err := s.Target(ctx, model)
	if err != nil {
		return nil, err
	}
	ctx, cancel, _ := s.limit(ctx, 0)
	defer cancel()
	prompt := engine.Prompt{Segments: []engine.Segment{{Text: text}}, AddSpecial: addSpecial}
	return s.fleet.Tokenize(ctx, t, prompt)
}

// Detokenize turns token ids into the exact bytes that they stand for, which need not be UTF-8.
func (s *Service) Detokenize(ctx context.Context, model string, tokens []int) ([]byte, error) {
	t, err := s.Target(ctx, model)
	if err != nil {
		return nil, err
	}
	ctx, cancel, _ := s.limit(ctx, 0)
	defer cancel()
	return s.fleet.Detokenize(ctx, t, tokens)
}
