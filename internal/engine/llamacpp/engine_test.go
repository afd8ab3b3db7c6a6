package llamacpp

import (
	"context"
	"strings"
	"testing"
	"time"

	"ashatai/internal/core"
	"ashatai/internal/engine"
	"ashatai/internal/gguf/gguftest"
)

func open(t *testing.T, spec engine.LoadSpec) *model {
	t.Helper()
	return openWith(t, libraries(t), spec)
}

func openWith(t *testing.T, r *Runtime, spec engine.LoadSpec) *model {
	t.Helper()
	m, err := r.Load(t.Context(), spec, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m.(*model)
}

func greedy(prompt string, tokens int) engine.GenerateRequest {
	return engine.GenerateRequest{
		Tenant: "a", Prompt: engine.Prompt{Segments: []engine.Segment{{Text: prompt}}, AddSpecial: true},
		Sampling:  engine.Sampling{TopP: 1, TypicalP: 1, RepeatPenalty: 1},
		MaxTokens: tokens, Choices: 1, IgnoreEOS: true,
	}
}

// answer reads a whole stream.
func answer(t *testing.T, m *model, req engine.GenerateRequest) (string, core.Usage) {
	t.Helper()
	events, err := m.Generate(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	var usage core.Usage
	for e, err := range events {
		if err != nil {
			t.Fatal(err)
		}
		text.WriteString(e.Text)
		if e.Usage != nil {
			usage = *e.Usage
		}
	}
	return text.String(), usage
}

// calls is the number of requests in the call that runs now.
func calls(m *model) int {
	m.loop.mu.Lock()
	defer m.loop.mu.Unlock()
	return len(m.loop.serving)
}

// story is about n tokens of text for the tiny model, which has one token per byte.
func story(n int) string {
	return strings.Repeat("Once upon a time there was a model that told stories. ", n/54+1)[:n]
}

func TestAPrefixIsComputedOnce(t *testing.T) {
	path := tiny(t, gguftest.Options{})
	m := open(t, engine.LoadSpec{Path: path, Context: 1024, Sequences: 3, Batch: 128})
	prompts := []string{story(500) + "What now?", story(500) + "And then what happened?", story(300) + "!"}
	for i, p := range prompts {
		cold := open(t, engine.LoadSpec{Path: path, Context: 1024, Sequences: 3, Batch: 128})
		want, _ := answer(t, cold, greedy(p, 40))
		got, usage := answer(t, m, greedy(p, 40))
		if got != want {
			t.Errorf("prompt %d: with a reused prefix %q, cold %q", i, got, want)
		}
		if i > 0 && usage.Cached < 290 {
			t.Errorf("prompt %d: %d tokens were reused", i, usage.Cached)
		}
	}
	other := greedy(prompts[0], 8)
	other.Tenant = "b"
	if _, usage := answer(t, m, other); usage.Cached != 0 {
		t.Errorf("another tenant reused %d tokens", usage.Cached)
	}
	same, usage := answer(t, m, greedy(prompts[0], 40))
	if usage.Cached == 0 || usage.Cached > usage.Prompt-2 {
		t.Errorf("the same prompt again: %d of %d tokens reused", usage.Cached, usage.Prompt)
	}
	if again, _ := answer(t, m, greedy(prompts[0], 40)); again != same {
		t.Error("the same prompt answers differently from its cache")
	}
}

// TestAgentsInTurnsKeepTheirPrefixes has agents with different system prompts that begin alike, as a template makes them.
func TestAgentsInTurnsKeepTheirPrefixes(t *testing.T) {
	m := open(t, engine.LoadSpec{Path: tiny(t, gguftest.Options{}), Context: 512, Sequences: 4, Batch: 128})
	for round := range 3 {
		for agent := range 4 {
			p := "system: " + strings.Repeat(string(rune('a'+agent)), 200) + strings.Repeat(" more", round)
			_, usage := answer(t, m, greedy(p, 2))
			if round > 0 && usage.Cached < 200 {
				t.Errorf("round %d, agent %d: %d tokens reused", round, agent, usage.Cached)
			}
		}
	}
}

func TestChoicesShareThePrompt(t *testing.T) {
	m := open(t, engine.LoadSpec{Path: tiny(t, gguftest.Options{}), Context: 1024, Sequences: 3, Batch: 128})
	req := greedy(story(400), 4)
	req.Choices = 5 // more than sequences
	answer(t, m, req)
	s, err := m.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// The first choice computes the prompt; each other one the last two tokens, which give it its logits.
	if s.Prompt > 401+4*2+8 {
		t.Errorf("%d prompt tokens were computed for 5 choices of 401", s.Prompt)
	}
}

// TestCancelInPrefillStopsComputing measures that an abandoned prompt is not computed to its end.
func TestCancelInPrefillStopsComputing(t *testing.T) {
	m := open(t, engine.LoadSpec{Path: realModel(t), Context: 2048, Sequences: 2, Batch: 1024})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	words := strings.Repeat("word ", 1900)
	events, err := m.Generate(ctx, greedy(words, 8))
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for calls(m) == 0 && ctx.Err() == nil {
			time.Sleep(time.Millisecond) //nolint:forbidigo // the loop tells nobody when a call begins
		}
		cancel()
	}()
	for range events {
	}
	start := time.Now()
	answer(t, m, greedy("Hello", 1))
	wait := time.Since(start)
	s, err := m.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if s.Prompt >= 1024 {
		t.Errorf("%d prompt tokens were computed although the caller had gone", s.Prompt)
	}
	t.Logf("the next request was answered after %v", wait)
}

func TestALongPromptDoesNotStopStreams(t *testing.T) {
	m := open(t, engine.LoadSpec{Path: tiny(t, gguftest.Options{}), Context: 2048, Sequences: 2, Batch: 512})
	events, err := m.Generate(t.Context(), greedy("Hello", 300))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan int)
	go func() {
		n := 0
		for range events {
			n++
		}
		done <- n
	}()
	before, err := m.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	answer(t, m, greedy(story(1500), 1))
	after, err := m.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	<-done
	// At full width the prompt takes three steps. How many pieces the planner makes of it depends on what steps cost here.
	if after.Generated-before.Generated < 6 {
		t.Errorf("the running stream got %d tokens while the prompt was computed", after.Generated-before.Generated)
	}
}

// waiting is a sink that counts how often its tokens were still here when more of a prompt had been computed. The loop alone calls it.
type waiting struct {
	l      *loop
	events int
	since  uint64 // tokens of prompts that were computed when the first of the tokens came
	held   bool
	late   int
	end    chan error
}

func (w *waiting) Accept() {}

func (w *waiting) Event(core.Event) {
	if w.events++; !w.held {
		w.held, w.since = true, w.l.count.Prompt
	}
}

func (w *waiting) Flush() {
	if w.held && w.l.count.Prompt > w.since {
		w.late++
	}
	w.held = false
}

func (w *waiting) End(err error) { w.end <- err }

// TestTokensDoNotWaitForAPrompt: what a stream gets in a step leaves before a piece of another request's prompt is computed.
func TestTokensDoNotWaitForAPrompt(t *testing.T) {
	m := open(t, engine.LoadSpec{Path: tiny(t, gguftest.Options{}), Context: 2048, Sequences: 2, Batch: 512})
	w := &waiting{l: m.loop, end: make(chan error, 1)}
	if err := m.Push(t.Context(), greedy("Hello", 300), w); err != nil {
		t.Fatal(err)
	}
	answer(t, m, greedy(story(1500), 1))
	if err := <-w.end; err != nil || w.events < 300 || w.late > 0 {
		t.Errorf("%v; %d events, %d times they waited", err, w.events, w.late)
	}
}

func TestMissingLibrariesAreASentence(t *testing.T) {
	rt := New(t.TempDir(), nil)
	if s := rt.Probe(t.Context()); s.Ready || !strings.Contains(s.Missing, "make setup") {
		t.Errorf("%+v", s)
	}
	_, err := rt.Load(t.Context(), engine.LoadSpec{Path: tiny(t, gguftest.Options{})}, nil)
	if core.CodeOf(err) != core.CodeUnavailable {
		t.Errorf("%v", err)
	}
}

func TestAModelForEmbeddingsIsNotLoadedForText(t *testing.T) {
	libraries(t)
	m := open(t, engine.LoadSpec{Path: tiny(t, gguftest.Options{}), Embedding: true})
	if _, err := m.Generate(t.Context(), greedy("x", 1)); core.CodeOf(err) != core.CodeUnsupported {
		t.Errorf("%v", err)
	}
}

func TestAFolderIsNoModel(t *testing.T) {
	_, err := libraries(t).Load(t.Context(), engine.LoadSpec{Path: t.TempDir()}, nil)
	if core.CodeOf(err) != core.CodeBadModel {
		t.Errorf("%v", err)
	}
}
