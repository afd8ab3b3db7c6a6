// Package judge compares what two sets of weights of one model compute, and how fast they are: the divergence of two
// distributions, the text on which it is measured, and the arithmetic of measuring in pairs. It is pure: it loads no model
// and reads no clock.
package judge

import (
	_ "embed"
	"math"
	"slices"
)

//go:embed text.txt
var text string

// Text is more than 2,200 tokens, by any usual vocabulary, of technical prose, code, data, conversation and other languages.
// It was written for this purpose, so that no model learned it by heart.
func Text() string { return text }

// Sum adds up the comparison of many tokens. The zero value is empty.
type Sum struct {
	Tokens int
	nats   float64
	same   int
}

// Add compares the logits of one token: old is of the weights that count as right. Both have the same length, which is not 0.
func (s *Sum) Add(old, other []float32) {
	topOld, normOld := normal(old)
	topNew, normNew := normal(other)
	kl := 0.0
	for i, v := range old {
		p := float64(v) - normOld
		if e := math.Exp(p); e > 0 {
			kl += e * (p - (float64(other[i]) - normNew))
		}
	}
	if math.IsNaN(kl) {
		kl = math.Inf(1) // weights that compute nonsense are infinitely far away
	}
	s.Tokens++
	s.nats += max(kl, 0) // rounding can make it a little less
	if topOld == topNew {
		s.same++
	}
}

// Join adds what another Sum holds.
func (s *Sum) Join(o Sum) {
	s.Tokens, s.nats, s.same = s.Tokens+o.Tokens, s.nats+o.nats, s.same+o.same
}

// Divergence is the mean Kullback-Leibler divergence in nats per token; 0 without tokens.
func (s *Sum) Divergence() float64 { return s.nats / float64(max(s.Tokens, 1)) }

// Agreement is the part of the tokens whose likeliest successor was the same, from 0 to 1.
func (s *Sum) Agreement() float64 { return float64(s.same) / float64(max(s.Tokens, 1)) }

// normal finds the index of the largest logit, and the logarithm of the sum of all exponentials.
func normal(logits []float32) (top int, norm float64) {
	for i, v := range logits {
		if v > logits[top] {
			top = i
		}
	}
	high := float64(logits[top])
	sum := 0.0
	for _, v := range logits {
		sum += math.Exp(float64(v) - high)
	}
	return top, high + math.Log(sum)
}

// Pairs are the times of the same work with both weights, measured one right after the other.
type Pairs struct{ old, other []float64 }

// Add takes the seconds of one pair.
func (p *Pairs) Add(old, other float64) {
	p.old, p.other = append(p.old, old), append(p.other, other)
}

// Len is the number of pairs.
func (p *Pairs) Len() int { return len(p.old) }

// Ratio is the median of old ÷ other: above 1 where the other weights are faster; 1 without pairs.
func (p *Pairs) Ratio() float64 {
	r := make([]float64, len(p.old))
	for i := range r {
		r[i] = p.old[i] / p.other[i]
	}
	if len(r) == 0 {
		return 1
	}
	return median(r)
}

// Medians are the medians of both times, in seconds; 0 without pairs.
func (p *Pairs) Medians() (old, other float64) {
	if len(p.old) == 0 {
		return 0, 0
	}
	return median(slices.Clone(p.old)), median(slices.Clone(p.other))
}

// median sorts its argument.
func median(v []float64) float64 {
	slices.Sort(v)
	n := len(v)
	return (v[(n-1)/2] + v[n/2]) / 2
}
