package inventory

import (
	"cmp"
	"slices"
	"strings"

	"ashatai/internal/core"
)

const (
	maxHints    = 3
	maxHintName = 255 // longer input is not a slip of the hand
)

// hint names up to three models that a mistyped name may have meant, as a sentence with a space before it.
func (c *Inventory) hint(name string) string {
	key := strings.ToLower(strings.TrimSpace(name))
	if key == "" || len(key) > maxHintName {
		return ""
	}
	type match struct {
		name  string
		score int
	}
	var list []match
	for _, e := range c.entries {
		if s, ok := closeness(key, e); ok {
			list = append(list, match{e.Short(), s})
		}
	}
	if len(list) == 0 {
		return ""
	}
	slices.SortFunc(list, func(a, b match) int {
		return cmp.Or(cmp.Compare(a.score, b.score), strings.Compare(a.name, b.name))
	})
	list = list[:min(len(list), maxHints)]
	names := make([]string, len(list))
	for i, m := range list {
		names[i] = m.name
	}
	return " Did you mean " + strings.Join(names, " or ") + "?"
}

// closeness is how far a typed name is from anything that names a model, 0 for a part of it, and whether that is near.
func closeness(key string, e *Entry) (int, bool) {
	base, _, _ := strings.Cut(e.Manifest.Name, ":")
	const shortest = 3 // fewer letters are a part of everything
	best, near := 0, false
	for _, n := range append([]string{e.Short(), base, strings.ToLower(e.File)}, e.Manifest.Aliases...) {
		if len(key) >= shortest && strings.Contains(n, key) {
			return 0, true
		}
		d := core.Edits(key, n)
		if d <= max(2, len(key)/3) && (!near || d < best) {
			best, near = d, true
		}
	}
	return best, near
}
