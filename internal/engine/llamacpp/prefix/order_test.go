package prefix

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// drawTokens makes token lists that share prefixes often.
func drawTokens(least int) *rapid.Generator[[]int32] {
	return rapid.SliceOfN(rapid.Int32Range(0, 2), least, 12)
}

// TestOrderEqualsBruteForce compares every lookup with a walk over all entries.
func TestOrderEqualsBruteForce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var o order
		all := map[string]*entry{}
		for range rapid.IntRange(0, 40).Draw(t, "changes") {
			tokens := drawTokens(1).Draw(t, "tokens")
			id := fileName([32]byte{}, "", tokens)
			if e := all[id]; e != nil {
				o = o.remove(e)
				delete(all, id)
				continue
			}
			e := &entry{tokens: tokens, held: rapid.Bool().Draw(t, "held"), id: entryID(len(all))}
			o, all[id] = o.insert(e), e
		}
		if len(o) != len(all) || !slices.IsSortedFunc(o, func(a, b *entry) int { return slices.Compare(a.tokens, b.tokens) }) {
			t.Fatalf("order is broken: %d entries of %d", len(o), len(all))
		}
		held := func(e *entry) bool { return e.held }
		ask := drawTokens(0).Draw(t, "ask")

		most, under, within := 0, 0, 0
		for _, e := range o {
			n := Common(e.tokens, ask)
			if e.held {
				most = max(most, n)
			}
			if n == len(ask) {
				under++
			}
			if n == len(e.tokens) && n < len(ask) {
				within++
			}
		}
		if e, n := o.best(ask, held); n != most || n > 0 && (!e.held || Common(e.tokens, ask) != n) {
			t.Fatalf("best of %v shares %d, want %d", ask, n, most)
		}
		if got := o.under(ask); len(got) != under || slices.ContainsFunc(got, func(e *entry) bool { return Common(e.tokens, ask) < len(ask) }) {
			t.Fatalf("%d entries under %v, want %d", len(got), ask, under)
		}
		if got := o.within(ask); len(got) != within || slices.ContainsFunc(got, func(e *entry) bool { return Common(e.tokens, ask) < len(e.tokens) }) {
			t.Fatalf("%d entries within %v, want %d", len(got), ask, within)
		}
		visited := 0
		o.shared(held, func(e *entry, n int) {
			visited++
			want := 0
			for _, c := range o {
				if c != e && c.held {
					want = max(want, Common(c.tokens, e.tokens))
				}
			}
			if n != want {
				t.Fatalf("%v shares %d, want %d", e.tokens, n, want)
			}
		})
		if n := len(slices.DeleteFunc(slices.Clone(o), func(e *entry) bool { return !e.held })); visited != n {
			t.Fatalf("visited %d of %d", visited, n)
		}
	})
}
