package llamacpp

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"ashatai/internal/core"
	"ashatai/internal/engine"
	"ashatai/internal/gguf"
	"ashatai/internal/native/llama"
)

// Rerank implements engine.Reranker. Each pair is computed by itself, so that a score does not depend on the others.
func (m *model) Rerank(ctx context.Context, query string, documents []string) ([]float32, core.Usage, error) {
	if m.embed == nil || !m.embed.ranks {
		return nil, core.Usage{}, core.Errorf(core.CodeUnsupported, "This model has no head that scores documents. Use one that was made for reranking.")
	}
	var usage core.Usage
	scores := make([]float32, len(documents))
	for i, d := range documents {
		tokens, err := m.pair(query, d)
		if err != nil {
			return nil, usage, err
		}
		if len(tokens) > m.facts.Context {
			return nil, usage, core.TooLong("documents", fmt.Sprintf("the query with document %d", i), core.Overflow{Prompt: len(tokens), Context: m.facts.Context})
		}
		if len(tokens) == 0 {
			return nil, usage, core.Invalid("documents", "The query and document %d have no tokens together.", i)
		}
		raw, err := m.embed.one(ctx, tokens)
		if err != nil {
			return nil, usage, err
		}
		scores[i] = relevance(raw)
		usage.Prompt += len(tokens)
	}
	return scores, usage, nil
}

// checkHead refuses a file that asks for scores and has no head to make them: the library would read them from nowhere.
func checkHead(f *gguf.File) error {
	if f.Pooling() != gguf.PoolingRank || slices.ContainsFunc(f.Tensors, func(t gguf.Tensor) bool {
		return t.Name == "cls.weight" || t.Name == "cls.output.weight"
	}) {
		return nil
	}
	return core.Errorf(core.CodeBadModel, "The model says that it scores documents, but its file has no classification head. Get a file that was converted for reranking.")
}

// relevance brings what a head made to a number between 0 and 1. A head with one output makes a logit; of several, the
// library has made probabilities already, with that of "relevant" first.
func relevance(raw []float32) float32 {
	x := float64(raw[0])
	if len(raw) == 1 {
		x = 1 / (1 + math.Exp(-x))
	}
	if math.IsNaN(x) {
		return 0
	}
	return float32(min(max(x, 0), 1))
}

// pair makes the tokens of a query and a document: as the model's own template says, else in the form that cross-encoders
// are trained on, <s> query </s> <sep> document </s>. Nothing in either text counts as a control token.
func (m *model) pair(query, document string) ([]llama.Token, error) {
	if m.rerank != "" {
		return m.tokens(engine.Prompt{Segments: fillPair(m.rerank, query, document)})
	}
	plain := func(text string) ([]llama.Token, error) {
		return m.tokens(engine.Prompt{Segments: []engine.Segment{{Text: text}}})
	}
	q, err := plain(query)
	if err != nil {
		return nil, err
	}
	d, err := plain(document)
	if err != nil {
		return nil, err
	}
	v := m.native.Vocab
	end := v.EOS
	if !v.AddEOS || end < 0 {
		end = -1
		if v.AddSEP { // as BERT, which ends both texts with it
			end = v.SEP
		}
	}
	var out []llama.Token
	add := func(want bool, t llama.Token) {
		if want && t >= 0 {
			out = append(out, t)
		}
	}
	add(v.AddBOS, v.BOS)
	out = append(out, q...)
	add(v.AddEOS, v.EOS)
	add(v.AddSEP, v.SEP)
	out = append(out, d...)
	add(true, end)
	return out, nil
}

// fillPair puts a query and a document into a template, whose own text is trusted.
func fillPair(template, query, document string) []engine.Segment {
	var out []engine.Segment
	for template != "" {
		at, what, text := len(template), "", ""
		for _, p := range [][2]string{{"{query}", query}, {"{document}", document}} {
			if i := strings.Index(template, p[0]); i >= 0 && i < at {
				at, what, text = i, p[0], p[1]
			}
		}
		out = append(out, engine.Segment{Text: template[:at], Trusted: true})
		if what != "" {
			out = append(out, engine.Segment{Text: text})
		}
		template = template[at+len(what):]
	}
	return out
}
