package mock

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"

	"ashatai/internal/core"
	"ashatai/internal/engine"
)

// scored is one candidate.
type scored struct {
	id    int
	logit float64
	prob  float64
}

// sampler turns scores into tokens, one per choice of a request.
type sampler struct {
	s       engine.Sampling
	rng     *rand.Rand
	history []int // prompt and answer
	work    []scored
}

func newSampler(s engine.Sampling, choice int, prompt []int) *sampler {
	seed := uint64(s.Seed) + uint64(choice)                                                                         //nolint:gosec // any bits make a seed
	return &sampler{s: s, rng: rand.New(rand.NewPCG(seed, seed^0x9e3779b97f4a7c15)), history: slices.Clone(prompt)} //nolint:gosec // text, not secrets
}

// pick chooses the next token from raw scores, by the order of the usual chain: penalties, bias, top-k, typical, top-p,
// min-p, temperature.
func (p *sampler) pick(logits []float64) int {
	c := p.work[:0]
	for id, l := range logits {
		if !math.IsInf(l, -1) {
			c = append(c, scored{id: id, logit: l})
		}
	}
	p.work = c
	p.penalise(c)
	if p.s.Temperature <= 0 {
		return slices.MinFunc(c, byLogit).id
	}
	slices.SortFunc(c, byLogit)
	if k := p.s.TopK; k > 0 && k < len(c) {
		c = c[:k]
	}
	softmax(c, 1)
	c = p.typical(c)
	c = p.nucleus(c)
	c = p.floor(c)
	softmax(c, p.s.Temperature)
	x := p.rng.Float64()
	for _, s := range c {
		if x -= s.prob; x < 0 {
			return s.id
		}
	}
	return c[len(c)-1].id
}

func byLogit(a, b scored) int {
	return cmp.Or(cmp.Compare(b.logit, a.logit), cmp.Compare(a.id, b.id))
}

func (p *sampler) penalise(c []scored) {
	recent := p.history
	if n := p.s.RepeatLastN; n >= 0 && n < len(recent) {
		recent = recent[len(recent)-n:]
	}
	counts := map[int]int{}
	for _, id := range recent {
		counts[id]++
	}
	for i := range c {
		s := &c[i]
		if n := counts[s.id]; n > 0 {
			if r := p.s.RepeatPenalty; r > 0 && r != 1 {
				if s.logit > 0 {
					s.logit /= r
				} else {
					s.logit *= r
				}
			}
			s.logit -= p.s.PresencePenalty + float64(n)*p.s.FrequencyPenalty
		}
		s.logit += p.s.LogitBias[s.id]
	}
}

func softmax(c []scored, temperature float64) {
	top, sum := math.Inf(-1), 0.0
	for _, s := range c {
		top = max(top, s.logit)
	}
	for i := range c {
		c[i].prob = math.Exp((c[i].logit - top) / temperature)
		sum += c[i].prob
	}
	for i := range c {
		c[i].prob /= sum
	}
}

// typical keeps the candidates whose surprise is nearest to the expected one, up to the given mass.
func (p *sampler) typical(c []scored) []scored {
	if p.s.TypicalP <= 0 || p.s.TypicalP >= 1 {
		return c
	}
	entropy := 0.0
	for _, s := range c {
		if s.prob > 0 {
			entropy -= s.prob * math.Log(s.prob)
		}
	}
	away := func(s scored) float64 { return math.Abs(-math.Log(s.prob) - entropy) }
	slices.SortStableFunc(c, func(a, b scored) int { return cmp.Compare(away(a), away(b)) })
	c = c[:massOf(c, p.s.TypicalP)]
	slices.SortFunc(c, byLogit)
	return c
}

func (p *sampler) nucleus(c []scored) []scored {
	if p.s.TopP <= 0 || p.s.TopP >= 1 {
		return c
	}
	return c[:massOf(c, p.s.TopP)]
}

func (p *sampler) floor(c []scored) []scored {
	if p.s.MinP <= 0 {
		return c
	}
	n := 1
	for n < len(c) && c[n].prob >= c[0].prob*p.s.MinP {
		n++
	}
	return c[:n]
}

// massOf is how many candidates from the front have the given share of the probability.
func massOf(c []scored, share float64) int {
	sum := 0.0
	for i, s := range c {
		if sum += s.prob; sum >= share {
			return i + 1
		}
	}
	return len(c)
}

// logprobs describes a chosen token by the raw scores.
func (v *vocabulary) logprobs(logits []float64, id, top int) core.Token {
	c := make([]scored, 0, len(logits))
	for i, l := range logits {
		if !math.IsInf(l, -1) {
			c = append(c, scored{id: i, logit: l})
		}
	}
	softmax(c, 1)
	slices.SortFunc(c, byLogit)
	at := slices.IndexFunc(c, func(s scored) bool { return s.id == id })
	t := v.described(c[at])
	for _, s := range c[:min(top, len(c))] {
		t.Top = append(t.Top, v.described(s))
	}
	return t
}

func (v *vocabulary) described(s scored) core.Token {
	return core.Token{ID: s.id, Bytes: []byte(v.text[s.id]), Logprob: min(0, math.Log(max(s.prob, math.SmallestNonzeroFloat64)))}
}

// mix is one step of a hash that is the same on every machine and in every process.
func mix(h, x uint64) uint64 {
	h ^= x + 0x9e3779b97f4a7c15 + h<<6 + h>>2
	h ^= h >> 30
	h *= 0xbf58476d1ce4e5b9
	h ^= h >> 27
	h *= 0x94d049bb133111eb
	return h ^ h>>31
}
