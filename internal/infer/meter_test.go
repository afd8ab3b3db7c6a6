package infer

import (
	"context"
	"strings"
	"testing"

	"ashatai/internal/core"
	"ashatai/internal/engine"
)

// till is a Quota that notes what it is asked.
type till struct {
	left    int // tokens; 0: no limit
	wishes  []core.TokenWish
	settled []core.Usage
	weight  int
}

func (q *till) Reserve(_ core.Principal, model string, w core.TokenWish) (core.TokenGrant, error) {
	q.wishes = append(q.wishes, w)
	if q.left > 0 && w.Open {
		w.Answer = min(w.Answer, max(1, q.left-w.Prompt))
	}
	if q.left > 0 && w.Prompt+w.Answer > q.left {
		return core.TokenGrant{}, core.Wrap(core.CodeRateLimited, core.TightQuotaError{Left: q.left}, "The quota of %s is used up.", model)
	}
	return core.TokenGrant{Answer: w.Answer, Settle: func(u core.Usage) { q.settled = append(q.settled, u) }}, nil
}

func (q *till) Weight(core.Principal) int { return q.weight }

func plainText(text string) *core.Request { return &core.Request{Prompt: text} }

// started is an answer of which so many tokens come, in events of two, one and no word of it.
func started(end bool) []core.Event {
	events := []core.Event{
		{Text: "a", Count: 2, Start: &core.Usage{Prompt: 7, Cached: 3}}, {Text: "b", Count: 1}, {Text: "c"}, {Text: "d", Count: 1, Finish: core.FinishStop},
	}
	if end {
		events = append(events, core.Event{Usage: &core.Usage{Prompt: 7, Completion: 6}})
	}
	return events
}

// elsewhere is an answer whose server counts at its end.
func elsewhere(end bool) []core.Event {
	events := []core.Event{
		{Read: true, Reasoning: "hm", Start: &core.Usage{Prompt: 7}},
		{Read: true, ToolCall: &core.ToolDelta{Name: "look"}},
		{Read: true, Text: "a", Count: 10},
		{Read: true, Finish: core.FinishStop},
	}
	if end {
		events = append(events, core.Event{Usage: &core.Usage{Prompt: 900, Completion: 40}})
	}
	return events
}

// TestSettle: what is settled is what was used, however an answer ends.
func TestSettle(t *testing.T) {
	for name, c := range map[string]struct {
		events []core.Event
		read   int // events; -1: all
		want   core.Usage
	}{
		"to the end":                {started(true), -1, core.Usage{Prompt: 7, Completion: 6}},
		"the client leaves":         {started(true), 2, core.Usage{Prompt: 7, Completion: 3}},
		"the client leaves at once": {started(true), 1, core.Usage{Prompt: 7, Completion: 2}},
		"the worker dies":           {started(false), -1, core.Usage{Prompt: 7, Completion: 5}},
		"before the first token":    {[]core.Event{}, -1, core.Usage{}},
		"elsewhere, to the end":     {elsewhere(true), -1, core.Usage{Prompt: 900, Completion: 40}},
		"elsewhere, cut":            {elsewhere(false), -1, core.Usage{Prompt: 7, Completion: 12}},
	} {
		t.Run(name, func(t *testing.T) {
			f, q := newFake(), &till{weight: 3}
			f.events = c.events
			s := New(f, f, Config{Quota: q, Runtime: func(*core.Manifest) string { return "mock" }})
			stream, err := s.Generate(t.Context(), plainText("four"))
			if err != nil {
				t.Fatal(err)
			}
			if len(q.settled) > 0 {
				t.Fatal("settled before the end")
			}
			n := 0
			for range stream.Events {
				if n++; n == c.read {
					break
				}
			}
			if len(q.settled) != 1 || q.settled[0] != c.want {
				t.Errorf("%+v, want %+v", q.settled, c.want)
			}
			if f.item.Weight != 3 {
				t.Errorf("the queue is told the weight %d", f.item.Weight)
			}
		})
	}
}

// TestSettleTwoParts: the prompt of a second part holds the first part's text, which was counted as an answer.
func TestSettleTwoParts(t *testing.T) {
	var got core.Usage
	m := &meter{grant: core.TokenGrant{Settle: func(u core.Usage) { got = u }}}
	for _, ev := range []core.Event{
		{Text: "a", Count: 3, Start: &core.Usage{Prompt: 5}},
		{Usage: &core.Usage{Prompt: 6, Completion: 3}},
		{Text: "b", Count: 2, Start: &core.Usage{Prompt: 9}},
		{Usage: &core.Usage{Prompt: 9, Completion: 4}},
	} {
		m.see(&ev)
	}
	if m.settle(false); got != (core.Usage{Prompt: 6, Completion: 7}) {
		t.Errorf("%+v", got)
	}
}

// TestSettleUnread: a stream that nobody reads is settled when its request ends, with a guess of its prompt, and what never
// began with nothing.
func TestSettleUnread(t *testing.T) {
	settled := make(chan core.Usage, 1)
	f := newFake()
	q := quotaFunc(func(w core.TokenWish) (core.TokenGrant, error) {
		return core.TokenGrant{Answer: w.Answer, Settle: func(u core.Usage) { settled <- u }}, nil
	})
	s := New(f, f, Config{Quota: q, Runtime: func(*core.Manifest) string { return "mock" }})
	ctx, leave := context.WithCancel(t.Context())
	if _, err := s.Generate(ctx, plainText("four words are here")); err != nil {
		t.Fatal(err)
	}
	leave()
	if u := <-settled; u.Prompt != promptCost(engine.Prompt{Segments: []engine.Segment{{Text: "four words are here"}}}) || u.Completion != 0 {
		t.Errorf("%+v", u)
	}
	f.fails = core.Errorf(core.CodeQueueFull, "full")
	if _, err := s.Generate(t.Context(), plainText("four")); err == nil {
		t.Fatal("no error")
	}
	if u := <-settled; u.Total() != 0 {
		t.Errorf("%+v", u)
	}
}

type quotaFunc func(w core.TokenWish) (core.TokenGrant, error)

func (f quotaFunc) Reserve(_ core.Principal, _ string, w core.TokenWish) (core.TokenGrant, error) {
	return f(w)
}

func (quotaFunc) Weight(core.Principal) int { return 1 }

// TestReserve: what is reserved bounds what can be used, and the prompt is counted only where its bytes say too much.
func TestReserve(t *testing.T) {
	for name, c := range map[string]struct {
		req    *core.Request
		left   int
		wishes []core.TokenWish
		most   int // what the engine is told
		fails  core.Code
		asked  int
	}{
		"named":           {&core.Request{Prompt: "four", MaxTokens: 5, Choices: 2}, 0, []core.TokenWish{{Prompt: 12, Answer: 10}}, 5, "", 0},
		"more than fits":  {&core.Request{Prompt: "four", MaxTokens: 5000}, 0, []core.TokenWish{{Prompt: 12, Answer: 100}}, 5000, "", 0},
		"open":            {&core.Request{Prompt: "four"}, 0, []core.TokenWish{{Prompt: 12, Answer: 100, Open: true}}, 0, "", 0},
		"open, cut":       {&core.Request{Prompt: "four"}, 50, []core.TokenWish{{Prompt: 12, Answer: 100, Open: true}}, 38, "", 0},
		"tokens":          {&core.Request{Tokens: []int{1, 2, 3}, MaxTokens: 5}, 0, []core.TokenWish{{Prompt: 3, Answer: 5}}, 5, "", 0},
		"tokens, no room": {&core.Request{Tokens: []int{1, 2, 3}, MaxTokens: 5}, 7, []core.TokenWish{{Prompt: 3, Answer: 5}}, 0, core.CodeRateLimited, 0},
		"counted":         {&core.Request{Prompt: "four", MaxTokens: 5}, 10, []core.TokenWish{{Prompt: 12, Answer: 5}, {Prompt: 5, Answer: 5}}, 5, "", 1},
		"counted, over":   {&core.Request{Prompt: "four", MaxTokens: 5}, 9, []core.TokenWish{{Prompt: 12, Answer: 5}, {Prompt: 5, Answer: 5}}, 0, core.CodeRateLimited, 1},
	} {
		t.Run(name, func(t *testing.T) {
			f, q := newFake(), &till{left: c.left}
			f.bytewise = true
			s := New(f, f, Config{Quota: q, Runtime: func(*core.Manifest) string { return "mock" }})
			stream, err := s.Generate(t.Context(), c.req)
			if core.CodeOf(err) != c.fails {
				t.Fatalf("%v", err)
			}
			if err == nil {
				for range stream.Events {
					continue
				}
				if f.req.MaxTokens != c.most {
					t.Errorf("the engine may make %d tokens, want %d", f.req.MaxTokens, c.most)
				}
			}
			if len(q.wishes) != len(c.wishes) || f.asked != c.asked {
				t.Fatalf("%+v, and asked %d times", q.wishes, f.asked)
			}
			for i, w := range c.wishes {
				if q.wishes[i] != w {
					t.Errorf("wish %d is %+v, want %+v", i, q.wishes[i], w)
				}
			}
		})
	}
}

// TestReserveElsewhere: the context of this server's settings says nothing of another server, which is always told what was
// reserved.
func TestReserveElsewhere(t *testing.T) {
	beside := []engine.Replica{{Label: "here", Format: "gguf"}, {Label: "box", Format: core.FormatRemote}}
	for name, c := range map[string]struct {
		format   string
		context  int
		replicas []engine.Replica
		limit    int // that the caller names
		left     int
		wish     core.TokenWish
		most     int // what the engine is told
		cost     int // in the queue, of the answer
	}{
		"open":                  {format: core.FormatRemote, context: 131072, wish: core.TokenWish{Answer: 131072, Open: true}, most: 131072, cost: 1024},
		"open, cut":             {format: core.FormatRemote, context: 131072, left: 5012, wish: core.TokenWish{Answer: 131072, Open: true}, most: 5000, cost: 1024},
		"open, nearly all left": {format: core.FormatRemote, context: 131072, left: 131072 + 11, wish: core.TokenWish{Answer: 131072, Open: true}, most: 131060, cost: 1024},
		"named":                 {format: core.FormatRemote, context: 131072, limit: 100_000, wish: core.TokenWish{Answer: 100_000}, most: 100_000, cost: 100_000},
		"named beyond":          {format: core.FormatRemote, context: 131072, limit: 1 << 24, wish: core.TokenWish{Answer: 131072}, most: 131072, cost: 131072},
		"context not known":     {format: core.FormatRemote, wish: core.TokenWish{Answer: anyWindow, Open: true}, most: anyWindow, cost: 1024},
		"context not possible":  {format: core.FormatRemote, context: 1 << 62, wish: core.TokenWish{Answer: mostWindow, Open: true}, most: mostWindow, cost: 1024},
		"a replica":             {context: 131072, replicas: beside, wish: core.TokenWish{Answer: 131072, Open: true}, most: 131072, cost: 1024},
		"replicas here":         {context: 131072, replicas: beside[:1], wish: core.TokenWish{Answer: 8192, Open: true}, cost: 1024},
		"here":                  {context: 131072, wish: core.TokenWish{Answer: 8192, Open: true}, cost: 1024},
	} {
		t.Run(name, func(t *testing.T) {
			f, q := newFake(), &till{left: c.left}
			f.model.Format, f.model.Context = c.format, c.context
			s := New(f, f, Config{Quota: q, Runtime: func(*core.Manifest) string { return "mock" }, Settings: func(*core.Manifest) Settings {
				return Settings{Load: engine.LoadSpec{Context: 8192}, Replicas: c.replicas}
			}})
			stream, err := s.Generate(t.Context(), &core.Request{Prompt: "four", MaxTokens: c.limit})
			if err != nil {
				t.Fatal(err)
			}
			for range stream.Events {
				continue
			}
			c.wish.Prompt = 12
			if q.wishes[0] != c.wish || f.req.MaxTokens != c.most {
				t.Errorf("the wish is %+v, want %+v; the engine may make %d tokens, want %d", q.wishes[0], c.wish, f.req.MaxTokens, c.most)
			}
			if cost := f.item.Cost - promptCost(f.req.Prompt); cost != c.cost {
				t.Errorf("the answer costs %d in the queue, want %d", cost, c.cost)
			}
		})
	}
}

// TestReserveCountsAllWords: what another server puts into the prompt is reserved, not only what the messages say.
func TestReserveCountsAllWords(t *testing.T) {
	long := strings.Repeat("x", 1000)
	plain := func(r *core.Request) *core.Request {
		r.Messages = []core.Message{{Role: core.RoleUser, Content: "hi"}}
		return r
	}
	tool := []core.Tool{{Name: "look", Description: long, Parameters: []byte(`{"type":"object"}`)}}
	for name, c := range map[string]struct {
		req    *core.Request
		system string
	}{
		"tools":     {plain(&core.Request{Tools: tool}), ""},
		"format":    {plain(&core.Request{Format: core.Format{Kind: core.FormatSchema, Source: `{"description":"` + long + `"}`}}), ""},
		"system":    {plain(&core.Request{}), long},
		"variables": {plain(&core.Request{TemplateArgs: map[string]any{"a": long}}), ""},
		"names":     {&core.Request{Messages: []core.Message{{Role: core.RoleUser, Content: "hi", Name: long}}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			f, q := newFake(), &till{}
			f.model.Format, f.model.Template, f.model.Context = core.FormatRemote, "", 131072
			f.events = []core.Event{{Read: true, Text: "{}"}, {Read: true, Finish: core.FinishStop}, {Usage: &core.Usage{}}}
			stream, err := f.service(func(cfg *Config) {
				cfg.Quota = q
				cfg.Settings = func(*core.Manifest) Settings { return Settings{System: c.system} }
			}).Generate(t.Context(), c.req)
			if err != nil {
				t.Fatal(err)
			}
			for range stream.Events {
				continue
			}
			if q.wishes[0].Prompt < 1000 {
				t.Errorf("reserved %+v", q.wishes[0])
			}
		})
	}
}

func TestVectorsAndScoresAreSettled(t *testing.T) {
	f, q := newFake(), &till{}
	f.model.Capabilities = []core.Capability{core.CapEmbed, core.CapRerank}
	f.vectors = [][]float32{{1}}
	s := New(f, f, Config{Quota: q, Runtime: func(*core.Manifest) string { return "mock" }})
	if _, err := s.Embed(t.Context(), &core.EmbedRequest{Inputs: []core.EmbedInput{{Text: "four"}}}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Rerank(t.Context(), &core.RerankRequest{Query: "q", Documents: []string{"d"}}); err != nil {
		t.Fatal(err)
	}
	if len(q.settled) != 2 || q.settled[0].Prompt != 5 || q.settled[1].Prompt != 6 || q.wishes[0].Prompt != 12 || q.wishes[1].Prompt != 18 {
		t.Errorf("%+v %+v", q.wishes, q.settled)
	}
	q.left = 1
	if _, err := s.Embed(t.Context(), &core.EmbedRequest{Inputs: []core.EmbedInput{{Text: "four"}}}); core.CodeOf(err) != core.CodeRateLimited {
		t.Errorf("%v", err)
	}
	if _, err := s.Rerank(t.Context(), &core.RerankRequest{Query: "q", Documents: []string{"d"}}); core.CodeOf(err) != core.CodeRateLimited {
		t.Errorf("%v", err)
	}
}

// TestVectorsAndScoresOfWhoLeaves: whoever leaves while vectors or scores are made pays for a guess of their prompts; who leaves the
// queue does not, nor anybody for what failed by itself.
func TestVectorsAndScoresOfWhoLeaves(t *testing.T) {
	for name, c := range map[string]struct {
		leaves          bool
		place           core.Placement
		vectors, scores int // what is settled for the vectors and for the scores
	}{
		"leaves":           {true, core.Placement{Model: "tiny"}, 5, 11},
		"leaves the queue": {true, core.Placement{}, 0, 0},
		"stays":            {false, core.Placement{Model: "tiny"}, 0, 0},
	} {
		q, f := &till{}, newFake()
		f.model.Capabilities = []core.Capability{core.CapEmbed, core.CapRerank}
		ctx, leave := context.WithCancel(t.Context())
		s := New(f, leaver{f, c.place, func() {
			if c.leaves {
				leave()
			}
		}}, Config{Quota: q, Runtime: func(*core.Manifest) string { return "mock" }})
		req := &core.EmbedRequest{Inputs: []core.EmbedInput{{Text: "four word"}, {Tokens: []int{7}}}}
		if _, err := s.Embed(ctx, req); err == nil {
			t.Fatal("no error")
		}
		if _, err := s.Rerank(ctx, &core.RerankRequest{Query: "four words", Documents: []string{"docs", "d"}}); err == nil {
			t.Fatal("no error")
		}
		leave()
		want := []core.Usage{{Prompt: c.vectors}, {Prompt: c.scores}}
		if len(q.settled) != 2 || q.settled[0] != want[0] || q.settled[1] != want[1] {
			t.Errorf("%s: %+v, want %+v", name, q.settled, want)
		}
	}
}

// leaver is a fleet that is left while it makes vectors and scores.
type leaver struct {
	*fake

	place core.Placement
	leave func()
}

func (l leaver) Embed(context.Context, Target, core.QueueItem, []engine.Prompt) ([][]float32, core.Usage, core.Placement, error) {
	l.leave()
	return nil, core.Usage{}, l.place, core.Errorf(core.CodeCancelled, "gone")
}

func (l leaver) Rerank(context.Context, Target, core.QueueItem, string, []string) ([]float32, core.Usage, core.Placement, error) {
	l.leave()
	return nil, core.Usage{}, l.place, core.Errorf(core.CodeCancelled, "gone")
}
