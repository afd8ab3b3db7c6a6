package llamacpp

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"

	"ashatai/internal/core"
	"ashatai/internal/engine"
	"ashatai/internal/engine/llamacpp/layout"
	"ashatai/internal/engine/llamacpp/threads"
	"ashatai/internal/native/llama"
)

// embedder computes embeddings, one call at a time.
type embedder struct {
	abort *llama.Abort
	most  threads.Counts
	ranks bool         // the model makes scores, not vectors
	share atomic.Int64 // processors that it may use; 0: as loaded

	mu    sync.Mutex // held while a call computes
	ctx   *llama.Context
	rows  *llama.Batch
	count engine.Stats
}

// embeddingParams asks for one sequence, as long as a batch: a text that is cut into several batches would not be pooled
// as a whole. The model's own pooling is used, and the mean where it names none.
func embeddingParams(lib *llama.Library, l layout.Layout) llama.ContextParams {
	p := lib.ContextDefaults()
	n := uint32(l.Context) //nolint:gosec // bounded by fit
	p.NCtx, p.NBatch, p.NUbatch, p.NSeqMax = n, n, n, 1
	p.NThreads, p.NThreadsBatch = int32(l.Threads.Decode), int32(l.Threads.Prefill) //nolint:gosec // bounded by fit
	p.Embeddings, p.FlashAttnType, p.NoPerf = true, llama.FlashAttnOff, true
	if !l.Pooled {
		p.PoolingType = llama.PoolingMean
	}
	return p
}

func newEmbedder(ctx *llama.Context, abort *llama.Abort, most threads.Counts) *embedder {
	return &embedder{abort: abort, most: most, ranks: ctx.Pooling() == llama.PoolingRank, ctx: ctx, rows: llama.NewBatch(ctx.MaxBatch())}
}

// Embed implements engine.Embedder.
func (m *model) Embed(ctx context.Context, prompts []engine.Prompt) ([][]float32, core.Usage, error) {
	switch {
	case m.embed == nil:
		return nil, core.Usage{}, core.Errorf(core.CodeUnsupported, "This model was loaded to generate text and makes no embeddings here.")
	case m.embed.ranks:
		return nil, core.Usage{}, core.Errorf(core.CodeUnsupported, "This model scores documents and makes no embeddings. Use it with /v1/rerank.")
	}
	var usage core.Usage
	out := make([][]float32, 0, len(prompts))
	for i, p := range prompts {
		tokens, err := m.tokens(p)
		if err != nil {
			return nil, usage, err
		}
		if len(tokens) == 0 {
			return nil, usage, core.Invalid("input", "Input %d has no tokens; an embedding needs some text.", i)
		}
		if len(tokens) > m.facts.Context {
			return nil, usage, core.TooLong("input", fmt.Sprintf("input %d", i), core.Overflow{Prompt: len(tokens), Context: m.facts.Context})
		}
		v, err := m.embed.one(ctx, tokens)
		if err != nil {
			return nil, usage, err
		}
		usage.Prompt += len(tokens)
		out = append(out, v)
	}
	return out, usage, nil
}

// one returns the unit vector of a text, or its raw scores where the model makes those.
func (e *embedder) one(ctx context.Context, tokens []llama.Token) ([]float32, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ctx == nil {
		return nil, errClosed
	}
	if err := ctx.Err(); err != nil {
		return nil, core.AsError(context.Cause(ctx))
	}
	fired := make(chan struct{})
	stop := context.AfterFunc(ctx, func() { e.abort.Set(true); close(fired) })
	e.rows.Reset()
	for i, t := range tokens {
		e.rows.Add(t, i, 0, true)
	}
	if n := int(e.share.Load()); n > 0 {
		now := e.most.AtMost(n)
		e.ctx.SetThreads(now.Decode, now.Prefill)
	}
	status := e.ctx.Decode(e.rows)
	if !stop() {
		<-fired
		e.abort.Set(false)
	}
	e.count.Steps++
	e.count.Prompt += uint64(len(tokens))
	defer e.ctx.ClearAll()
	if status == llama.DecodeAborted {
		return nil, core.AsError(context.Cause(ctx))
	}
	var v []float32
	switch {
	case status != llama.DecodeOK:
	case e.ranks:
		v = e.ctx.Scores(0)
	default:
		v = e.ctx.Embedding(0)
	}
	if len(v) == 0 {
		return nil, core.Errorf(core.CodeInternal, "The model failed to compute this text. Send the request again.")
	}
	if e.ranks {
		return slices.Clone(v), nil
	}
	return unit(v), nil
}

// unit copies v, scaled to length 1.
func unit(v []float32) []float32 {
	sum := 0.0
	for _, x := range v {
		sum += float64(x) * float64(x)
	}
	scale := 1.0
	if sum > 0 {
		scale = 1 / math.Sqrt(sum)
	}
	out := make([]float32, len(v))
	for i, x := range v {
		out[i] = float32(float64(x) * scale)
	}
	return out
}

func (e *embedder) stats() engine.Stats {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.count
}

func (e *embedder) stop() {
	e.abort.Set(true)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ctx != nil {
		e.rows.Close()
		e.ctx.Close()
		e.ctx = nil
	}
}
