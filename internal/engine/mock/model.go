package mock

import (
	"context"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"ashatai/internal/core"
	"ashatai/internal/engine"
)

// model is one loaded mock. Requests run in their callers' goroutines, at most one per slot.
type model struct {
	facts engine.Facts
	b     behaviour
	vocab *vocabulary
	slots chan struct{}
	stop  chan struct{} // closed by Close
	once  sync.Once
	work  sync.RWMutex // held for reading while a request computes, never while its caller has control

	waiting, active, share          atomic.Int64
	steps, prompt, generated, spent atomic.Uint64
}

func newModel(f file, b behaviour, spec engine.LoadSpec) *model {
	vocab := newVocabulary()
	caps := []core.Capability{core.CapChat, core.CapGenerate}
	if spec.Embedding {
		caps = []core.Capability{core.CapEmbed, core.CapRerank}
	}
	orDefault := func(n, d int) int {
		if n == 0 {
			return d
		}
		return n
	}
	facts := engine.Facts{
		Runtime: "mock", Device: "cpu", Context: min(f.Context, orDefault(spec.Context, f.Context)), Sequences: orDefault(spec.Sequences, defaultSequences),
		Batch: orDefault(spec.Batch, defaultBatch), Threads: orDefault(spec.Threads, 1), Vocabulary: vocab.size(), Dimensions: f.Dimensions,
		Memory: engine.Memory{Weights: maxFile}, Capabilities: caps,
	}
	if spec.Context > f.Context {
		facts.Fallback = "the model's own context is smaller than the one asked for"
	}
	m := &model{facts: facts, b: b, vocab: vocab, slots: make(chan struct{}, facts.Sequences), stop: make(chan struct{})}
	m.Share(facts.Threads)
	return m
}

// Facts is what the load made.
func (m *model) Facts() engine.Facts {
	f := m.facts
	f.Capabilities = slices.Clone(f.Capabilities)
	return f
}

// Close ends everything that runs, and waits for it.
func (m *model) Close() error {
	m.once.Do(func() { close(m.stop) })
	if m.b.ignoreClose {
		select {}
	}
	m.work.Lock()
	defer m.work.Unlock()
	return nil
}

func (m *model) closed() error {
	select {
	case <-m.stop:
		return core.Errorf(core.CodeUnavailable, "The model was unloaded while the request ran; send it again.")
	default:
		return nil
	}
}

// enter takes a slot.
func (m *model) enter(ctx context.Context) error {
	m.waiting.Add(1)
	defer m.waiting.Add(-1)
	if err := m.alive(ctx); err != nil {
		return err
	}
	select {
	case m.slots <- struct{}{}:
		m.active.Add(1)
		return nil
	case <-ctx.Done():
	case <-m.stop:
	}
	return m.alive(ctx)
}

func (m *model) leave() {
	m.active.Add(-1)
	<-m.slots
}

// alive is the reason for which a request must end, if there is one.
func (m *model) alive(ctx context.Context) error {
	if err := m.closed(); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return core.AsError(err)
	}
	return nil
}

// tokens reads and checks a prompt.
func (m *model) tokens(p engine.Prompt) ([]int, error) {
	var ids []int
	if p.AddSpecial {
		ids = append(ids, tokenStart)
	}
	for _, id := range p.Tokens {
		if id < 0 || id >= m.vocab.size() {
			return nil, core.Invalid("prompt", "The token id %d does not exist; this model has the ids 0 to %d.", id, m.vocab.size()-1)
		}
	}
	ids = append(ids, p.Tokens...)
	if p.Tokens == nil {
		for _, s := range p.Segments {
			ids = m.vocab.encode(ids, s.Text, s.Trusted)
		}
	}
	return ids, nil
}

// Tokenize is the toy vocabulary's reading of a prompt.
func (m *model) Tokenize(ctx context.Context, p engine.Prompt) ([]int, error) {
	if err := m.alive(ctx); err != nil {
		return nil, err
	}
	ids, err := m.tokens(p)
	if ids == nil && err == nil {
		ids = []int{}
	}
	return ids, err
}

// Detokenize is the exact text of tokens, control tokens included.
func (m *model) Detokenize(ctx context.Context, tokens []int) ([]byte, error) {
	if err := m.alive(ctx); err != nil {
		return nil, err
	}
	if _, err := m.tokens(engine.Prompt{Tokens: tokens}); err != nil {
		return nil, err
	}
	out := []byte{}
	for _, id := range tokens {
		out = append(out, m.vocab.text[id]...)
	}
	return out, nil
}

// Embed makes vectors from the prompts' tokens: the same text has the same vector, and texts that share tokens are near
// each other.
func (m *model) Embed(ctx context.Context, prompts []engine.Prompt) ([][]float32, core.Usage, error) {
	if !slices.Contains(m.facts.Capabilities, core.CapEmbed) {
		return nil, core.Usage{}, core.Errorf(core.CodeUnsupported, "The model was loaded for text; it makes no embeddings.")
	}
	if err := m.enter(ctx); err != nil {
		return nil, core.Usage{}, err
	}
	defer m.leave()
	start := time.Now()
	var usage core.Usage
	vectors := make([][]float32, 0, len(prompts))
	for _, p := range prompts {
		ids, err := m.tokens(p)
		if err == nil {
			err = m.fits("input", len(ids), 0)
		}
		if err == nil {
			err = m.alive(ctx)
		}
		if err != nil {
			return nil, core.Usage{}, err
		}
		vectors = append(vectors, m.vector(ids))
		usage.Prompt += len(ids)
		m.prompt.Add(uint64(len(ids)))
	}
	usage.Prefill = time.Since(start)
	return vectors, usage, nil
}

// Rerank scores documents by how near their vectors are to the query's.
func (m *model) Rerank(ctx context.Context, query string, documents []string) ([]float32, core.Usage, error) {
	if !slices.Contains(m.facts.Capabilities, core.CapRerank) {
		return nil, core.Usage{}, core.Errorf(core.CodeUnsupported, "The model was loaded for text; it scores no documents.")
	}
	plain := func(text string) engine.Prompt { return engine.Prompt{Segments: []engine.Segment{{Text: text}}} }
	if err := m.enter(ctx); err != nil {
		return nil, core.Usage{}, err
	}
	defer m.leave()
	start := time.Now()
	asked, err := m.tokens(plain(query))
	if err != nil {
		return nil, core.Usage{}, err
	}
	var usage core.Usage
	scores := make([]float32, len(documents))
	for i, d := range documents {
		ids, err := m.tokens(plain(d))
		if err == nil {
			err = m.fits("documents", len(asked)+len(ids), 0)
		}
		if err == nil {
			err = m.alive(ctx)
		}
		if err != nil {
			return nil, core.Usage{}, err
		}
		near := 0.0
		q, v := m.vector(asked), m.vector(ids)
		for j := range q {
			near += float64(q[j]) * float64(v[j])
		}
		scores[i] = float32(min(max((near+1)/2, 0), 1))
		usage.Prompt += len(asked) + len(ids)
	}
	m.prompt.Add(uint64(usage.Prompt)) //nolint:gosec // a count
	usage.Prefill = time.Since(start)
	return scores, usage, nil
}

// fits refuses a prompt of n tokens that leaves no room for answer tokens.
func (m *model) fits(param string, n, answer int) error {
	if n == 0 {
		return core.Invalid(param, "The prompt is empty; send at least one token.")
	}
	if o := (core.Overflow{Prompt: n, Context: m.facts.Context, Answer: answer}); n > o.Most() {
		return core.TooLong(param, "the prompt", o)
	}
	return nil
}

func (m *model) vector(ids []int) []float32 {
	sum := make([]float64, m.facts.Dimensions)
	before := uint64(0)
	for _, id := range ids {
		// Each token has a direction of its own, and each pair a small one, so that order counts a little.
		add(sum, mix(1, uint64(id)), 1)                 //nolint:gosec // an id
		add(sum, mix(mix(2, before), uint64(id)), 0.25) //nolint:gosec // an id
		before = uint64(id)                             //nolint:gosec // an id
	}
	norm := 0.0
	for _, x := range sum {
		norm += x * x
	}
	norm = math.Sqrt(norm)
	v := make([]float32, len(sum))
	if norm == 0 {
		v[0] = 1
		return v
	}
	for i, x := range sum {
		v[i] = float32(x / norm)
	}
	return v
}

func add(sum []float64, seed uint64, weight float64) {
	for i := range sum {
		seed = mix(seed, uint64(i))
		sum[i] += weight * (float64(seed>>11)/(1<<53) - 0.5)
	}
}

// Share bounds the threads that the figures tell of.
func (m *model) Share(processors int) {
	m.share.Store(int64(min(processors, m.facts.Threads)))
}

// Stats are the live figures.
func (m *model) Stats(ctx context.Context) (engine.Stats, error) {
	if err := m.alive(ctx); err != nil {
		return engine.Stats{}, err
	}
	return engine.Stats{
		Active: int(m.active.Load()), Waiting: int(m.waiting.Load()), Steps: m.steps.Load(), Prompt: m.prompt.Load(), Generated: m.generated.Load(),
		Threads: int(m.share.Load()), Busy: time.Duration(min(m.spent.Load(), math.MaxInt64)),
	}, nil
}
