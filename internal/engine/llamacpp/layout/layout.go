// Package layout decides how much of a model's context is made: what a load asks for and its options, within what the model,
// the machine and the memory allow. It loads nothing.
package layout

import (
	"fmt"

	"ashatai/internal/core"
	"ashatai/internal/engine"
	"ashatai/internal/engine/llamacpp/threads"
	"ashatai/internal/gguf"
)

// Layout is how much of a model's context is made.
type Layout struct {
	Context   int // tokens of one sequence
	Sequences int
	Batch     int
	Threads   threads.Counts
	Cells     int   // tokens that the KV space holds
	KV        int64 // bytes
	Cache     int64 // bytes for prefixes in memory
	Weights   int64
	Pooled    bool   // the model names a way to pool embeddings
	Rerank    string // the model's template for a query and a document
	Fallback  string
}

const (
	maxThreads       = 4096
	defaultContext   = 8192
	defaultSequences = 4
	maxSequences     = 64
	defaultBatch     = 512
	maxBatch         = 2048
	maxEmbedContext  = 2048 // tokens of a text to embed, which is one batch
	minContext       = 256
	computeReserve   = 192 << 20 // bytes for graphs and logits, before they are known
)

// Fit chooses context, sequences, batch and threads: what was asked for, within what the model, the machine and the
// memory allow. What had to be reduced stands in fallback.
func Fit(spec engine.LoadSpec, opt Options, f *gguf.File, cores int) (Layout, error) {
	for _, b := range []struct {
		name   string
		v, max int
	}{
		{"sequences", spec.Sequences, maxSequences},
		{"context", spec.Context, 1 << 24},
		{"batch", spec.Batch, maxBatch},
		{"threads", spec.Threads, maxThreads},
	} {
		if b.v < 0 || b.v > b.max {
			return Layout{}, core.Invalid(b.name, "%s is %d; it must be between 0 and %d, where 0 lets the runtime choose.", b.name, b.v, b.max)
		}
	}
	train := f.ContextLength()
	l := Layout{
		Context: spec.Context, Sequences: spec.Sequences, Batch: spec.Batch,
		Weights: f.WeightBytes(), Pooled: f.Pooling() != gguf.PoolingNone, Rerank: f.RerankTemplate(),
	}
	if l.Context == 0 {
		l.Context = min(train, defaultContext)
	} else if l.Context > train {
		l.Fallback = fmt.Sprintf("context %d instead of %d: the model was trained for no more", train, l.Context)
		l.Context = train
	}
	l.Context = max(l.Context, min(minContext, train))
	l.Sequences = orElse(l.Sequences, defaultSequences)
	l.Batch = min(max(orElse(l.Batch, defaultBatch), 32), l.Context)
	l.Threads.Decode = min(orElse(spec.Threads, cores), cores)
	l.Threads.Prefill = min(orElse(opt.Prefill, l.Threads.Decode), cores)
	if spec.Embedding {
		l.Context = min(l.Context, maxEmbedContext)
		l.Sequences, l.Batch = 1, l.Context
	}
	l.Cache = opt.CacheMemory
	return l.shrink(spec.Memory, opt, f)
}

func orElse(v, other int) int {
	if v == 0 {
		return other
	}
	return v
}

// shrink gives up the memory for prefixes, then sequences, then context, until the model fits into memory bytes; 0 is no
// bound.
func (l Layout) shrink(memory int64, opt Options, f *gguf.File) (Layout, error) {
	perToken := f.KVBytesPerToken(opt.KV, opt.KV)
	size := func() int64 {
		l.Cells = l.Context * l.Sequences
		if opt.KVTokens > 0 {
			l.Cells = min(max(opt.KVTokens, l.Context), l.Cells)
		}
		return perToken * int64(l.Cells)
	}
	wanted := l
	for memory > 0 && l.Weights+size()+computeReserve > memory {
		switch {
		case l.Sequences > 1:
			l.Sequences--
		case l.Context > 2*minContext:
			l.Context /= 2
		default:
			return l, core.Errorf(core.CodeOutOfMemory, "The model needs at least %d MiB and %d MiB are allowed for it. Use a smaller model, or raise fleet.memory_budget.",
				(l.Weights+size()+computeReserve)>>20, memory>>20)
		}
	}
	l.KV = size()
	if memory > 0 {
		l.Cache = min(l.Cache, memory-l.Weights-l.KV-computeReserve)
	}
	l.Batch = min(l.Batch, l.Context)
	if l.Context != wanted.Context || l.Sequences != wanted.Sequences {
		l.Fallback = fmt.Sprintf("%d sequences of %d tokens instead of %d of %d: memory is limited to %d MiB",
			l.Sequences, l.Context, wanted.Sequences, wanted.Context, memory>>20)
	}
	return l, nil
}
