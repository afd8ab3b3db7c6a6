package remote

import (
	"context"
	"math"
	"net/http"

	"ashatai/internal/core"
	"ashatai/internal/engine"
)

// use runs one request that is answered at once.
func (m *model) use(ctx context.Context, works bool, address string, body fields, into any, whole func() bool) error {
	ctx, end, err := m.begin(ctx, works)
	if err != nil {
		return err
	}
	defer end()
	return m.s.patiently(ctx, func() error {
		if err := m.s.call(ctx, http.MethodPost, address, body, into); err != nil {
			return err
		}
		if !whole() {
			return m.s.fault(engine.FaultDown, errGarbage, "answered with something that is not what was asked for")
		}
		return nil
	})
}

func (m *model) forVectors() error {
	if m.embedding {
		return nil
	}
	return core.Errorf(core.CodeUnsupported, "The model %s was loaded to generate text and makes no vectors.", m.id)
}

// Embed implements engine.Embedder.
func (m *model) Embed(ctx context.Context, prompts []engine.Prompt) ([][]float32, core.Usage, error) {
	if err := m.forVectors(); err != nil {
		return nil, core.Usage{}, err
	}
	tokens := make([][]int, 0, len(prompts))
	texts := make([]string, 0, len(prompts))
	for _, p := range prompts {
		if p.Tokens != nil {
			tokens = append(tokens, p.Tokens)
		} else {
			texts = append(texts, text(p))
		}
	}
	var input any = texts
	if len(tokens) > 0 {
		if input = tokens; len(texts) > 0 {
			return nil, core.Usage{}, core.Invalid("input", "A remote model takes texts or token ids in one request, not both.")
		}
	}
	var got struct {
		Data []struct {
			Index     int       `json:"index"`
			Embedding []float32 `json:"embedding"`
		} `json:"data"`
		Usage usage `json:"usage"`
	}
	vectors := make([][]float32, len(prompts))
	err := m.use(ctx, true, m.s.at("/embeddings"), fields{"model": m.id, "input": input, "encoding_format": "float"}, &got, func() bool {
		clear(vectors)
		for _, d := range got.Data {
			if d.Index < 0 || d.Index >= len(vectors) || vectors[d.Index] != nil || len(d.Embedding) == 0 || len(d.Embedding) != len(got.Data[0].Embedding) {
				return false
			}
			vectors[d.Index] = unit(d.Embedding)
		}
		return len(got.Data) == len(prompts)
	})
	if err != nil {
		return nil, core.Usage{}, err
	}
	return vectors, got.Usage.ofPrompt(input), nil
}

// unit scales a vector to length 1.
func unit(v []float32) []float32 {
	sum := 0.0
	for _, x := range v {
		sum += float64(x) * float64(x)
	}
	if scale := 1 / math.Sqrt(sum); sum > 0 {
		for i, x := range v {
			v[i] = float32(float64(x) * scale)
		}
	}
	return v
}

// Rerank implements engine.Reranker. Servers that score beyond 0 to 1 are brought there without a change of order.
func (m *model) Rerank(ctx context.Context, query string, documents []string) ([]float32, core.Usage, error) {
	if err := m.forVectors(); err != nil {
		return nil, core.Usage{}, err
	}
	var got struct {
		Results []struct {
			Index int     `json:"index"`
			Score float64 `json:"relevance_score"`
		} `json:"results"`
		Usage usage `json:"usage"`
	}
	scores := make([]float64, len(documents))
	body := fields{"model": m.id, "query": query, "documents": documents, "top_n": len(documents)}
	err := m.use(ctx, true, m.s.at("/rerank"), body, &got, func() bool {
		seen := make([]bool, len(documents))
		for _, r := range got.Results {
			if r.Index < 0 || r.Index >= len(seen) || seen[r.Index] {
				return false
			}
			seen[r.Index], scores[r.Index] = true, r.Score
		}
		return len(got.Results) == len(documents)
	})
	if err != nil {
		return nil, core.Usage{}, err
	}
	out := make([]float32, len(scores))
	wide := false
	for _, v := range scores {
		wide = wide || v < 0 || v > 1
	}
	for i, v := range scores {
		if wide {
			v = 1 / (1 + math.Exp(-v))
		}
		out[i] = float32(v)
	}
	return out, got.Usage.ofPrompt([]any{query, documents}), nil
}
