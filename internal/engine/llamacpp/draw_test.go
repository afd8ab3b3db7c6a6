package llamacpp

import (
	"slices"
	"sync"
	"testing"

	"ashatai/internal/engine"
	"ashatai/internal/engine/llamacpp/layout"
	"ashatai/internal/gguf/gguftest"
)

// TestTwoDrawAsOne: answers that run side by side are the same however many goroutines draw their tokens.
func TestTwoDrawAsOne(t *testing.T) {
	m := open(t, engine.LoadSpec{
		Path: tiny(t, gguftest.Options{}), Sequences: 8, Threads: 2, Options: map[string]string{layout.OptRepeatable: "true"},
	})
	together := func(helpFrom int) []string {
		m.loop.helpFrom = helpFrom // nothing runs, and the next request reaches the loop after this
		texts := make([]string, 8)
		var all sync.WaitGroup
		for i := range texts {
			all.Go(func() {
				req := greedy("Once upon a time", 30)
				req.Sampling.Temperature, req.Sampling.Seed = 1.5, int64(i)
				texts[i], _ = answer(t, m, req)
			})
		}
		all.Wait()
		return texts
	}
	one, two := together(1<<40), together(0)
	if !slices.Equal(one, two) {
		t.Errorf("one draws %q\ntwo draw %q", one, two)
	}
	slices.Sort(one)
	if len(slices.Compact(one)) < 4 {
		t.Errorf("seeds make the same text: %q", one)
	}
}
