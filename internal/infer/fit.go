package infer

import (
	"context"
	"iter"
	"slices"
	"sort"

	"ashatai/internal/core"
	"ashatai/internal/engine"
)

// fitted makes the prompt of a request. Where it is longer than the model's context and the request allows it, its oldest
// part is left out: whole turns of a conversation, from one message of a user to the next, or the beginning of raw text.
// System messages and everything from the last message of a user on stay. What cannot be made to fit is left as it is, for
// the engine to refuse with both numbers.
func (s *Service) fitted(ctx context.Context, m *core.Manifest, set Settings, req *core.Request) (*core.Request, prompt, core.LeftOut, error) {
	p, err := s.prompt(ctx, m, set, req)
	if err != nil || !req.Truncate {
		return req, p, core.LeftOut{}, err
	}
	f := fitting{s: s, ctx: ctx, m: m, set: set, target: s.target(m, set, false)}
	facts, err := s.fleet.Facts(ctx, f.target)
	window := facts.Context
	if err != nil || window <= 0 { // 0: a server elsewhere that does not tell
		return req, p, core.LeftOut{}, err
	}
	length, err := f.length(p)
	most := window - 1 // the answer has a token at least
	if err != nil || length <= most {
		return req, p, core.LeftOut{}, err
	}
	want := most - spare(req.MaxTokens, most)
	if !p.talk {
		return f.raw(req, p, want)
	}
	return f.talk(req, p, want, most)
}

// spare is the part of a context that an answer of so many tokens is given, 0 for an answer without a limit. Once something
// is left out, a little more is, so that the next turn need not lose more and finds the same beginning in the cache.
func spare(limit, window int) int {
	if limit == 0 {
		return window / 4
	}
	return min(limit, window/2)
}

// fitting makes one prompt shorter.
type fitting struct {
	s      *Service
	ctx    context.Context //nolint:containedctx // that of the one call it lives for
	m      *core.Manifest
	set    Settings
	target Target
}

func (f *fitting) length(p prompt) (int, error) {
	if p.Tokens != nil {
		return len(p.Tokens), nil
	}
	ids, err := f.s.fleet.Tokenize(f.ctx, f.target, p.Prompt)
	return len(ids), err
}

// raw keeps the last tokens of raw text, behind the model's own start tokens.
func (f *fitting) raw(req *core.Request, p prompt, want int) (*core.Request, prompt, core.LeftOut, error) {
	ids, start := p.Tokens, 0
	if ids == nil {
		var err error
		if ids, err = f.s.fleet.Tokenize(f.ctx, f.target, p.Prompt); err != nil {
			return req, p, core.LeftOut{}, err
		}
		bare, err := f.s.fleet.Tokenize(f.ctx, f.target, engine.Prompt{Segments: p.Segments})
		if err != nil {
			return req, p, core.LeftOut{}, err
		}
		start = min(max(len(ids)-len(bare), 0), want)
	}
	out := *req
	out.Prompt, out.Tokens = "", slices.Concat(ids[:start], ids[len(ids)-(want-start):])
	p.Prompt = engine.Prompt{Tokens: out.Tokens}
	return &out, p, core.LeftOut{Tokens: len(ids) - want}, nil
}

// talk leaves out as few of the oldest turns as make the prompt fit into want tokens. If only more than that can be had, the
// shortest prompt is taken, as long as it fits into most.
func (f *fitting) talk(req *core.Request, p prompt, want, most int) (*core.Request, prompt, core.LeftOut, error) {
	cuts := turns(req.Messages)
	type tried struct {
		req    *core.Request
		p      prompt
		length int
	}
	seen := map[int]tried{}
	var failed error
	try := func(i int) tried {
		if t, ok := seen[i]; ok || failed != nil {
			return t
		}
		t := tried{req: from(req, cuts[i])}
		if t.p, failed = f.s.prompt(f.ctx, f.m, f.set, t.req); failed == nil {
			t.length, failed = f.length(t.p)
		}
		seen[i] = t
		return t
	}
	at := sort.Search(len(cuts), func(i int) bool { return try(i).length <= want })
	if failed != nil || len(cuts) == 0 {
		return req, p, core.LeftOut{}, failed
	}
	t := try(min(at, len(cuts)-1))
	if failed != nil || t.length > most {
		return req, p, core.LeftOut{}, failed
	}
	return t.req, t.p, core.LeftOut{Messages: len(req.Messages) - len(t.req.Messages)}, nil
}

// turns are the places where a conversation can begin: at the messages of its user, except for the first, before which
// nothing stands.
func turns(messages []core.Message) []int {
	var out []int
	before := false
	for i, m := range messages {
		if m.Role == core.RoleUser && before {
			out = append(out, i)
		}
		before = before || m.Role != core.RoleSystem
	}
	return out
}

// from is a request without the messages before a place that are no system's, and with its pins where they belong now.
func from(req *core.Request, first int) *core.Request {
	out := *req
	out.Messages, out.Pins = nil, nil
	for i, m := range req.Messages {
		if i < first && m.Role != core.RoleSystem {
			continue
		}
		for _, pin := range req.Pins {
			if pin.Message == i {
				out.Pins = append(out.Pins, core.Pin{Message: len(out.Messages), Byte: pin.Byte})
			}
		}
		out.Messages = append(out.Messages, m)
	}
	return &out
}

// lessened tells in an answer's figures what its prompt lost.
func lessened(in iter.Seq2[core.Event, error], left core.LeftOut) iter.Seq2[core.Event, error] {
	if left == (core.LeftOut{}) {
		return in
	}
	told := func(u *core.Usage) *core.Usage {
		if u == nil {
			return nil
		}
		out := *u
		out.LeftOut = left
		return &out
	}
	return func(yield func(core.Event, error) bool) {
		for ev, err := range in {
			ev.Start, ev.Usage = told(ev.Start), told(ev.Usage)
			if !yield(ev, err) {
				return
			}
		}
	}
}
