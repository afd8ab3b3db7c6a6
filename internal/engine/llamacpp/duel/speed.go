package duel

import (
	"fmt"
	"time"

	"ashatai/internal/engine"
	"ashatai/internal/engine/llamacpp/judge"
	"ashatai/internal/native/llama"
)

const (
	benchBatch  = 512
	benchPrefix = 32              // tokens that a sequence holds before it is continued
	benchSteps  = 16              // of one measurement of decode
	benchSpace  = 256             // tokens of a sequence
	minPairs    = 5               // measurements of each kind of work
	maxPairs    = 25              // reached by small models
	workTime    = 9 * time.Second // for one kind of work, once it has the fewest pairs
)

// speeds measures the kinds of work that a server has: reading a prompt, and writing 1, 4 and 8 answers.
func (c *match) speeds() ([]engine.WorkSpeed, error) {
	var out []engine.WorkSpeed
	c.tell(true, 0)
	prefill, err := c.prefillSpeed()
	if err != nil {
		return nil, err
	}
	out = append(out, prefill)
	for _, n := range []int{1, 4, 8} {
		c.tell(true, float64(len(out))/4)
		s, err := c.decodeSpeed(n)
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	c.tell(true, 1)
	return out, nil
}

// pairs measures both in turn, first the one and then the other first, so that what drifts falls on both. The first pair,
// which touches everything for the first time, does not count.
func (c *match) pairs(work string, tokens int, once func(i int) (time.Duration, error)) (engine.WorkSpeed, error) {
	var p judge.Pairs
	start := time.Now()
	for n := 0; p.Len() < minPairs || p.Len() < maxPairs && time.Since(start) < workTime; n++ {
		var took [2]time.Duration
		for k := range 2 {
			i := (n + k) % 2
			t, err := once(i)
			if err != nil {
				return engine.WorkSpeed{}, err
			}
			took[i] = max(t, 1)
		}
		if n > 0 {
			p.Add(took[0].Seconds(), took[1].Seconds())
		}
	}
	old, made := p.Medians()
	return engine.WorkSpeed{Work: work, AsIs: float64(tokens) / old, New: float64(tokens) / made, Ratio: p.Ratio(), Pairs: p.Len()}, nil
}

func (c *match) prefillSpeed() (engine.WorkSpeed, error) {
	both, free, err := c.spaces(1, benchBatch)
	if err != nil {
		return engine.WorkSpeed{}, err
	}
	defer free()
	return c.pairs(fmt.Sprintf("prefill %d", benchBatch), benchBatch, func(i int) (time.Duration, error) {
		both[i].ClearAll()
		c.rows.Reset()
		for j := range benchBatch {
			c.rows.Add(c.tokens[j], j, 0, j == benchBatch-1)
		}
		start := time.Now()
		err := c.decode(both[i])
		return time.Since(start), err
	})
}

// decodeSpeed continues n sequences with the next words of the text: which ones does not change the time.
func (c *match) decodeSpeed(n int) (engine.WorkSpeed, error) {
	both, free, err := c.spaces(n, benchSpace)
	if err != nil {
		return engine.WorkSpeed{}, err
	}
	defer free()
	var held [2]int // tokens of each sequence
	return c.pairs(fmt.Sprintf("decode x%d", n), n*benchSteps, func(i int) (time.Duration, error) {
		if held[i] == 0 || held[i]+benchSteps > benchSpace {
			if err := c.fill(both[i], n); err != nil {
				return 0, err
			}
			held[i] = benchPrefix
		}
		start := time.Now()
		for range benchSteps {
			c.rows.Reset()
			for seq := range n {
				c.rows.Add(c.tokens[seq*benchSpace/2+held[i]], held[i], seq, true)
			}
			if err := c.decode(both[i]); err != nil {
				return 0, err
			}
			held[i]++
		}
		return time.Since(start), nil
	})
}

// fill gives each sequence its beginning.
func (c *match) fill(s *llama.Context, n int) error {
	s.ClearAll()
	c.rows.Reset()
	for seq := range n {
		for j := range benchPrefix {
			c.rows.Add(c.tokens[seq*benchSpace/2+j], j, seq, false)
		}
	}
	return c.decode(s)
}
