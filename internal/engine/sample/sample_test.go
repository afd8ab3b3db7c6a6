package sample

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"ashatai/internal/engine"
)

func off() engine.Sampling {
	return engine.Sampling{Temperature: 1, TopP: 1, TypicalP: 1, RepeatPenalty: 1}
}

func ids(c []Candidate) []Token {
	var out []Token
	for _, x := range c {
		out = append(out, x.ID)
	}
	return out
}

// share draws n times and returns how often each token came.
func share(p engine.Sampling, logits []float32, n int) []float64 {
	s := New(p, 0, nil, 100, nil)
	out := make([]float64, len(logits))
	for range n {
		t, _ := s.Sample(slices.Clone(logits))
		out[t] += 1 / float64(n)
	}
	return out
}

func TestDrawsFollowTheProbabilities(t *testing.T) {
	logits := []float32{float32(math.Log(0.5)), float32(math.Log(0.3)), float32(math.Log(0.2))}
	for i, got := range share(off(), logits, 20000) {
		if want := math.Exp(float64(logits[i])); math.Abs(got-want) > 0.02 {
			t.Errorf("token %d came in %.3f of the draws, want %.3f", i, got, want)
		}
	}
}

func TestTruncation(t *testing.T) {
	logits := []float32{float32(math.Log(0.5)), float32(math.Log(0.3)), float32(math.Log(0.15)), float32(math.Log(0.05))}
	for name, c := range map[string]struct {
		set  func(*engine.Sampling)
		keep int
	}{
		"top_k 2":      {func(p *engine.Sampling) { p.TopK = 2 }, 2},
		"top_p 0.5":    {func(p *engine.Sampling) { p.TopP = 0.5 }, 1},
		"top_p 0.9":    {func(p *engine.Sampling) { p.TopP = 0.9 }, 3},
		"min_p 0.5":    {func(p *engine.Sampling) { p.MinP = 0.5 }, 2},
		"min_p 1":      {func(p *engine.Sampling) { p.MinP = 1 }, 1},
		"low temp":     {func(p *engine.Sampling) { p.Temperature = 0.01 }, 1},
		"nothing":      {func(*engine.Sampling) {}, 4},
		"top_k beyond": {func(p *engine.Sampling) { p.TopK = 1000 }, 4},
	} {
		p := off()
		c.set(&p)
		got := share(p, logits, 4000)
		n := 0
		for _, g := range got {
			if g > 0 {
				n++
			}
		}
		if n != c.keep {
			t.Errorf("%s: %d tokens came, want %d (%v)", name, n, c.keep, got)
		}
	}
}

func TestTypicalDropsTheTooLikely(t *testing.T) {
	// Entropy is 1.09 nats; of these the tokens of probability 0.2 are the typical ones.
	logits := []float32{float32(math.Log(0.4)), float32(math.Log(0.2)), float32(math.Log(0.2)), float32(math.Log(0.2))}
	p := off()
	p.TypicalP = 0.3
	got := share(p, logits, 2000)
	if got[0] == 0 && got[1] == 0 {
		t.Fatal("nothing typical came")
	}
	c := softmax(top(nil, logits, 0), 1)
	kept := typical(c, 0.3)
	if len(kept) != 1 && len(kept) != 2 {
		t.Errorf("kept %v", ids(kept))
	}
	if !slices.IsSortedFunc(kept, byLogit) {
		t.Error("the kept tokens are not sorted")
	}
}

func TestGreedyTakesTheFirstOfEquals(t *testing.T) {
	p := off()
	p.Temperature = 0
	s := New(p, 0, nil, 10, nil)
	if got, ok := s.Sample([]float32{1, 3, 3, 2}); got != 1 || !ok {
		t.Errorf("got %d, %v", got, ok)
	}
}

func TestBias(t *testing.T) {
	p := off()
	p.Temperature = 0
	p.LogitBias = map[int]float64{1: -100, 2: 5, 99: 3}
	s := New(p, 0, nil, 10, nil)
	if got, _ := s.Sample([]float32{1, 9, 0, 2}); got != 2 {
		t.Errorf("got %d, want the raised one", got)
	}
}

func TestPenaltiesLookBackNoFurtherThanTheWindow(t *testing.T) {
	p := off()
	p.Temperature, p.RepeatPenalty, p.RepeatLastN = 0, 10, 2
	s := New(p, 0, []Token{3, 1}, 100, nil)
	logits := []float32{0.1, 8, 7, 7.5}
	s2 := []Token{}
	for range 3 {
		got, _ := s.Sample(slices.Clone(logits))
		s2 = append(s2, got)
	}
	want := []Token{2, 3, 1} // 1 and 3 are in the window; then 1 and 2, then 2 and 3
	if !slices.Equal(s2, want) {
		t.Errorf("got %v, want %v", s2, want)
	}
}

func TestPresenceAndFrequency(t *testing.T) {
	p := off()
	p.RepeatLastN, p.PresencePenalty, p.FrequencyPenalty = 10, 0.5, 0.25
	s := New(p, 0, []Token{1, 1, 2}, 100, nil)
	logits := []float32{1, 1, -1}
	s.adjust(logits)
	if want := []float32{1, 0, -1.75}; !slices.Equal(logits, want) {
		t.Errorf("got %v, want %v", logits, want)
	}
}

func TestSeedsRepeatAndChoicesAreSeedsOfTheirOwn(t *testing.T) {
	logits := make([]float32, 500)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range logits {
		logits[i] = float32(r.NormFloat64())
	}
	draw := func(seed int64, choice int) []Token {
		p := off()
		p.Seed = seed
		s := New(p, choice, nil, 100, nil)
		var out []Token
		for range 20 {
			t, _ := s.Sample(slices.Clone(logits))
			out = append(out, t)
		}
		return out
	}
	if !slices.Equal(draw(7, 0), draw(7, 0)) || !slices.Equal(draw(7, 2), draw(9, 0)) {
		t.Error("a seed does not repeat")
	}
	if slices.Equal(draw(7, 0), draw(8, 0)) {
		t.Error("another seed gives the same tokens")
	}
}

func TestTopIsTheSortedHead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		logits := rapid.SliceOfN(rapid.Float32Range(-3, 3), 1, 600).Draw(t, "logits")
		k := rapid.IntRange(0, 600).Draw(t, "k")
		var all []Candidate
		for i, l := range logits {
			all = append(all, Candidate{ID: Token(i), Logit: l})
		}
		slices.SortFunc(all, byLogit)
		if k > 0 {
			all = all[:min(k, len(all))]
		}
		if !slices.Equal(ids(top(nil, logits, k)), ids(all)) {
			t.Fatalf("k %d of %v", k, logits)
		}
	})
}

func TestLogprobs(t *testing.T) {
	logits := []float32{float32(math.Log(0.5)), float32(math.Log(0.3)), float32(math.Log(0.2))}
	p, tops := Logprobs(logits, 1, 2)
	if math.Abs(p-math.Log(0.3)) > 1e-6 || len(tops) != 2 || tops[0].ID != 0 || math.Abs(float64(tops[0].Logit)-math.Log(0.5)) > 1e-6 {
		t.Errorf("%v, %v", p, tops)
	}
}

// only is a grammar that allows one token and counts what was accepted.
type only struct {
	allowed  Token
	masked   int
	accepted []Token
}

func (o *only) Allows(t Token) bool { return t == o.allowed }

func (o *only) Mask(c []Candidate) {
	o.masked++
	for i := range c {
		if c[i].ID != o.allowed {
			c[i].Logit = float32(math.Inf(-1))
		}
	}
}

func (o *only) Accept(t Token) { o.accepted = append(o.accepted, t) }

func TestGrammarIsAskedFirstAndMasksOnlyWhenItMust(t *testing.T) {
	for _, temperature := range []float64{0, 1} {
		p := off()
		p.Temperature = temperature
		g := &only{allowed: 1}
		s := New(p, 0, nil, 10, g)
		if got, ok := s.Sample([]float32{-50, 9, -50}); got != 1 || !ok || g.masked != 0 {
			t.Errorf("got %d, %v, masked %d times", got, ok, g.masked)
		}
		if got, ok := s.Sample([]float32{50, 1, 0}); got != 1 || !ok || g.masked != 1 || len(g.accepted) != 2 {
			t.Errorf("got %d, %v, masked %d times", got, ok, g.masked)
		}
		g.allowed = 99
		if _, ok := s.Sample([]float32{5, 1, 0}); ok {
			t.Error("a token came though none is allowed")
		}
	}
}

// cheap is only with a mask that is applied first.
type cheap struct{ only }

func (c *cheap) MaskLogits(logits []float32) {
	c.masked++
	for i := range logits {
		if Token(i) != c.allowed {
			logits[i] = float32(math.Inf(-1))
		}
	}
}

func TestACheapMaskComesFirst(t *testing.T) {
	p := off()
	p.Temperature = 0
	g := &cheap{only{allowed: 2}}
	s := New(p, 0, nil, 10, g)
	if got, ok := s.Sample([]float32{9, 1, 0}); got != 2 || !ok || g.masked != 1 || len(g.accepted) != 1 {
		t.Errorf("got %d, %v, masked %d times", got, ok, g.masked)
	}
	g.allowed = 99
	if _, ok := s.Sample([]float32{5, 1, 0}); ok {
		t.Error("a token came though none is allowed")
	}
}

func TestForcedTokensCountForPenalties(t *testing.T) {
	p := off()
	p.Temperature, p.RepeatPenalty, p.RepeatLastN = 0, 10, 4
	s := New(p, 0, nil, 100, nil)
	s.Follow(1)
	if got, _ := s.Sample([]float32{0.5, 1, 0}); got != 0 {
		t.Errorf("got %d, though the likeliest token was just there", got)
	}
}

func BenchmarkSampleTopK(b *testing.B) {
	logits := make([]float32, 49152)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range logits {
		logits[i] = float32(r.NormFloat64() * 3)
	}
	p := off()
	p.TopK, p.TopP, p.MinP = 40, 0.95, 0.05
	s := New(p, 0, nil, 100, nil)
	b.ReportAllocs()
	for b.Loop() {
		s.Sample(logits)
	}
}
