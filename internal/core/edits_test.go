package core_test

import (
	"testing"

	"ashatai/internal/core"
)

func TestEdits(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"kitten", "sitting", 3}, {"same", "same", 0}, {"flaw", "lawn", 2}} {
		if got := core.Edits(c.a, c.b); got != c.want {
			t.Errorf("%q to %q is %d; want %d", c.a, c.b, got, c.want)
		}
	}
}
