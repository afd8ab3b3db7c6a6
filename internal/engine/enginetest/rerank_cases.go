package enginetest

import (
	"context"
	"slices"
	"strings"
	"testing"

	"ashatai/internal/core"
	"ashatai/internal/engine"
)

func rerankCases() []testCase {
	return []testCase{
		{"scores lie between 0 and 1", scoresInRange},
		{"a score does not depend on the other documents", scoresStandAlone},
		{"a model that scores says so", rerankCapability},
		{"too long a pair names both numbers", rerankExceeded},
		{"a cancelled scoring ends", rerankCancelled},
		{"models that score refuse text", rerankRefusesText},
	}
}

func (s *suite) rank(t *testing.T, query string, documents ...string) []float32 {
	t.Helper()
	scores, usage, err := as[engine.Reranker](t, s).Rerank(t.Context(), query, documents)
	if err != nil {
		t.Fatal(err)
	}
	if len(scores) != len(documents) {
		t.Fatalf("%d scores for %d documents", len(scores), len(documents))
	}
	if usage.Completion != 0 || len(documents) > 0 && usage.Prompt < len(documents) {
		t.Errorf("usage %+v", usage)
	}
	return scores
}

func rerankTexts() []string {
	return []string{"a cat sat on the mat", "quantum chromodynamics lecture", "東京", "the cat", "a cat sat on the mat and the dog slept"}
}

func scoresInRange(t *testing.T, s *suite) {
	t.Helper()
	scores := s.rank(t, "where is the cat?", rerankTexts()...)
	for i, x := range scores {
		if !(x >= 0 && x <= 1) {
			t.Errorf("document %d has the score %v", i, x)
		}
	}
	if slices.Min(scores) == slices.Max(scores) {
		t.Errorf("all documents have the score %v", scores[0])
	}
}

func scoresStandAlone(t *testing.T, s *suite) {
	t.Helper()
	const query = "where is the cat?"
	together := s.rank(t, query, rerankTexts()...)
	for i, d := range rerankTexts() {
		if alone := s.rank(t, query, d); alone[0] != together[i] {
			t.Errorf("%q has %v alone and %v with others", d, alone[0], together[i])
		}
	}
	other := s.rank(t, "lecture notes", rerankTexts()...)
	if slices.Equal(other, together) {
		t.Error("another query has the same scores")
	}
}

func rerankCapability(t *testing.T, s *suite) {
	t.Helper()
	if !slices.Contains(s.m.Facts().Capabilities, core.CapRerank) {
		t.Errorf("the facts say %v", s.m.Facts().Capabilities)
	}
}

func rerankExceeded(t *testing.T, s *suite) {
	t.Helper()
	long := strings.Repeat("word ", s.m.Facts().Context+1)
	_, _, err := as[engine.Reranker](t, s).Rerank(t.Context(), "q", []string{"short", long})
	wantCode(t, err, core.CodeContextExceeded)
	if o := core.AsError(err).Overflow; o == nil || o.Prompt <= o.Context || o.Context != s.m.Facts().Context {
		t.Errorf("the overflow is %+v", o)
	}
	s.rank(t, "q", "short") // and goes on
}

func rerankCancelled(t *testing.T, s *suite) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err := as[engine.Reranker](t, s).Rerank(ctx, "q", []string{"a"})
	wantCode(t, err, core.CodeCancelled)
	s.rank(t, "q", "short")
}

func rerankRefusesText(t *testing.T, s *suite) {
	t.Helper()
	g, ok := s.m.(engine.Generator)
	if !ok {
		return
	}
	_, err := g.Generate(t.Context(), s.request(1))
	wantCode(t, err, core.CodeUnsupported)
}
