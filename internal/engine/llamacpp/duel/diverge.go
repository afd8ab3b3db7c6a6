package duel

import (
	"sync"

	"ashatai/internal/engine/llamacpp/judge"
	"ashatai/internal/native/llama"
)

const (
	window      = 512 // tokens of text that are read one after the other, before both start anew
	chunk       = 64  // tokens whose logits are looked at together
	hopeless    = 5   // times the limit, after one window: more text would not help
	compareRows = 2   // goroutines per thread that compare logits: the library's threads rest meanwhile
)

// diverge reads the text with both models and compares what each expects next, token by token.
func (c *match) diverge() (judge.Sum, error) {
	var sum judge.Sum
	both, free, err := c.spaces(1, window)
	if err != nil {
		return sum, err
	}
	defer free()
	vocab := c.models[0].Vocab
	for at := 0; at < len(c.tokens); {
		text := []llama.Token{}
		if vocab.AddBOS && vocab.BOS >= 0 {
			text = append(text, vocab.BOS)
		}
		n := min(window-len(text), len(c.tokens)-at)
		text, at = append(text, c.tokens[at:at+n]...), at+n
		for _, s := range both {
			s.ClearAll()
		}
		for from := 0; from < len(text); from += chunk {
			part := text[from:min(from+chunk, len(text))]
			if err := c.chunk(both, part, from, &sum); err != nil {
				return sum, err
			}
			c.tell(false, float64(sum.Tokens)/float64(len(c.tokens)))
		}
		if c.cfg.MaxDivergence > 0 && sum.Divergence() > hopeless*c.cfg.MaxDivergence {
			break
		}
	}
	return sum, nil
}

// chunk computes a part of a window with both models and adds its tokens to sum.
func (c *match) chunk(both [2]*llama.Context, part []llama.Token, from int, sum *judge.Sum) error {
	var logits [2][][]float32
	for i, s := range both {
		c.rows.Reset()
		for j, t := range part {
			c.rows.Add(t, from+j, 0, true)
		}
		if err := c.decode(s); err != nil {
			return err
		}
		for j := range part {
			logits[i] = append(logits[i], s.Logits(j))
		}
	}
	workers := min(compareRows*c.cfg.Threads, len(part))
	sums := make([]judge.Sum, workers)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for j := w; j < len(part); j += workers {
				sums[w].Add(logits[0][j], logits[1][j])
			}
		})
	}
	wg.Wait()
	for _, s := range sums {
		sum.Join(s)
	}
	return nil
}
