// Package enginetest is the engine contract as a test: every runtime passes Run, in process and as a child. It knows no
// runtime; what differs between them, such as files and prompts, comes in Options, and a case that a runtime cannot pass is
// skipped with a written reason or not at all.
package enginetest

import (
	"context"
	"regexp"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"ashatai/internal/core"
	"ashatai/internal/engine"
)

// Options say what a runtime is tested with.
type Options struct {
	Spec      engine.LoadSpec  // a model for text; Sequences is set by the suite
	Embedding *engine.LoadSpec // a model for embeddings; nil skips those cases
	Reranking *engine.LoadSpec // a model that scores documents; nil skips those cases
	BadFile   string           // a file that is no model of the runtime
	Text      string           // a prompt that is answered with some words; default "Once upon a time"
	Control   string           // a control token as text, such as "<|im_end|>"; empty where the runtime has none
	Grammar   string           // a GBNF grammar; empty skips the case
	Matches   *regexp.Regexp   // what every answer under Grammar matches, when it ended by itself
	Bound     time.Duration    // how soon an ended request must be gone; default 10 s
	Skip      map[string]string
	Elsewhere bool // the model computes on another server: it takes no memory here, and its threads and vocabulary are not known
}

const sequences = 3

// Run tests a runtime. open makes it, once per group of cases.
func Run(t *testing.T, open func(t *testing.T) engine.Runtime, opt Options) {
	t.Helper()
	before := goleak.IgnoreCurrent()
	if opt.Text == "" {
		opt.Text = "Once upon a time"
	}
	if opt.Bound == 0 {
		opt.Bound = 10 * time.Second
	}
	opt.Spec.Sequences = sequences
	for name := range opt.Skip {
		if !known(name) {
			t.Errorf("the case %q that is skipped does not exist", name)
		}
	}
	rt := open(t)
	s := &suite{opt: opt, rt: rt}
	for _, c := range runtimeCases() {
		opt.run(t, c.name, func(t *testing.T) { t.Helper(); c.test(t, s) })
	}
	// One model for all that need one, since some runtimes take seconds to load it; the last cases close it.
	var err error
	if s.m, err = rt.Load(t.Context(), opt.Spec, func(p float64) { s.progress = append(s.progress, p) }); err != nil {
		t.Fatalf("load: %v", err)
	}
	for _, c := range slices.Concat(textCases(), closeCases()) {
		opt.run(t, c.name, func(t *testing.T) { t.Helper(); c.test(t, s) })
	}
	shut(t, s.m)
	if opt.Embedding != nil {
		opt.embeddings(t, rt)
	}
	if opt.Reranking != nil {
		m := load(t, rt, *opt.Reranking)
		for _, c := range rerankCases() {
			opt.run(t, c.name, func(t *testing.T) { t.Helper(); c.test(t, &suite{opt: opt, rt: rt, m: m}) })
		}
		shut(t, m)
	}
	opt.run(t, "leaves no goroutine", func(t *testing.T) {
		t.Helper()
		if err := goleak.Find(before, goleak.IgnoreTopFunction("testing.(*T).Run"), goleak.IgnoreTopFunction("testing.tRunner.func1")); err != nil {
			t.Error(err)
		}
	})
}

// RunEmbeddings tests what a runtime makes of opt.Embedding alone.
func RunEmbeddings(t *testing.T, open func(t *testing.T) engine.Runtime, opt Options) {
	t.Helper()
	if opt.Bound == 0 {
		opt.Bound = 10 * time.Second
	}
	opt.embeddings(t, open(t))
}

func (opt Options) embeddings(t *testing.T, rt engine.Runtime) {
	t.Helper()
	m := load(t, rt, *opt.Embedding)
	for _, c := range embeddingCases() {
		opt.run(t, c.name, func(t *testing.T) { t.Helper(); c.test(t, &suite{opt: opt, rt: rt, m: m}) })
	}
	shut(t, m)
}

// suite is what a case works with.
type suite struct {
	opt      Options
	rt       engine.Runtime
	m        engine.Model
	progress []float64 // of its load
}

type testCase struct {
	name string
	test func(t *testing.T, s *suite)
}

func known(name string) bool {
	all := slices.Concat(runtimeCases(), textCases(), closeCases(), embeddingCases(), rerankCases(), []testCase{{name: "leaves no goroutine"}})
	return slices.ContainsFunc(all, func(c testCase) bool { return c.name == name })
}

func (opt Options) run(t *testing.T, name string, test func(t *testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		if why := opt.Skip[name]; why != "" {
			t.Skip(why)
		}
		test(t)
	})
}

// load loads a model for the length of the test that t stands for.
func load(t *testing.T, rt engine.Runtime, spec engine.LoadSpec) engine.Model {
	t.Helper()
	m, err := rt.Load(t.Context(), spec, nil)
	if err != nil {
		t.Fatalf("load: %v", err)
	}
	return m
}

func shut(t *testing.T, m engine.Model) {
	t.Helper()
	if err := m.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

// within fails the test when f takes longer than the bound.
func (s *suite) within(t *testing.T, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	timer := time.NewTimer(s.opt.Bound)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
		t.Fatalf("%s took longer than %s", what, s.opt.Bound)
	}
}

// as finds a capability of the model under test.
func as[T any](t *testing.T, s *suite) T {
	t.Helper()
	c, ok := s.m.(T)
	if !ok {
		t.Fatalf("the model does not implement %T", (*T)(nil))
	}
	return c
}

// request is a small greedy request that does not end by itself.
func (s *suite) request(tokens int) engine.GenerateRequest {
	return engine.GenerateRequest{
		ID: "test", Tenant: "test", Prompt: text(s.opt.Text), Sampling: neutral(), MaxTokens: tokens, Choices: 1, IgnoreEOS: true,
	}
}

// neutral is greedy sampling with everything else off.
func neutral() engine.Sampling {
	return engine.Sampling{TopP: 1, TypicalP: 1, RepeatPenalty: 1, RepeatLastN: 64}
}

func text(s string) engine.Prompt {
	return engine.Prompt{Segments: []engine.Segment{{Text: s}}, AddSpecial: true}
}

// answer is a stream, read to its end.
type answer struct {
	texts   map[int]string
	tokens  map[int][]core.Token
	finish  map[int]core.FinishReason
	stops   map[int]string
	usage   *core.Usage
	begun   bool // an event came
	counted int  // tokens of its events
	guessed bool // they are counted by whom they are only passed on by
	err     error
}

// read runs a request to its end and checks the order of its events, which every stream must keep.
func (s *suite) read(ctx context.Context, t *testing.T, req engine.GenerateRequest) answer {
	t.Helper()
	events, err := as[engine.Generator](t, s).Generate(ctx, req)
	if err != nil {
		t.Errorf("generate: %v", err)
		return answer{err: err}
	}
	a := answer{guessed: s.opt.Elsewhere, texts: map[int]string{}, tokens: map[int][]core.Token{}, finish: map[int]core.FinishReason{}, stops: map[int]string{}}
	for ev, err := range events {
		if a.usage != nil || a.err != nil {
			t.Errorf("an event comes after the end: %+v, %v", ev, err)
		}
		if err != nil {
			a.err = err
			continue
		}
		a.add(t, ev, req.Choices)
	}
	if a.err == nil {
		if a.usage == nil {
			t.Error("the stream ends without usage")
		}
		if len(a.finish) != req.Choices {
			t.Errorf("%d of %d choices finished", len(a.finish), req.Choices)
		}
	}
	return a
}

// good is read for a request that must succeed.
func (s *suite) good(t *testing.T, req engine.GenerateRequest) answer {
	t.Helper()
	a := s.read(t.Context(), t, req)
	if a.err != nil {
		t.Errorf("the stream ended by %v", a.err)
	}
	if a.usage == nil {
		a.usage = &core.Usage{}
	}
	return a
}
