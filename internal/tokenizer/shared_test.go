package tokenizer

import (
	"slices"
	"sync"
	"testing"
)

// TestSharedByGoroutines: many requests use one tokenizer at once, and each has what it has alone. make test runs it under the
// race detector.
func TestSharedByGoroutines(t *testing.T) {
	for _, name := range []string{"minilm", "llama2", "qwen3"} { // words, merges with a fallback to bytes, merges of bytes
		t.Run(name, func(t *testing.T) {
			tok := load(t, vocabulary(t, name))
			texts := nasty(2, 40, spelled(tok))
			var want [][]int
			for _, s := range texts {
				ids, err := tok.Encode(Part{Text: s})
				if err != nil {
					t.Fatal(err)
				}
				want = append(want, ids)
			}
			var wg sync.WaitGroup
			for range 4 {
				wg.Go(func() {
					for i, s := range texts {
						ids, err := tok.Encode(Part{Text: s})
						if err != nil || !slices.Equal(ids, want[i]) {
							t.Errorf("%q: %v, %v; alone %v", s, ids, err, want[i])
						}
						if got := tok.Decode(ids, false); got != tok.Decode(want[i], false) {
							t.Errorf("%q becomes %q", s, got)
						}
					}
				})
			}
			wg.Wait()
		})
	}
}
