package fleet

import (
	"context"
	"errors"
	"time"

	"ashatai/internal/core"
	"ashatai/internal/engine"
)

// call is one use of the fleet, from its submission to its end. It belongs to the caller's goroutine.
type call struct {
	f      *Fleet
	ticket *ticket
	cancel context.CancelFunc
	queued time.Duration // waiting so far, all attempts together
	done   bool          // completed, for the plan
	made   int           // tokens, and how long they took
	took   time.Duration
}

// attempt is a call's use of one instance.
type attempt struct {
	on   *live
	stop func() // ends the attempt's context
}

// submit puts a call into the queue. The returned call must be ended; its context is the one to use for it, since the
// loop can end it with a reason.
func (f *Fleet) submit(ctx context.Context, tk *ticket) (context.Context, *call, error) {
	t, it := tk.target, tk.item
	if _, ok := f.cfg.Runtimes[t.Runtime]; !ok && len(t.Replicas) == 0 {
		return ctx, nil, core.Errorf(core.CodeUnsupported, "The model %s needs the runtime %q, which this server does not have.", t.Name, t.Runtime)
	}
	ctx, abort := context.WithCancelCause(ctx)
	stop := func() { abort(context.Canceled) }
	if !it.Deadline.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, it.Deadline.Sub(f.cfg.Now()))
		stop = func() { cancel(); abort(context.Canceled) }
	}
	tk.wait = core.WaitFrom(ctx)
	tk.wait.By(func() int { return f.place(tk) })
	tk.verdicts, tk.abort = make(chan verdict, maxVerdicts*(1+len(t.Replicas))), abort
	if err := f.post(ctx, submission{tk}); err != nil {
		stop()
		return ctx, nil, err
	}
	return ctx, &call{f: f, ticket: tk, cancel: stop}, nil
}

// place is where a ticket stands in the queue now; 0: it does not wait.
func (f *Fleet) place(tk *ticket) int {
	at := make(chan int, 1)
	f.tell(standing{tk, at})
	select {
	case n := <-at:
		return n
	case <-f.Stopped():
		return 0
	}
}

// end gives back everything that the call holds. It is called once.
func (c *call) end() {
	if c.done {
		c.f.tell(completion{c.ticket, c.made, c.took})
	} else {
		c.f.tell(cancellation{c.ticket})
	}
	c.cancel()
}

// admitted waits until the call may use an instance, and returns a context that ends with the call or the instance.
func (c *call) admitted(ctx context.Context) (context.Context, attempt, error) {
	begun := c.f.cfg.Now()
	var v verdict
	select {
	case v = <-c.ticket.verdicts:
	case <-ctx.Done():
		return ctx, attempt{}, contextError(ctx)
	}
	if v.err != nil {
		return ctx, attempt{}, v.err
	}
	c.queued += c.f.cfg.Now().Sub(begun)
	ctx, cancel := context.WithCancel(ctx)
	forget := v.on.onGone(cancel)
	return ctx, attempt{on: v.on, stop: func() { forget(); cancel() }}, nil
}

// lost reports whether err means that the instance is dead, so that a new verdict is coming. The loop may hear of it here
// first.
func (c *call) lost(ctx context.Context, on *live, err error) bool {
	if ctx.Err() != nil {
		return false
	}
	if fault, ok := errors.AsType[*engine.FaultError](err); ok {
		c.f.tell(faulted{c.ticket, on, fault})
		return !fault.Begun()
	}
	if core.CodeOf(err) == core.CodeWorkerDied {
		c.f.tell(death{on, diedOf(err)})
		return true
	}
	select {
	case <-on.gone:
		return true
	default:
		return false
	}
}

// failure is err as the caller should see it: the reason that ended the call, where something else than the engine did.
func failure(ctx context.Context, err error) *core.Error {
	if ctx.Err() != nil {
		return contextError(ctx)
	}
	return core.AsError(err)
}

// use calls do with an instance, and again with a new one when the first dies.
func (c *call) use(ctx context.Context, do func(ctx context.Context, on *live) error) error {
	for {
		attemptCtx, a, err := c.admitted(ctx)
		if err != nil {
			return err
		}
		err = do(attemptCtx, a.on)
		a.stop()
		if err == nil {
			c.done = true
			return nil
		}
		if !c.lost(ctx, a.on, err) {
			return failure(ctx, err)
		}
	}
}

// placement says where an instance serves.
func (on *live) placement() core.Placement {
	return core.Placement{Model: on.target.Name, Runtime: on.target.Runtime, Device: on.facts.Device, Fallback: on.facts.Fallback}
}

func cannot(on *live, what string) *core.Error {
	return core.Errorf(core.CodeUnsupported, "The model %s cannot %s with the runtime %s.", on.target.Name, what, on.target.Runtime)
}

// Embed makes one vector per prompt, with an instance that is loaded for embeddings. Its placement comes with an error too, once
// the instance was asked.
func (f *Fleet) Embed(ctx context.Context, t Target, it Item, prompts []engine.Prompt) ([][]float32, core.Usage, core.Placement, error) {
	t.Spec.Embedding = true
	ctx, c, err := f.submit(ctx, &ticket{target: t, item: it, sequences: 1})
	if err != nil {
		return nil, core.Usage{}, core.Placement{}, err
	}
	defer c.end()
	var (
		vectors [][]float32
		usage   core.Usage
		place   core.Placement
	)
	err = c.use(ctx, func(ctx context.Context, on *live) error {
		e, ok := on.model.(engine.Embedder)
		if !ok {
			return cannot(on, "make embeddings")
		}
		place = on.placement()
		vectors, usage, err = e.Embed(ctx, prompts)
		return err
	})
	if err != nil {
		return nil, core.Usage{}, place, err
	}
	usage.Queued = c.queued
	return vectors, usage, place, nil
}

// Rerank scores documents, with an instance that is loaded for it. Its placement is Embed's.
func (f *Fleet) Rerank(ctx context.Context, t Target, it Item, query string, documents []string) ([]float32, core.Usage, core.Placement, error) {
	t.Spec.Embedding = true
	ctx, c, err := f.submit(ctx, &ticket{target: t, item: it, sequences: 1})
	if err != nil {
		return nil, core.Usage{}, core.Placement{}, err
	}
	defer c.end()
	var (
		scores []float32
		usage  core.Usage
		place  core.Placement
	)
	err = c.use(ctx, func(ctx context.Context, on *live) error {
		r, ok := on.model.(engine.Reranker)
		if !ok {
			return cannot(on, "score documents")
		}
		place = on.placement()
		scores, usage, err = r.Rerank(ctx, query, documents)
		return err
	})
	if err != nil {
		return nil, core.Usage{}, place, err
	}
	usage.Queued = c.queued
	return scores, usage, place, nil
}

// Tokenize turns text into the model's token ids. It loads the model where it is not loaded, and takes no sequence.
func (f *Fleet) Tokenize(ctx context.Context, t Target, p engine.Prompt) ([]int, error) {
	var out []int
	err := f.tokenizer(ctx, t, func(ctx context.Context, k engine.Tokenizer) (err error) {
		out, err = k.Tokenize(ctx, p)
		return err
	})
	return out, err
}

// Detokenize turns token ids into the exact bytes, which need not be UTF-8. It loads the model where it is not loaded.
func (f *Fleet) Detokenize(ctx context.Context, t Target, tokens []int) ([]byte, error) {
	var out []byte
	err := f.tokenizer(ctx, t, func(ctx context.Context, k engine.Tokenizer) (err error) {
		out, err = k.Detokenize(ctx, tokens)
		return err
	})
	return out, err
}

func (f *Fleet) tokenizer(ctx context.Context, t Target, do func(context.Context, engine.Tokenizer) error) error {
	ctx, c, err := f.submit(ctx, &ticket{target: t})
	if err != nil {
		return err
	}
	defer c.end()
	return c.use(ctx, func(ctx context.Context, on *live) error {
		k, ok := on.model.(engine.Tokenizer)
		if !ok {
			return cannot(on, "show its tokens")
		}
		return do(ctx, k)
	})
}

// errEarly is a stream that ended before its engine said so.
func errEarly() error { return errors.New("the stream ended before its last event") }
