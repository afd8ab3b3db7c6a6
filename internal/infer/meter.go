package infer

import (
	"context"
	"errors"
	"iter"
	"slices"
	"sync"
	"sync/atomic"

	"ashatai/internal/core"
	"ashatai/internal/engine"
)

// Quota bounds what principals use. A grant's Settle is called once. Errors: CodeRateLimited, CodeForbidden, and
// CodeInvalidRequest for more than a quota allows at all; where fewer tokens would do, its cause is a core.TightQuotaError.
type Quota interface {
	Reserve(p core.Principal, model string, w core.TokenWish) (core.TokenGrant, error)
	// Weight is the share of a principal's tenant beside others who wait.
	Weight(p core.Principal) int
}

// free is a Quota without any limit.
type free struct{}

func (free) Reserve(_ core.Principal, _ string, w core.TokenWish) (core.TokenGrant, error) {
	return core.TokenGrant{Answer: w.Answer, Settle: func(core.Usage) {}}, nil
}

func (free) Weight(core.Principal) int { return 1 }

const (
	// specials is how many tokens a model may add to a text of its own: start and end, and a space before the first word.
	specials = 8
	// anyWindow is the context of a model of which none is known.
	anyWindow = 1 << 20
	// mostWindow is more than any model has, and little enough to count with.
	mostWindow = 1 << 24
	// mostBytes is how much text a token holds at most, nearly always. Where not even that would fit, nobody counts exactly.
	mostBytes = 16
)

// promptBound is how many tokens a prompt has at most: each stands for a byte at least.
func promptBound(p engine.Prompt) int {
	if p.Tokens != nil {
		return len(p.Tokens)
	}
	n := specials
	for _, s := range p.Segments {
		n += len(s.Text)
	}
	return n
}

// away reports whether a request may be served by another server, to which this one's own context means nothing.
func away(t Target, m *core.Manifest) bool {
	return m.Elsewhere() || slices.ContainsFunc(t.Replicas, func(r engine.Replica) bool { return r.Format == core.FormatRemote })
}

// windowOf is the longest that a sequence of a model can become.
func windowOf(t Target, m *core.Manifest) int {
	switch {
	case t.Spec.Context > 0 && !away(t, m):
		return t.Spec.Context
	case m.Context > 0:
		return min(m.Context, mostWindow)
	}
	return anyWindow
}

// reserve holds what a request may need, and cuts an answer without a limit to what it was given. A bound of the prompt is
// enough as long as it fits; then the prompt is counted.
func (s *Service) reserve(ctx context.Context, p core.Principal, m *core.Manifest, t Target, work *engine.GenerateRequest) (*meter, error) {
	window := windowOf(t, m)
	w := core.TokenWish{Prompt: min(promptBound(work.Prompt), window), Answer: window, Open: work.MaxTokens == 0}
	if !w.Open {
		w.Answer = min(work.MaxTokens, window)
	}
	w.Answer *= work.Choices
	g, err := s.cfg.Quota.Reserve(p, m.Name, w)
	if tight, ok := errors.AsType[core.TightQuotaError](err); ok && work.Prompt.Tokens == nil && w.Prompt/mostBytes < tight.Left {
		ids, failed := s.fleet.Tokenize(ctx, t, work.Prompt)
		if failed != nil {
			return nil, failed
		}
		w.Prompt = len(ids)
		g, err = s.cfg.Quota.Reserve(p, m.Name, w)
	}
	if err != nil {
		return nil, err
	}
	if g.Answer < w.Answer || away(t, m) { // another server may do more than is known of it here
		work.MaxTokens = max(1, g.Answer/work.Choices)
	}
	if w.Open && away(t, m) && work.MaxTokens < window { // where the prompt has no room beside it, a server refuses the limit
		work.MaxTokens = min(work.MaxTokens, max(window/2, window-w.Prompt, 1))
	}
	return &meter{grant: g, guess: min(promptCost(work.Prompt), w.Prompt)}, nil
}

// meter counts what an answer uses, also one that does not come to its end.
type meter struct {
	grant core.TokenGrant
	guess int // the prompt's tokens, roughly
	ended atomic.Bool

	mu    sync.Mutex
	begun bool       // an event came and said how long the prompt is; a server elsewhere has only estimated that
	sure  bool       // a part came to its end: Prompt is what its engine counted
	used  core.Usage // Prompt and Completion, of the parts that came to their end
	part  int        // generated tokens of the part that has not
}

// watch counts the events of a part of an answer as the engine makes them.
func (m *meter) watch(in iter.Seq2[core.Event, error]) iter.Seq2[core.Event, error] {
	return func(yield func(core.Event, error) bool) {
		for ev, err := range in {
			if err == nil {
				m.see(&ev)
			}
			if !yield(ev, err) {
				return
			}
		}
	}
}

func (m *meter) see(ev *core.Event) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if ev.Start != nil && !m.begun {
		m.begun, m.used.Prompt = true, ev.Start.Prompt
	}
	switch {
	case ev.Usage != nil:
		if !m.sure { // a second part begins with the text of the first
			m.begun, m.sure, m.used.Prompt = true, true, ev.Usage.Prompt
		}
		m.used.Completion += ev.Usage.Completion
		m.part = 0
	case ev.Count > 0:
		m.part += ev.Count
	case ev.Text != "" || ev.Reasoning != "" || ev.ToolCall != nil:
		m.part++
	}
}

// settle ends the reservation. An answer whose caller left before its first token has cost its prompt, though nobody said how
// long that is; one that failed before has cost nothing.
func (m *meter) settle(left bool) {
	m.mu.Lock()
	u := m.used
	u.Completion += m.part
	if !m.begun && left {
		u.Prompt = m.guess
	}
	m.mu.Unlock()
	m.grant.Settle(u)
}

// cost is what vectors or scores have cost: what the runtime says, and where their caller left or the time was up while they were
// made, a guess of their prompts. What failed by itself, or never began, has cost nothing.
func cost(ctx context.Context, u core.Usage, place core.Placement, err error, guess int) core.Usage {
	if err != nil && ctx.Err() != nil && place != (core.Placement{}) && u.Total() == 0 {
		u.Prompt = guess
	}
	return u
}

// until settles when a stream was ranged over to its end, or its context ends before anybody does.
func (m *meter) until(ctx context.Context, in iter.Seq2[core.Event, error]) iter.Seq2[core.Event, error] {
	forget := context.AfterFunc(ctx, func() {
		if m.ended.CompareAndSwap(false, true) {
			m.settle(true)
		}
	})
	return func(yield func(core.Event, error) bool) {
		forget()
		if m.ended.CompareAndSwap(false, true) {
			defer func() { m.settle(ctx.Err() != nil) }()
		}
		in(yield)
	}
}
