// Package sample chooses the next token from logits: penalties, bias, truncation, temperature and a seeded draw. It is
// pure: the same parameters, history and logits give the same token. It knows no model and does no I/O.
package sample

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"

	"ashatai/internal/engine"
)

// Token is an index into the vocabulary.
type Token = int32

// Candidate is a token with its logit, and its probability once the set it belongs to was normalised.
type Candidate struct {
	ID    Token
	Logit float32
	P     float32
}

// Constraint is a grammar: it says which tokens may come next and follows those that were chosen.
type Constraint interface {
	Allows(t Token) bool
	// Mask sets the logit of each candidate that may not come next to negative infinity.
	Mask(c []Candidate)
	Accept(t Token)
}

// Masker is a Constraint whose mask costs less than a choice. It is applied before the choice; without it the mask is
// applied only when the chosen token is not allowed.
type Masker interface {
	Constraint
	// MaskLogits sets the logit of each token that may not come next to negative infinity.
	MaskLogits(logits []float32)
}

// Chooser is a Constraint that finds the best token that it allows in one look at the logits.
type Chooser interface {
	Constraint
	// Best is the allowed token with the largest logit, the first one where several are equal; ok is false where there is none.
	Best(logits []float32) (t Token, ok bool)
}

// Sampler chooses tokens for one sequence. It belongs to one goroutine.
type Sampler struct {
	p      engine.Sampling
	rng    *rand.Rand
	window []Token       // the last RepeatLastN tokens, oldest first
	counts map[Token]int // of the window
	cand   []Candidate   // scratch
	g      Constraint
}

// New makes a sampler. history is the prompt, which penalties look back into; g may be nil; context bounds the window
// when RepeatLastN is -1. Choice number choice draws as a request with the seed p.Seed + choice would.
func New(p engine.Sampling, choice int, history []Token, context int, g Constraint) *Sampler {
	s := &Sampler{
		p: p, g: g,
		rng: rand.New(rand.NewPCG(uint64(p.Seed)+uint64(choice), 0)), //nolint:gosec // reproducible draws are the point; any bit pattern is a seed
	}
	if s.p.RepeatLastN < 0 || s.p.RepeatLastN > context {
		s.p.RepeatLastN = context
	}
	if s.penalises() {
		s.counts = make(map[Token]int)
		for _, t := range history[max(0, len(history)-s.p.RepeatLastN):] {
			s.remember(t)
		}
	}
	return s
}

func (s *Sampler) penalises() bool {
	return s.p.RepeatLastN > 0 && (s.p.RepeatPenalty != 1 || s.p.PresencePenalty != 0 || s.p.FrequencyPenalty != 0)
}

// Sample chooses the next token and advances the grammar and the history. It changes logits, which holds one value per
// token of the vocabulary. ok is false when no token is allowed.
func (s *Sampler) Sample(logits []float32) (t Token, ok bool) {
	s.adjust(logits)
	if c, can := s.g.(Chooser); can && s.p.Temperature == 0 {
		if t, ok = c.Best(logits); ok {
			c.Accept(t)
			s.Follow(t)
		}
		return t, ok
	}
	masker, first := s.g.(Masker)
	if first {
		masker.MaskLogits(logits)
	}
	t, ok = s.choose(logits)
	if ok && s.g != nil && !first && !s.g.Allows(t) {
		// Masking the whole vocabulary is slow, so it is done only for the tokens that the grammar refuses.
		s.mask(logits)
		t, ok = s.choose(logits)
	}
	if !ok {
		return 0, false
	}
	if s.g != nil {
		s.g.Accept(t)
	}
	s.Follow(t)
	return t, true
}

// Follow takes a token into the history that was not sampled, because its text was forced. The constraint has it already.
func (s *Sampler) Follow(t Token) {
	if s.counts != nil {
		s.remember(t)
	}
}

// adjust applies logit bias, then the penalties, to the tokens they name.
func (s *Sampler) adjust(logits []float32) {
	for id, b := range s.p.LogitBias {
		if id < len(logits) {
			if b <= -100 {
				logits[id] = float32(math.Inf(-1))
			} else {
				logits[id] += float32(b)
			}
		}
	}
	for t, n := range s.counts {
		if int(t) >= len(logits) {
			continue
		}
		l := float64(logits[t])
		// Keskar et al. 2019, "CTRL": a positive logit is divided, a negative one multiplied.
		if l > 0 {
			l /= s.p.RepeatPenalty
		} else {
			l *= s.p.RepeatPenalty
		}
		logits[t] = float32(l - float64(n)*s.p.FrequencyPenalty - s.p.PresencePenalty)
	}
}

func (s *Sampler) remember(t Token) {
	s.window = append(s.window, t)
	s.counts[t]++
	if len(s.window) > s.p.RepeatLastN {
		old := s.window[0]
		s.window = s.window[1:]
		if s.counts[old]--; s.counts[old] == 0 {
			delete(s.counts, old)
		}
	}
}

func (s *Sampler) mask(logits []float32) {
	s.cand = s.cand[:0]
	for i, l := range logits {
		s.cand = append(s.cand, Candidate{ID: Token(i), Logit: l})
	}
	s.g.Mask(s.cand)
	for _, c := range s.cand {
		logits[c.ID] = c.Logit
	}
}

func (s *Sampler) choose(logits []float32) (Token, bool) {
	if s.p.Temperature == 0 {
		t, l := Best(logits)
		return t, !math.IsInf(float64(l), -1)
	}
	s.cand = top(s.cand[:0], logits, s.p.TopK)
	if len(s.cand) == 0 {
		return 0, false
	}
	c := softmax(s.cand, 1)
	if s.p.TypicalP < 1 {
		c = softmax(typical(c, s.p.TypicalP), 1)
	}
	if s.p.TopP < 1 {
		c = topP(c, s.p.TopP)
	}
	if s.p.MinP > 0 {
		c = minP(c, s.p.MinP)
	}
	return draw(softmax(c, s.p.Temperature), s.rng.Float64()), true
}

// Best returns the token with the largest logit, the first one where several are equal.
func Best(logits []float32) (Token, float32) {
	best, at := float32(math.Inf(-1)), 0
	for i, l := range logits {
		if l > best {
			best, at = l, i
		}
	}
	return Token(at), best
}

func byLogit(a, b Candidate) int {
	return cmp.Or(cmp.Compare(b.Logit, a.Logit), cmp.Compare(a.ID, b.ID))
}

// top appends the k best allowed tokens to dst, best first; all of them where k is 0.
func top(dst []Candidate, logits []float32, k int) []Candidate {
	if k <= 0 || k > len(logits) {
		k = len(logits)
	}
	const small = 256 // up to here a sorted list beats sorting everything
	if k > small {
		for i, l := range logits {
			if !math.IsInf(float64(l), -1) {
				dst = append(dst, Candidate{ID: Token(i), Logit: l})
			}
		}
		slices.SortFunc(dst, byLogit)
		return dst[:min(k, len(dst))]
	}
	floor := float32(math.Inf(-1))
	for i, l := range logits {
		if l <= floor {
			continue
		}
		c := Candidate{ID: Token(i), Logit: l}
		at, _ := slices.BinarySearchFunc(dst, c, byLogit)
		if len(dst) == k {
			dst = dst[:k-1]
		}
		dst = slices.Insert(dst, at, c)
		if len(dst) == k {
			floor = dst[k-1].Logit
		}
	}
	return dst
}

// softmax sets the probabilities of c, which is sorted, at the given temperature.
func softmax(c []Candidate, temperature float64) []Candidate {
	sum := 0.0
	for i := range c {
		e := math.Exp(float64(c[i].Logit-c[0].Logit) / temperature)
		c[i].P = float32(e)
		sum += e
	}
	for i := range c {
		c[i].P = float32(float64(c[i].P) / sum)
	}
	return c
}

// topP keeps the smallest head whose probability reaches p. Holtzman et al. 2019, "The Curious Case of Neural Text
// Degeneration".
func topP(c []Candidate, p float64) []Candidate {
	sum := 0.0
	for i := range c {
		if sum += float64(c[i].P); sum >= p {
			return c[:i+1]
		}
	}
	return c
}

// minP keeps what is at least p times as likely as the best. Nguyen et al. 2024, "Min-p Sampling".
func minP(c []Candidate, p float64) []Candidate {
	floor := float32(p) * c[0].P
	n := 1
	for n < len(c) && c[n].P >= floor {
		n++
	}
	return c[:n]
}

// typical keeps the tokens whose surprise is closest to the expected one, until their probability reaches p. Meister et
// al. 2022, "Locally Typical Sampling". The result is sorted by logit again.
func typical(c []Candidate, p float64) []Candidate {
	entropy := 0.0
	for _, x := range c {
		if x.P > 0 {
			entropy -= float64(x.P) * math.Log(float64(x.P))
		}
	}
	distance := func(x Candidate) float64 { return math.Abs(-math.Log(float64(x.P)) - entropy) }
	slices.SortStableFunc(c, func(a, b Candidate) int { return cmp.Compare(distance(a), distance(b)) })
	c = topP(c, p)
	slices.SortFunc(c, byLogit)
	return c
}

// draw picks by u, which is uniform in [0, 1).
func draw(c []Candidate, u float64) Token {
	for _, x := range c {
		if u -= float64(x.P); u < 0 {
			return x.ID
		}
	}
	return c[len(c)-1].ID
}

// Logprobs returns the natural logarithm of t's probability under the model itself, before any penalty or temperature,
// and the n most likely tokens with theirs (in Logit), best first. It does not change logits.
func Logprobs(logits []float32, t Token, n int) (float64, []Candidate) {
	_, best := Best(logits)
	sum := 0.0
	for _, l := range logits {
		sum += math.Exp(float64(l - best))
	}
	norm := float64(best) + math.Log(sum)
	var tops []Candidate
	if n > 0 {
		tops = top(make([]Candidate, 0, n+1), logits, n)
	}
	for i := range tops {
		tops[i].Logit = float32(float64(tops[i].Logit) - norm)
	}
	return float64(logits[t]) - norm, tops
}
