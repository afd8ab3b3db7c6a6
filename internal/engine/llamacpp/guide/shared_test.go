package guide

import (
	"fmt"
	"strconv"
	"testing"

	"ashatai/internal/core"
	"ashatai/internal/engine"
)

// TestSharedMaker: many requests have guides of one maker at once, of more grammars than it keeps and some that fail, and each text is
// what it is alone. make test runs it under the race detector, and the rest of this folder without.
func TestSharedMaker(t *testing.T) {
	t.Parallel() // as its parts are; nothing else here is
	m, v := maker(t)
	const grammars, limit = maxRecent + 4, 8
	what := func(i int) engine.Constraint {
		return engine.Constraint{Kind: core.FormatRegex, Source: fmt.Sprintf("%d[ab]{1,2}", i)}
	}
	var want []string
	for i := range grammars {
		text, _ := write(t, start(t, m, core.FormatRegex, what(i).Source), v, uint64(i), limit)
		want = append(want, text)
	}
	for k := range 3 {
		t.Run(strconv.Itoa(k), func(t *testing.T) {
			t.Parallel()
			for i := range grammars {
				g, err := m.New(t.Context(), strconv.Itoa(k%2), what(i))
				if err != nil {
					t.Fatal(err)
				}
				g.Prepare()
				other := g.Clone()
				for _, g := range []*Guide{g, other} {
					if text, ok := write(t, g, v, uint64(i), limit); text != want[i] || !ok {
						t.Errorf("%d: %q, whole %v; alone %q", i, text, ok, want[i])
					}
				}
				other.Close()
				g.Close()
				if i%5 != k {
					continue
				}
				if g, err = m.New(t.Context(), strconv.Itoa(k%2), what(i)); err != nil {
					t.Fatal(err)
				}
				if g.Accept(v.Ends[0]); core.CodeOf(g.Err()) != core.CodeInvalidRequest {
					t.Errorf("%d ends before it began: %v", i, g.Err())
				}
				g.Close()
			}
		})
	}
}
