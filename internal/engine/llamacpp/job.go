package llamacpp

import (
	"context"
	"iter"
	"time"

	"ashatai/internal/core"
	"ashatai/internal/engine"
	"ashatai/internal/engine/llamacpp/guide"
	"ashatai/internal/engine/llamacpp/spec"
	"ashatai/internal/engine/sample"
	"ashatai/internal/engine/text"
	"ashatai/internal/native/llama"
)

// job is one accepted request. The loop owns every field but out and ctx.
type job struct {
	ctx     context.Context //nolint:containedctx // the request's own end, watched by the loop that serves many requests
	req     engine.GenerateRequest
	prompt  []llama.Token
	pins    []int // places in it, ascending, up to which it is to be kept
	out     outlet
	choices []*choice
	open    int // choices not finished
	usage   core.Usage
	started time.Time              // when the first sequence was taken
	first   time.Time              // when the first token was there
	logits  []float32              // after the whole prompt, for the choices that are still to begin
	told    bool                   // the first event was given out
	reveal  map[llama.Token][]byte // control tokens that have text in this answer
}

// choice is one continuation of a job's prompt.
type choice struct {
	job     *job
	index   int
	slot    *slot // nil until admitted, and after the end
	done    int   // tokens that the slot holds
	sampler *sample.Sampler
	grammar *guide.GBNF  // nil without a grammar in llama.cpp's language
	guide   *guide.Guide // nil without another constraint
	text    *text.Assembler
	answer  []llama.Token // sampled and forced tokens, in order
	made    int           // tokens of the answer that were given out
	chosen  int           // tokens of the answer up to the last that the model chose; what follows was forced
	guess   *spec.Speculator
	likely  spec.Record // of what the constraint all but forced
	looked  bool        // the store was asked
	fetch   *fetch      // what the store has of the prompt
	paused  *pause      // what it was doing when it gave its slot up
}

// known is the number of tokens of the sequence, computed or not.
func (c *choice) known() int { return len(c.job.prompt) + len(c.answer) }

// token is the one at a place in the sequence.
func (c *choice) token(pos int) llama.Token {
	if pos < len(c.job.prompt) {
		return c.job.prompt[pos]
	}
	return c.answer[pos-len(c.job.prompt)]
}

// prefilling reports whether several tokens are to be computed at once: a part of the prompt, or text that a constraint
// forces.
func (c *choice) prefilling() bool { return c.done < len(c.job.prompt) || c.known()-c.done > 1 }

// outlet is a job's way out. Only the loop uses it, once the job is handed over.
type outlet struct {
	to     engine.Sink
	closed bool
}

func (o *outlet) put(e core.Event) { o.to.Event(e) }

// close ends the answer; err is nil after a usage event. Later calls change nothing.
func (o *outlet) close(err error) {
	if !o.closed {
		o.closed = true
		o.to.End(err)
	}
}

// Generate implements engine.Generator.
func (m *model) Generate(ctx context.Context, req engine.GenerateRequest) (iter.Seq2[core.Event, error], error) {
	ctx, cancel := context.WithCancel(ctx)
	out := engine.NewOutbox()
	if err := m.Push(ctx, req, out); err != nil {
		cancel()
		return nil, err
	}
	return out.Stream(ctx, cancel), nil
}

// Push implements engine.Pusher.
func (m *model) Push(ctx context.Context, req engine.GenerateRequest, to engine.Sink) error {
	if m.loop == nil {
		return core.Errorf(core.CodeUnsupported, "This model was loaded for embeddings and does not generate text here.")
	}
	prompt, err := m.tokens(req.Prompt)
	if err != nil {
		return err
	}
	if len(prompt) == 0 {
		return core.Invalid("prompt", "The prompt has no tokens; say something.")
	}
	if len(prompt) >= m.facts.Context {
		return core.TooLong("messages", "the prompt", core.Overflow{Prompt: len(prompt), Context: m.facts.Context, Answer: 1})
	}
	guided, err := m.guide(ctx, req)
	if err != nil {
		return err
	}
	j := &job{ctx: ctx, req: req, prompt: prompt, out: outlet{to: to}, open: req.Choices, reveal: m.reveal(req.Reveal)}
	j.pins = m.pins(&req, prompt)
	for i := range req.Choices {
		c := &choice{job: j, index: i, text: text.New(req.Stop), guide: guided}
		if i > 0 && guided != nil {
			c.guide = guided.Clone()
		}
		j.choices = append(j.choices, c)
	}
	context.AfterFunc(ctx, m.loop.gone)
	to.Accept()
	if err := m.loop.submit(ctx, j); err != nil {
		for _, c := range j.choices {
			c.unbind()
		}
		to.End(err)
	}
	return nil
}

// unbind frees what keeps a choice inside its format.
func (c *choice) unbind() {
	if c.grammar != nil {
		c.grammar.Close()
		c.grammar = nil
	}
	if c.guide != nil {
		c.guide.Close()
	}
}

// guide makes what keeps the answers of a request inside its constraint; nil where it has none.
func (m *model) guide(ctx context.Context, req engine.GenerateRequest) (*guide.Guide, error) {
	if req.Constraint.Kind == "" {
		return nil, nil //nolint:nilnil // no constraint is the usual case
	}
	m.use.RLock()
	defer m.use.RUnlock()
	if m.closed {
		return nil, errClosed
	}
	if req.Constraint.Kind == core.FormatGBNF { // each choice reads it anew when it begins
		g, err := guide.NewGBNF(m.native.Vocab, req.Constraint.Source)
		if err == nil {
			g.Close()
		}
		return nil, err
	}
	return m.guides.New(ctx, req.Tenant, req.Constraint)
}

// reveal finds the control tokens that are spelled so; what is none is left out.
func (m *model) reveal(spelled []string) map[llama.Token][]byte {
	if len(spelled) == 0 {
		return nil
	}
	out := map[llama.Token][]byte{}
	for _, s := range spelled {
		t, err := m.tokens(engine.Prompt{Segments: []engine.Segment{{Text: s, Trusted: true}}})
		if err == nil && len(t) == 1 {
			out[t[0]] = []byte(s)
		}
	}
	return out
}
