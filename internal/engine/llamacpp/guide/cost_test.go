package guide

import (
	"slices"
	"testing"
	"time"

	"ashatai/internal/core"
	"ashatai/internal/engine"
)

// TestCosts logs what grammars cost, and fails only where they are slow beyond doubt.
func TestCosts(t *testing.T) {
	m, v := maker(t)
	began := time.Now()
	if err := m.Warm(); err != nil {
		t.Fatal(err)
	}
	vocabulary := time.Since(began)
	var read, masks []time.Duration
	forced, tokens := 0, 0
	for _, e := range corpus(t) {
		began := worked(t)
		g, err := m.New(t.Context(), "a", engine.Constraint{Kind: core.FormatSchema, Source: string(e.Schema)})
		if err != nil {
			t.Fatal(err)
		}
		read = append(read, worked(t)-began)
		fake := newModel(v, 3)
		logits := make([]float32, len(v.Pieces))
		for range 100 {
			f := g.Forced(64)
			forced, tokens = forced+len(f), tokens+len(f)
			if g.Done() {
				break
			}
			fake.logits(logits)
			began := worked(t)
			g.MaskLogits(logits)
			masks = append(masks, worked(t)-began)
			best := slices.Index(logits, slices.Max(logits))
			if slices.Contains(v.Ends, Token(best)) {
				break
			}
			tokens++
			g.Accept(Token(best))
		}
		if err := g.Err(); err != nil {
			t.Errorf("%s: %v", e.Name, err)
		}
		g.Close()
	}
	slices.Sort(read)
	slices.Sort(masks)
	at := func(d []time.Duration, share float64) time.Duration { return d[int(share*float64(len(d)-1))] }
	t.Logf("vocabulary of %d: %v", len(v.Pieces), vocabulary)
	t.Logf("reading a schema: p50 %v, p95 %v, most %v", at(read, 0.5), at(read, 0.95), at(read, 1))
	t.Logf("a mask: p50 %v, p95 %v, most %v", at(masks, 0.5), at(masks, 0.95), at(masks, 1))
	t.Logf("%d of %d tokens were forced", forced, tokens)
	if at(read, 0.5) > 100*time.Millisecond || at(masks, 0.5) > 10*time.Millisecond {
		t.Error("that is slow")
	}
}
