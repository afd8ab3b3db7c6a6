package infer

import (
	"slices"

	"ashatai/internal/core"
)

// stops are the strings that end an answer: the caller's and the model's own.
func stops(m *core.Manifest, req *core.Request) []string {
	if len(m.Stop) == 0 {
		return req.Stop
	}
	out := slices.Clone(req.Stop)
	for _, s := range m.Stop {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}
