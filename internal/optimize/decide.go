package optimize

import (
	"fmt"
	"math"

	"ashatai/internal/engine"
)

// The bounds of what may stand in for a model's own weights.
const (
	MaxDivergence = 0.01 // nats per token
	MaxLoss       = 0.03 // of the speed of any kind of work
	MinGain       = 1.1  // ratio of at least one kind of work, below which a second file is not worth its space
	SuggestGain   = 1.3  // ratio from which on it is suggested
)

// objection says why a variant may not be used; empty when it may.
func objection(v engine.Variant) string {
	if v.Refused != "" {
		return v.Refused
	}
	if !(v.Divergence <= MaxDivergence) { // written so that NaN fails too
		return fmt.Sprintf("they differ too much: %.3f nats per token, %.3g are allowed", v.Divergence, MaxDivergence)
	}
	if len(v.Speeds) == 0 {
		return "no speed was measured"
	}
	gain := 0.0
	for _, s := range v.Speeds {
		if !(s.Ratio >= 1-MaxLoss) {
			return fmt.Sprintf("%s is slower: %.2f of the speed, %.2f are needed", s.Work, s.Ratio, 1-MaxLoss)
		}
		gain = max(gain, s.Ratio)
	}
	if gain < MinGain {
		return fmt.Sprintf("the gain is too small: %.2f times the speed at best, %.2g are asked for", gain, MinGain)
	}
	return ""
}

// score orders variants that may be used: the geometric mean of what they gain.
func score(v engine.Variant) float64 {
	sum := 0.0
	for _, s := range v.Speeds {
		sum += math.Log(s.Ratio)
	}
	return math.Exp(sum / float64(max(len(v.Speeds), 1)))
}

// Best is the kind of work that gains most; false without a measurement.
func Best(v *engine.Variant) (engine.WorkSpeed, bool) {
	if v == nil || len(v.Speeds) == 0 {
		return engine.WorkSpeed{}, false
	}
	best := v.Speeds[0]
	for _, s := range v.Speeds[1:] {
		if s.Ratio > best.Ratio {
			best = s
		}
	}
	return best, true
}
