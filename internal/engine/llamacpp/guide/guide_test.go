package guide

import (
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"ashatai/internal/core"
	"ashatai/internal/engine"
	"ashatai/internal/engine/sample"
	"ashatai/internal/native/llama"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var shared = sync.OnceValue(func() *Library { return NewLibrary(os.Getenv("ASHATAI_TEST_LLG")) })

// realModel is the default model's vocabulary. It stays open: its tokenizer is used.
var realModel = sync.OnceValues(func() (*llama.Vocab, error) {
	lib, err := llama.Open(os.Getenv("ASHATAI_TEST_LIB"))
	if err != nil {
		return nil, err
	}
	p := lib.ModelDefaults()
	p.VocabOnly = true
	m, err := lib.LoadModel(os.Getenv("ASHATAI_TEST_MODEL"), p)
	if err != nil {
		return nil, err
	}
	return m.Vocab, nil
})

// realVocabulary is that of the default model.
var realVocabulary = sync.OnceValues(func() (Vocabulary, error) {
	v, err := realModel()
	if err != nil {
		return Vocabulary{}, err
	}
	return FromLlama(v), nil
})

func need(t *testing.T, names ...string) {
	t.Helper()
	for _, n := range names {
		if os.Getenv(n) == "" {
			t.Skipf("%s is not set; make test sets it", n)
		}
	}
}

// maker is one for the default model's vocabulary.
func maker(t *testing.T) (*Maker, Vocabulary) {
	t.Helper()
	need(t, "ASHATAI_TEST_LLG", "ASHATAI_TEST_LIB", "ASHATAI_TEST_MODEL")
	v, err := realVocabulary()
	if err != nil {
		t.Fatal(err)
	}
	m := shared().NewMaker(func() Vocabulary { return v })
	t.Cleanup(m.Close)
	return m, v
}

func start(t *testing.T, m *Maker, kind core.FormatKind, source string) *Guide {
	t.Helper()
	g, err := m.New(t.Context(), "a", engine.Constraint{Kind: kind, Source: source})
	if err != nil {
		t.Fatalf("%s: %v", source, err)
	}
	t.Cleanup(g.Close)
	return g
}

// model gives random logits, higher for the ends of things, so that texts are short and strange.
type model struct {
	rng  *rand.Rand
	bias []float32
}

// noise is where the logits come from: a new place in it at every step.
var noise = sync.OnceValue(func() []float32 {
	rng := rand.New(rand.NewPCG(7, 7))
	out := make([]float32, 1<<18)
	for i := range out {
		out[i] = float32(rng.NormFloat64()) * 2
	}
	return out
})

func newModel(v Vocabulary, seed uint64) *model {
	return &model{rng: rand.New(rand.NewPCG(seed, 1)), bias: biases(v)}
}

func biases(v Vocabulary) []float32 {
	bias := make([]float32, len(v.Pieces))
	for i, p := range v.Pieces {
		s := string(p)
		switch {
		case strings.ContainsAny(s, `"]}`):
			bias[i] = 4
		case strings.ContainsAny(s, `,\[{`):
			bias[i] = -1
		}
	}
	for _, e := range v.Ends {
		bias[e] = 8
	}
	return bias
}

func (m *model) logits(dst []float32) {
	from := noise()[m.rng.IntN(len(noise())-len(dst)):]
	for i := range dst {
		dst[i] = from[i] + m.bias[i]
	}
}

// write lets the fake model write one text at temperature 1.5. complete is false when it was cut off at limit tokens.
func write(t *testing.T, g *Guide, v Vocabulary, seed uint64, limit int) (text string, complete bool) {
	t.Helper()
	m := newModel(v, seed)
	s := sample.New(engine.Sampling{Temperature: 1.5, TopK: 64, TopP: 1, TypicalP: 1, RepeatPenalty: 1, Seed: int64(seed)}, 0, nil, limit, g)
	logits := make([]float32, len(v.Pieces))
	var out []byte
	for n := 0; n < limit; {
		for _, f := range g.Forced(limit) {
			out = append(out, v.Pieces[f]...)
			n++
		}
		if g.Done() {
			return string(out), true
		}
		g.Prepare()
		m.logits(logits)
		tok, ok := s.Sample(logits)
		if !ok {
			t.Fatalf("no token is allowed after %q: %v", out, g.Err())
		}
		n++
		if slices.Contains(v.Ends, tok) {
			return string(out), true
		}
		out = append(out, v.Pieces[tok]...)
	}
	return string(out), false
}

// TestMasksAreWhatTheGrammarSays compares whole masks with a search through the vocabulary.
func TestMasksAreWhatTheGrammarSays(t *testing.T) {
	m, v := maker(t)
	for _, c := range []struct {
		kind   core.FormatKind
		source string
		texts  []string // all texts of the grammar
	}{
		{core.FormatRegex, `yes|no|maybe not`, []string{"yes", "no", "maybe not"}},
		{core.FormatSchema, `{"enum":["red","green",12,null,{"a":[1,true]}]}`, []string{`"red"`, `"green"`, "12", "null", `{"a": [1, true]}`}},
		{
			core.FormatSchema, `{"type":"object","properties":{"a":{"type":"boolean"},"b":{"const":"x"}},"required":["b"]}`,
			[]string{`{"a": true, "b": "x"}`, `{"a": false, "b": "x"}`, `{"b": "x"}`},
		},
		{core.FormatLark, `start: "a" b | "the end"` + "\n" + `b: "b" "c"?`, []string{"ab", "abc", "the end"}},
	} {
		g := start(t, m, c.kind, c.source)
		var walk func(prefix string)
		logits := make([]float32, len(v.Pieces))
		walk = func(prefix string) {
			clear(logits)
			g.MaskLogits(logits)
			var next []Token
			// Where all texts go on alike, the mask has the model's own token for it and not each piece of it.
			forced, seen := !slices.Contains(c.texts, prefix), map[byte]bool{}
			for _, text := range c.texts {
				if strings.HasPrefix(text, prefix) && len(text) > len(prefix) {
					seen[text[len(prefix)]] = true
				}
			}
			forced = forced && len(seen) == 1
			for i, p := range v.Pieces {
				id := Token(i)
				want := slices.ContainsFunc(c.texts, func(s string) bool {
					return !v.Special[i] && len(p) > 0 && strings.HasPrefix(s, prefix+string(p))
				}) || slices.Contains(v.Ends, id) && slices.Contains(c.texts, prefix)
				got := !math.IsInf(float64(logits[i]), -1)
				if got && !want || got != want && !forced || g.Allows(id) != got {
					t.Fatalf("%s: after %q token %q (%d): %v, want %v", c.source, prefix, p, i, got, want)
				}
				if got && !v.Special[i] {
					next = append(next, id)
				}
			}
			if len(next) == 0 && !slices.Contains(c.texts, prefix) {
				t.Fatalf("%s: nothing is allowed after %q", c.source, prefix)
			}
			for _, n := range next[:min(len(next), 12)] {
				g.Accept(n)
				walk(prefix + string(v.Pieces[n]))
				g.Back(1)
				if err := g.Err(); err != nil {
					t.Fatal(err)
				}
			}
		}
		walk("")
	}
}

func TestForcedTextIsTheModelsOwnTokens(t *testing.T) {
	m, v := maker(t)
	g := start(t, m, core.FormatSchema, `{"type":"object","properties":{"full_name":{"type":"string"},"age":{"type":"integer"}},"required":["full_name","age"]}`)
	var b strings.Builder
	for _, f := range g.Forced(100) {
		b.Write(v.Pieces[f])
	}
	text := b.String()
	if !strings.HasPrefix(`{"full_name": "`, text) || len(text) < 10 {
		t.Errorf("forced at the start: %q", text)
	}
	if got := g.Forced(100); len(got) != 0 {
		t.Errorf("forced again: %v", got)
	}
}

func TestFailuresAreErrors(t *testing.T) {
	m, v := maker(t)
	g := start(t, m, core.FormatRegex, `yes`)
	other := g.Clone()
	defer other.Close()
	g.Accept(v.Ends[0])
	if core.CodeOf(g.Err()) != core.CodeInvalidRequest || g.Done() || g.Complete() || g.Allows(0) {
		t.Errorf("a token that was not allowed: %v, done %v", g.Err(), g.Done())
	}
	logits := make([]float32, len(v.Pieces))
	g.MaskLogits(logits)
	if slices.ContainsFunc(logits, func(l float32) bool { return l == 0 }) {
		t.Error("a guide that failed allows tokens")
	}
	g.Back(1)
	g.Accept(5)
	g.Prepare()
	if g.Forced(3) != nil || g.Valid([]Token{1}) != 0 {
		t.Error("a guide that failed forces tokens")
	}
	if got := other.Valid(ids(t, v, "yes")); got != len(ids(t, v, "yes")) || other.Err() != nil {
		t.Errorf("its clone takes %d tokens: %v", got, other.Err())
	}
}

func ids(t *testing.T, v Vocabulary, text string) []Token {
	t.Helper()
	out, err := v.Tokenize(text)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestGuidesOutliveTheirMaker(t *testing.T) {
	m, v := maker(t)
	g := start(t, m, core.FormatRegex, `yes|no`)
	g.Prepare()
	m.Close()
	m.Close()
	if _, err := m.New(t.Context(), "a", engine.Constraint{Kind: core.FormatJSON}); core.CodeOf(err) != core.CodeUnavailable {
		t.Errorf("a closed maker: %v", err)
	}
	if text, ok := write(t, g, v, 1, 10); !ok || text != "yes" && text != "no" {
		t.Errorf("%q", text)
	}
	if m.tok == nil {
		t.Fatal("the vocabulary was freed while a guide was open")
	}
	g.Prepare()
	g.Close()
	g.Close()
	if m.tok != nil || m.recent != nil {
		t.Error("the last guide's end freed nothing")
	}
	if !errors.Is(g.Err(), errClosed) {
		t.Errorf("%v", g.Err())
	}
}

func TestGrammarsAreKeptPerTenant(t *testing.T) {
	m, _ := maker(t)
	c := engine.Constraint{Kind: core.FormatRegex, Source: "a+"}
	for range 3 {
		for _, tenant := range []string{"a", "b"} {
			g, err := m.New(t.Context(), tenant, c)
			if err != nil {
				t.Fatal(err)
			}
			g.Close()
		}
	}
	if len(m.recent) != 2 {
		t.Errorf("%d grammars are kept for two tenants", len(m.recent))
	}
	for i := range 2 * maxRecent {
		g, err := m.New(t.Context(), "a", engine.Constraint{Kind: core.FormatRegex, Source: strings.Repeat("b", i+1)})
		if err != nil {
			t.Fatal(err)
		}
		g.Close()
	}
	if len(m.recent) != maxRecent {
		t.Errorf("%d grammars are kept", len(m.recent))
	}
	for range maxUses + 3 {
		g, err := m.New(t.Context(), "a", c)
		if err != nil {
			t.Fatal(err)
		}
		g.Close()
	}
	if i := m.find("a", c); i < 0 || m.recent[i].uses > maxUses {
		t.Error("a grammar that was used often is not read anew")
	}
}

func TestMissingLibraryIsASentence(t *testing.T) {
	l := NewLibrary(t.TempDir())
	if v, missing := l.Probe(); v != "" || !strings.Contains(missing, "make setup") {
		t.Errorf("%q, %q", v, missing)
	}
	m := l.NewMaker(func() Vocabulary { t.Error("the vocabulary was read"); return Vocabulary{} })
	defer m.Close()
	if _, err := m.New(t.Context(), "a", engine.Constraint{Kind: core.FormatJSON}); core.CodeOf(err) != core.CodeUnavailable {
		t.Errorf("%v", err)
	}
	if err := m.Warm(); core.CodeOf(err) != core.CodeUnavailable {
		t.Errorf("%v", err)
	}
}

func TestProbe(t *testing.T) {
	need(t, "ASHATAI_TEST_LLG")
	if v, missing := shared().Probe(); !strings.Contains(v, "llguidance@") || missing != "" {
		t.Errorf("%q, %q", v, missing)
	}
	if d, err := folder(""); err != nil || !strings.HasSuffix(d, "llguidance") {
		t.Errorf("%s, %v", d, err)
	}
}

func TestCandidatesAreMasked(t *testing.T) {
	m, v := maker(t)
	g := start(t, m, core.FormatRegex, "[ab]")
	c := []sample.Candidate{{ID: ids(t, v, "a")[0]}, {ID: ids(t, v, "c")[0]}, {ID: -1}, {ID: Token(len(v.Pieces) + 1000)}}
	g.Mask(c)
	for i, x := range c {
		if got := math.IsInf(float64(x.Logit), -1); got != (i > 0) {
			t.Errorf("candidate %d: masked %v", i, got)
		}
	}
	long := make([]float32, len(v.Pieces)+100)
	g.MaskLogits(long)
	if !math.IsInf(float64(long[len(long)-1]), -1) {
		t.Error("a logit beyond the vocabulary is allowed")
	}
}

// TestTextIsSplitAsTheModelWould has tokenizers with habits.
func TestTextIsSplitAsTheModelWould(t *testing.T) {
	v := Vocabulary{Pieces: [][]byte{[]byte(" a"), []byte("a"), []byte("b"), []byte("ab"), []byte("\n"), []byte(" \n"), []byte("<s>"), nil, []byte("é")}}
	v.Special = make([]bool, len(v.Pieces))
	v.Special[6] = true
	for name, c := range map[string]struct {
		tokenize func(string) ([]Token, error)
		want     []uint32
	}{
		"as it is": {func(string) ([]Token, error) { return []Token{3}, nil }, []uint32{3}},
		"a space in front": {func(s string) ([]Token, error) {
			if strings.HasPrefix(s, "\n") {
				return []Token{5, 3}, nil
			}
			return []Token{0, 2}, nil
		}, []uint32{3}},
		"nothing fits": {func(string) ([]Token, error) { return []Token{0, 0}, nil }, []uint32{3}},
		"an error":     {func(string) ([]Token, error) { return nil, errors.New("no") }, []uint32{3}},
	} {
		v.Tokenize = c.tokenize
		if got := vocabulary(v).Tokenize([]byte("ab")); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v", name, got)
		}
	}
	if got := vocabulary(v).Tokenize([]byte("b?é")); !slices.Equal(got, []uint32{2, 8}) {
		t.Errorf("a byte that no token has: %v", got)
	}
}

// TestTheBestAllowedToken: one look at the logits finds what masking them first would leave as the best.
func TestTheBestAllowedToken(t *testing.T) {
	m, v := maker(t)
	g := start(t, m, core.FormatSchema, `{"type":"object","properties":{"name":{"type":"string"},"ok":{"type":"boolean"}},"required":["name","ok"],"additionalProperties":false}`)
	fake, logits := newModel(v, 3), make([]float32, len(v.Pieces))
	for range 60 {
		if g.Forced(64); g.Done() {
			break
		}
		fake.logits(logits)
		best, ok := g.Best(logits)
		g.MaskLogits(logits)
		if want, most := sample.Best(logits); best != want || ok == math.IsInf(float64(most), -1) {
			t.Fatalf("%d (%v), want %d", best, ok, want)
		}
		g.Accept(best)
	}
	none := make([]float32, len(v.Pieces))
	for i := range none {
		none[i] = float32(math.Inf(-1))
	}
	if _, ok := g.Best(none); ok {
		t.Error("there is a best token where none may come")
	}
}

// TestLikelyTokens: where only the division of the coming bytes into tokens is open, the token that all others begin with.
func TestLikelyTokens(t *testing.T) {
	m, v := maker(t)
	piece := func(id Token) []byte {
		if v.Special[id] {
			return nil
		}
		return v.Pieces[id]
	}
	for _, c := range []struct {
		kind         core.FormatKind
		source, want string
	}{
		{core.FormatSchema, `{"type":"object","properties":{"name":{"type":"string"}},"required":["name"],"additionalProperties":false}`, ` "`},
		{core.FormatSchema, `{"type":"object","properties":{"n":{"type":"array","items":{"type":"integer"},"minItems":1}},"required":["n"],"additionalProperties":false}`, ` [`},
		{core.FormatSchema, `{"type":"string"}`, `"`},
		{core.FormatSchema, `{"type":"boolean"}`, ""}, // two bytes may come
		{core.FormatRegex, `a*`, ""},                  // the text may end
	} {
		g := start(t, m, c.kind, c.source)
		g.Forced(64)
		id, ok := g.Likely(piece)
		if got := string(v.Pieces[id]); ok != (c.want != "") || ok && (!strings.HasPrefix(got, c.want) || !g.Allows(id)) {
			t.Errorf("%s: %q, %v; want %q", c.source, got, ok, c.want)
		}
	}
}
