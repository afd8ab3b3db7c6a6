package llamacpp

import (
	"context"
	"errors"
	"sync"
	"time"

	"ashatai/internal/core"
	"ashatai/internal/engine"
	"ashatai/internal/engine/catalog"
	"ashatai/internal/engine/llamacpp/guide"
	"ashatai/internal/engine/llamacpp/layout"
	"ashatai/internal/engine/llamacpp/tokens"
	"ashatai/internal/native/llama"
	"ashatai/internal/proc"
)

// model is a loaded model: the loop that owns its context, and what needs no context.
type model struct {
	native *llama.Model
	facts  engine.Facts
	tok    *tokens.Tokenizer
	guides *guide.Maker
	loop   *loop     // nil when loaded for embeddings
	embed  *embedder // nil when loaded for generation
	rerank string    // template of a query and a document; empty: none

	use    sync.RWMutex // read-held while the vocabulary is used outside the loop
	closed bool
}

func newModel(ctx context.Context, lib *llama.Library, guides *guide.Library, native *llama.Model, spec engine.LoadSpec, opt layout.Options, l layout.Layout) (*model, error) {
	m := &model{native: native, tok: tokens.New(native.Vocab, marks(native.Vocab))}
	m.guides = guides.NewMaker(func() guide.Vocabulary { return guide.FromLlama(native.Vocab) })
	generate := !spec.Embedding
	if generate && !native.Causal() {
		return nil, core.Errorf(core.CodeUnsupported, "This model makes embeddings and does not generate text. Use it with /v1/embeddings.")
	}
	before := proc.Resident()
	var space *llama.Context
	var err error
	abort := llama.NewAbort()
	if generate {
		space, err = native.NewContext(generationParams(lib, opt, l), abort)
	} else {
		space, err = native.NewContext(embeddingParams(lib, l), abort)
	}
	if err != nil {
		code, hint := core.CodeOutOfMemory, "Allow it fewer sequences or a smaller context (settings sequences and context)."
		if !errors.Is(err, llama.ErrContext) {
			code, hint = core.CodeBadModel, ""
		}
		return nil, core.Wrap(code, err, "llama.cpp could not make a context of %d sequences of %d tokens. %s", l.Sequences, l.Context, hint)
	}
	m.facts = engine.Facts{
		Runtime: catalog.LlamaCpp, Device: "cpu", Context: min(l.Context, space.PerSequence()), Sequences: l.Sequences, Batch: l.Batch, Threads: l.Threads.Most(),
		Vocabulary: native.Vocab.Len(), Dimensions: native.Dimensions(), Fallback: l.Fallback,
		Memory: engine.Memory{Weights: native.Size(), KV: l.KV, Compute: max(0, proc.Resident()-before-l.KV), Cache: l.Cache},
	}
	if generate {
		m.facts.Capabilities = []core.Capability{core.CapGenerate}
		if m.loop, err = newLoop(ctx, lib, native.Vocab, space, abort, m.facts, opt, l); err != nil {
			space.Close()
			return nil, err
		}
		go m.warm()
	} else {
		m.embed = newEmbedder(space, abort, l.Threads)
		m.rerank, m.facts.Capabilities = l.Rerank, []core.Capability{core.CapEmbed}
		if m.embed.ranks {
			m.facts.Capabilities = []core.Capability{core.CapRerank}
		}
	}
	return m, nil
}

// marks are the tokens that a vocabulary wants around a text.
func marks(v *llama.Vocab) tokens.Marks {
	return tokens.Marks{AddBOS: v.AddBOS, AddEOS: v.AddEOS, BOS: v.BOS, EOS: v.EOS}
}

// warm prepares the vocabulary for constraints, so that the first request that has one does not wait for it. Without the
// library there is nothing to prepare, and such a request is told so.
func (m *model) warm() {
	m.use.RLock()
	defer m.use.RUnlock()
	if !m.closed {
		_ = m.guides.Warm()
	}
}

// generationParams asks for the context of a loop.
func generationParams(lib *llama.Library, opt layout.Options, l layout.Layout) llama.ContextParams {
	p := lib.ContextDefaults()
	p.NBatch, p.NUbatch, p.NSeqMax = uint32(max(l.Batch, l.Sequences)), uint32(max(l.Batch, l.Sequences)), uint32(l.Sequences) //nolint:gosec // bounded by fit
	p.NThreads, p.NThreadsBatch, p.NoPerf = int32(l.Threads.Decode), int32(l.Threads.Prefill), true                            //nolint:gosec // bounded by fit
	opt.Apply(&p, l)
	return p
}

// Share implements engine.Sharer.
func (m *model) Share(processors int) {
	if m.loop != nil {
		m.loop.share.Store(int64(processors))
	} else {
		m.embed.share.Store(int64(processors))
	}
}

// Facts implements engine.Model.
func (m *model) Facts() engine.Facts { return m.facts }

// Close implements engine.Model.
func (m *model) Close() error {
	if m.loop != nil {
		m.loop.stop()
	}
	if m.embed != nil {
		m.embed.stop()
	}
	m.use.Lock()
	defer m.use.Unlock()
	if !m.closed {
		m.closed = true
		m.guides.Close()
		m.native.Close()
	}
	return nil
}

// tokens tokenizes a prompt while the model is open.
func (m *model) tokens(p engine.Prompt) ([]llama.Token, error) {
	m.use.RLock()
	defer m.use.RUnlock()
	if m.closed {
		return nil, errClosed
	}
	return m.tok.Tokens(p)
}

// Tokenize implements engine.Tokenizer.
func (m *model) Tokenize(_ context.Context, p engine.Prompt) ([]int, error) {
	ids, err := m.tokens(p)
	if err != nil {
		return nil, err
	}
	out := make([]int, len(ids))
	for i, t := range ids {
		out[i] = int(t)
	}
	return out, nil
}

// Detokenize implements engine.Tokenizer.
func (m *model) Detokenize(_ context.Context, list []int) ([]byte, error) {
	m.use.RLock()
	defer m.use.RUnlock()
	if m.closed {
		return nil, errClosed
	}
	ids, err := m.tok.Check(list)
	if err != nil {
		return nil, err
	}
	var out []byte
	for _, t := range ids {
		out = m.native.Vocab.AppendPiece(out, t, true)
	}
	return out, nil
}

// Stats implements engine.Statter.
func (m *model) Stats(ctx context.Context) (engine.Stats, error) {
	if m.loop == nil {
		return m.embed.stats(), nil
	}
	return m.loop.stats(ctx)
}

var errClosed = core.Errorf(core.CodeUnavailable, "The model was unloaded while the request ran. Send it again.")

// since is the time since start; 0 when there was none.
func since(start time.Time) time.Duration {
	if start.IsZero() {
		return 0
	}
	return time.Since(start)
}
