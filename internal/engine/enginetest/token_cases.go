package enginetest

import (
	"math"
	"slices"
	"strings"
	"testing"

	"ashatai/internal/core"
	"ashatai/internal/engine"
)

func tokensRoundTrip(t *testing.T, s *suite) {
	t.Helper()
	tok := as[engine.Tokenizer](t, s)
	for _, in := range []string{
		"Hello, world", s.opt.Text, "naïve café 東京 🙂 \u200d\u0301", "tabs\tand\n\nlines\r\n", "  spaces   everywhere  ", "x", strings.Repeat("ab", 300),
		"<s></s> [INST] \\n %s 100%",
	} {
		ids, err := tok.Tokenize(t.Context(), engine.Prompt{Segments: []engine.Segment{{Text: in}}})
		if err != nil {
			t.Errorf("%q: %v", in, err)
			continue
		}
		out, err := tok.Detokenize(t.Context(), ids)
		if err != nil || string(out) != in {
			t.Errorf("%q became %q, %v", in, out, err)
		}
	}
	if ids, err := tok.Tokenize(t.Context(), engine.Prompt{}); err != nil || len(ids) != 0 {
		t.Errorf("nothing became %v, %v", ids, err)
	}
}

func tokensAsPrompt(t *testing.T, s *suite) {
	t.Helper()
	req := s.request(12)
	want := s.good(t, req)
	req.Prompt = engine.Prompt{Tokens: s.tokensOf(t, s.opt.Text)}
	if got := s.good(t, req); got.texts[0] != want.texts[0] || got.usage.Prompt != want.usage.Prompt {
		t.Errorf("as text %q (%d), as tokens %q (%d)", want.texts[0], want.usage.Prompt, got.texts[0], got.usage.Prompt)
	}
}

func untrustedControl(t *testing.T, s *suite) {
	t.Helper()
	if s.opt.Control == "" {
		t.Skip("the runtime has no control tokens")
	}
	tok := as[engine.Tokenizer](t, s)
	ids := func(trusted bool) []int {
		list, err := tok.Tokenize(t.Context(), engine.Prompt{Segments: []engine.Segment{{Text: s.opt.Control, Trusted: trusted}}})
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	trusted, plain := ids(true), ids(false)
	if len(trusted) != 1 {
		t.Errorf("trusted text became %v, want one token", trusted)
	}
	if slices.Contains(plain, trusted[0]) {
		t.Errorf("untrusted text became the control token: %v", plain)
	}
	out, err := tok.Detokenize(t.Context(), plain)
	if err != nil || string(out) != s.opt.Control {
		t.Errorf("untrusted text became %q, %v", out, err)
	}
}

func grammarObeyed(t *testing.T, s *suite) {
	t.Helper()
	if s.opt.Grammar == "" {
		t.Skip("no grammar is given for this runtime")
	}
	for seed := range int64(3) {
		req := s.seeded(seed)
		req.IgnoreEOS, req.MaxTokens = false, 64
		req.Constraint = engine.Constraint{Kind: core.FormatGBNF, Source: s.opt.Grammar}
		a := s.good(t, req)
		if a.finish[0] == core.FinishStop && !s.opt.Matches.MatchString(a.texts[0]) {
			t.Errorf("the answer %q does not match %s", a.texts[0], s.opt.Matches)
		}
	}
}

func textRefusesEmbeddings(t *testing.T, s *suite) {
	t.Helper()
	if slices.Contains(s.m.Facts().Capabilities, core.CapEmbed) {
		t.Skip("this model does both")
	}
	e, ok := s.m.(engine.Embedder)
	if !ok {
		return
	}
	_, _, err := e.Embed(t.Context(), []engine.Prompt{text("x")})
	wantCode(t, err, core.CodeUnsupported)
}

func embeddingCases() []testCase {
	return []testCase{
		{"vectors have unit length", vectorsHaveUnitLength},
		{"vectors repeat and differ", vectorsRepeat},
		{"embedding models refuse text", embeddingRefusesText},
		{"too long an input names both numbers", embeddingExceeded},
	}
}

func (s *suite) embed(t *testing.T, in ...string) [][]float32 {
	t.Helper()
	var prompts []engine.Prompt
	n := 0
	for _, str := range in {
		prompts = append(prompts, text(str))
		n += len(s.tokensOf(t, str))
	}
	v, usage, err := as[engine.Embedder](t, s).Embed(t.Context(), prompts)
	if err != nil {
		t.Fatal(err)
	}
	if len(v) != len(in) {
		t.Fatalf("%d vectors for %d inputs", len(v), len(in))
	}
	if usage.Prompt != n || usage.Completion != 0 {
		t.Errorf("usage %+v for %d tokens", usage, n)
	}
	return v
}

func vectorsHaveUnitLength(t *testing.T, s *suite) {
	t.Helper()
	for _, v := range s.embed(t, "a cat", "a dog sat on the mat and slept", "東京") {
		if len(v) != s.m.Facts().Dimensions {
			t.Errorf("length %d, the facts say %d", len(v), s.m.Facts().Dimensions)
		}
		sum := 0.0
		for _, x := range v {
			sum += float64(x) * float64(x)
		}
		if !(math.Abs(math.Sqrt(sum)-1) < 1e-3) {
			t.Errorf("the vector has length %v", math.Sqrt(sum))
		}
	}
}

func cosine(a, b []float32) float64 {
	sum := 0.0
	for i := range min(len(a), len(b)) {
		sum += float64(a[i]) * float64(b[i])
	}
	return sum
}

func vectorsRepeat(t *testing.T, s *suite) {
	t.Helper()
	v := s.embed(t, "a cat sat on the mat", "a cat sat on the mat", "quantum chromodynamics lecture")
	again := s.embed(t, "a cat sat on the mat")
	if c := cosine(v[0], v[1]); c < 0.9999 {
		t.Errorf("the same text twice in one batch: cosine %v", c)
	}
	if c := cosine(v[0], again[0]); c < 0.999 {
		t.Errorf("the same text in another batch: cosine %v", c)
	}
	if c := cosine(v[0], v[2]); c > 0.999 {
		t.Errorf("different texts have cosine %v", c)
	}
}

func embeddingRefusesText(t *testing.T, s *suite) {
	t.Helper()
	g, ok := s.m.(engine.Generator)
	if !ok {
		return
	}
	_, err := g.Generate(t.Context(), s.request(1))
	wantCode(t, err, core.CodeUnsupported)
}

func embeddingExceeded(t *testing.T, s *suite) {
	t.Helper()
	p, n := s.long(t, s.m.Facts().Context+1)
	_, _, err := as[engine.Embedder](t, s).Embed(t.Context(), []engine.Prompt{p})
	wantTooLong(t, err, core.Overflow{Prompt: n, Context: s.m.Facts().Context})
}
