package llamacpp

import (
	"context"
	"iter"
	"sync"
	"time"

	"ashatai/internal/core"
	"ashatai/internal/engine"
	"ashatai/internal/engine/llamacpp/sample"
	"ashatai/internal/engine/llamacpp/text"
	"ashatai/internal/native/llama"
)

// job is one accepted request. The loop owns every field but out and ctx.
type job struct {
	ctx     context.Context //nolint:containedctx // the request's own end, watched by the loop that serves many requests
	req     engine.GenerateRequest
	prompt  []llama.Token
	out     *outbox
	choices []*choice
	open    int // choices not finished
	usage   core.Usage
	started time.Time // when the first sequence was taken
	first   time.Time // when the first token was there
}

// choice is one continuation of a job's prompt.
type choice struct {
	job     *job
	index   int
	slot    *slot // nil until admitted, and after the end
	done    int   // prompt tokens in the slot
	arrived int   // prompt tokens computed, not reused; what fairness counts
	sampler *sample.Sampler
	grammar *llama.Grammar
	text    *text.Assembler
	next    llama.Token // sampled, not yet computed
	made    int         // tokens generated
}

// prefilling reports whether a part of the prompt is still to be computed.
func (c *choice) prefilling() bool { return c.done < len(c.job.prompt) }

// outbox carries events from the loop to one reader and never makes the loop wait. It holds no more than the events of
// the tokens that the request may make.
type outbox struct {
	mu     sync.Mutex
	events []core.Event
	err    error
	closed bool
	signal chan struct{} // one slot: something changed
}

func newOutbox() *outbox { return &outbox{signal: make(chan struct{}, 1)} }

func (o *outbox) wake() {
	select {
	case o.signal <- struct{}{}:
	default:
	}
}

func (o *outbox) put(e core.Event) {
	o.mu.Lock()
	o.events = append(o.events, e)
	o.mu.Unlock()
	o.wake()
}

// close ends the stream; err is nil after a usage event. Later calls change nothing.
func (o *outbox) close(err error) {
	o.mu.Lock()
	if !o.closed {
		o.closed, o.err = true, err
	}
	o.mu.Unlock()
	o.wake()
}

func (o *outbox) take() ([]core.Event, bool, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	events := o.events
	o.events = nil
	return events, o.closed, o.err
}

// stream ranges over the outbox until it is closed. Leaving the range calls cancel.
func (o *outbox) stream(ctx context.Context, cancel context.CancelFunc) iter.Seq2[core.Event, error] {
	return func(yield func(core.Event, error) bool) {
		defer cancel()
		for {
			events, closed, err := o.take()
			for _, e := range events {
				if !yield(e, nil) {
					return
				}
			}
			if closed {
				if err != nil {
					yield(core.Event{}, err)
				}
				return
			}
			if len(events) > 0 {
				continue
			}
			select {
			case <-o.signal:
			case <-ctx.Done():
				yield(core.Event{}, core.AsError(context.Cause(ctx)))
				return
			}
		}
	}
}

// Generate implements engine.Generator.
func (m *model) Generate(ctx context.Context, req engine.GenerateRequest) (iter.Seq2[core.Event, error], error) {
	if m.loop == nil {
		return nil, core.Errorf(core.CodeUnsupported, "This model was loaded for embeddings and does not generate text here.")
	}
	prompt, err := m.tokens(req.Prompt)
	if err != nil {
		return nil, err
	}
	if len(prompt) == 0 {
		return nil, core.Invalid("prompt", "The prompt has no tokens; say something.")
	}
	if len(prompt) >= m.facts.Context {
		return nil, &core.Error{Code: core.CodeContextExceeded, Param: "messages", Message: contextMessage(len(prompt), m.facts.Context)}
	}
	if err := m.checkGrammar(req.Grammar); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	j := &job{ctx: ctx, req: req, prompt: prompt, out: newOutbox(), open: req.Choices}
	for i := range req.Choices {
		j.choices = append(j.choices, &choice{job: j, index: i, text: text.New(req.Stop)})
	}
	context.AfterFunc(ctx, m.loop.gone)
	if err := m.loop.submit(ctx, j); err != nil {
		cancel()
		return nil, err
	}
	return j.out.stream(ctx, cancel), nil
}
