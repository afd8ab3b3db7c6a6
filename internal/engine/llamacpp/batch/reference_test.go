package batch

import (
	"testing"
	"time"

	"ashatai/internal/engine/llamacpp/curve"
)

// TestWithAMeasuredCurve plays a newcomer of 1,500 tokens beside four streams on a curve learned from steps, where costs
// grow with the context as they do on two cores: the streams' longest gap is an eighth of what one piece would make it,
// and the newcomer waits at most 1.3 times as long as alone.
func TestWithAMeasuredCurve(t *testing.T) {
	for _, speed := range []struct {
		name   string
		factor time.Duration // of a microsecond
		gap    time.Duration
	}{
		{"two cores", 1000, 450 * time.Millisecond},
		{"ten times as fast", 100, 100 * time.Millisecond},
	} {
		t.Run(speed.name, func(t *testing.T) {
			flat := fixed{ //nolint:exhaustive // nothing is drafted
				curve.Decode:  curve.Points(map[int]time.Duration{1: 6 * speed.factor, 4: 20 * speed.factor, 8: 32 * speed.factor}),
				curve.Prefill: curve.Points(map[int]time.Duration{1: 6 * speed.factor, 4: 20 * speed.factor, 16: 58 * speed.factor, 32: 102 * speed.factor, 64: 140 * speed.factor, 128: 270 * speed.factor, 512: 1000 * speed.factor}),
			}
			takes := func(k curve.Kind, rows, context int) time.Duration { // attention is over what the call adds, too
				if k == curve.Prefill {
					context += rows
				}
				return 1000 * (flat[k].Cost(rows) + flat[k].Cost(rows)*time.Duration(context)/2800)
			}
			c := curve.New()
			observe := func(k curve.Kind, rows, context int) time.Duration {
				d := takes(k, rows, context)
				c.Observe(curve.Sample{Kind: k, Threads: 2, Runs: []int{rows}, Context: context}, d)
				return d
			}
			for p, ok := c.Next(curve.Bounds{Decode: 2, Several: 2, Batch: 512, Sequences: 8}, time.Minute); ok; p, ok = c.Next(curve.Bounds{Decode: 2, Several: 2, Batch: 512, Sequences: 8}, time.Minute) {
				observe(p.Kind, p.Rows, 0)
			}
			generate := func(streams []int) (first, longest time.Duration) {
				prompt := Prompt{Seq: 4, Left: 1500}
				for prompt.Left > 0 {
					plan := Step(State{Streams: streams, Context: 300, Prompts: []Prompt{prompt}, Batch: 512, Costs: c.View(2, 2)})
					var d time.Duration
					if len(streams) > 0 {
						d = observe(curve.Decode, len(streams), 300)
					}
					d += observe(curve.Prefill, plan.Tokens, prompt.Held)
					prompt.Left -= plan.Tokens
					prompt.Held += plan.Tokens
					first, longest = first+d, max(longest, d)
				}
				return first, longest
			}
			alone, _ := generate(nil)
			for round := range 2 { // the second one knows the depths
				first, longest := generate([]int{0, 1, 2, 3})
				t.Logf("round %d: alone %v; beside four streams %v, their longest gap %v", round, alone, first, longest)
				if longest > speed.gap || first > alone*13/10 {
					t.Errorf("round %d: the first token after %v, %v alone; the longest gap %v, %v allowed", round, first, alone, longest, speed.gap)
				}
			}
		})
	}
}
