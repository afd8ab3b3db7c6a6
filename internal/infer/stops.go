package infer

import (
	"slices"

	"ashatai/internal/core"
)

// stops are the strings that end an answer: the caller's, the model's own and those of its settings.
func stops(m *core.Manifest, set Settings, req *core.Request) []string {
	if len(m.Stop)+len(set.Stop) == 0 {
		return req.Stop
	}
	out := slices.Clone(req.Stop)
	for _, s := range slices.Concat(m.Stop, set.Stop) {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}
