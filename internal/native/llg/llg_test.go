package llg

import (
	"errors"
	"os"
	"slices"
	"sync"
	"testing"

	"ashatai/internal/native"
)

// library opens the library that set-up installed, once for all tests.
func library(t *testing.T) *Library {
	t.Helper()
	lib, err := opened()
	if err != nil {
		t.Fatal(err)
	}
	if lib == nil {
		t.Skip("ASHATAI_TEST_LLG is not set; make test sets it")
	}
	return lib
}

// letters is a vocabulary of single bytes, some words, a start and two ends.
func letters() Vocabulary {
	v := Vocabulary{Ends: []Token{257, 258}}
	for b := range 256 {
		v.Tokens = append(v.Tokens, []byte{byte(b)})
	}
	v.Tokens = append(v.Tokens, []byte("<s>"), []byte("</s>"), []byte("<end>"), []byte("true"), []byte("tr"), []byte("false"), nil)
	v.Special = make([]bool, len(v.Tokens))
	v.Special[256], v.Special[257], v.Special[258] = true, true, true
	v.Tokenize = func(text []byte) []Token {
		var out []Token
		for _, b := range text {
			out = append(out, Token(b))
		}
		return out
	}
	return v
}

const (
	tokTrue, tokTr, tokFalse, tokEmpty = 259, 260, 261, 262
)

func matcher(t *testing.T, lark string) *Matcher {
	t.Helper()
	tok, err := library(t).NewTokenizer(letters())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tok.Close)
	m, err := tok.NewMatcher(lark, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

// allowed lists the tokens of m's mask.
func allowed(t *testing.T, m *Matcher) []Token {
	t.Helper()
	mask := make([]uint32, m.tok.MaskWords())
	if err := m.Mask(mask); err != nil {
		t.Fatal(err)
	}
	var out []Token
	for i := range m.tok.Len() {
		if mask[i/32]&(1<<(i%32)) != 0 {
			out = append(out, Token(i))
		}
	}
	return out
}

func TestMissingAndForeignLibraries(t *testing.T) {
	if _, err := Lock(); err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	if _, err := Open(dir); !errors.Is(err, native.ErrMissing) {
		t.Errorf("an empty folder: %v", err)
	}
	if err := os.WriteFile(dir+"/"+file, []byte("no library"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir); !errors.Is(err, native.ErrMismatch) {
		t.Errorf("another file: %v", err)
	}
}

// opened opens the library once: a process can do so only once.
var opened = sync.OnceValues(func() (*Library, error) {
	dir := os.Getenv("ASHATAI_TEST_LLG")
	if dir == "" {
		return nil, nil
	}
	return Open(dir)
})

func TestMasksFollowTheGrammar(t *testing.T) {
	m := matcher(t, `start: "true" | "try" | /[0-9]{2}/`)
	want := append([]Token{}, '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 't', tokTrue, tokTr)
	if got := allowed(t, m); !slices.Equal(got, want) {
		t.Fatalf("at the start %v", got)
	}
	if err := m.Consume(tokTr); err != nil {
		t.Fatal(err)
	}
	if got := allowed(t, m); !slices.Equal(got, []Token{'u', 'y'}) {
		t.Fatalf("after tr %v", got)
	}
	if n, err := m.Validate([]Token{'u', 'e', 'e'}); err != nil || n != 2 {
		t.Errorf("a draft with one token too many: %d, %v", n, err)
	}
	if err := m.Consume('u', 'e'); err != nil {
		t.Fatal(err)
	}
	if !m.Accepting() || !m.Stopped() || m.Failure() != nil {
		t.Errorf("at the end: accepting %v, stopped %v, %v", m.Accepting(), m.Stopped(), m.Failure())
	}
	if got := allowed(t, m); !slices.Equal(got, []Token{257, 258}) {
		t.Errorf("at the end %v", got)
	}
	if err := m.Rollback(2); err != nil {
		t.Fatal(err)
	}
	if got := allowed(t, m); !slices.Equal(got, []Token{'u', 'y'}) {
		t.Errorf("after a step back %v", got)
	}
}

func TestForcedText(t *testing.T) {
	m := matcher(t, `start: "{\"a\": " /[0-9]+/ "}"`)
	got, err := m.Forced(nil, 64)
	if err != nil || string(bytesOf(got)) != `{"a": ` {
		t.Fatalf("%q, %v", bytesOf(got), err)
	}
	if short, err := m.Forced(nil, 2); err != nil || len(short) != 2 {
		t.Errorf("two of them: %v, %v", short, err)
	}
	if none, err := m.Forced(nil, 0); err != nil || len(none) != 0 {
		t.Errorf("none of them: %v, %v", none, err)
	}
	if err := m.Consume(got...); err != nil {
		t.Fatal(err)
	}
	if got, err = m.Forced(nil, 64); err != nil || len(got) != 0 {
		t.Errorf("where the grammar leaves a choice: %v, %v", got, err)
	}
}

func bytesOf(tokens []Token) []byte {
	var out []byte
	for _, t := range tokens {
		out = append(out, letters().Tokens[t]...)
	}
	return out
}

func TestClonesGoTheirOwnWays(t *testing.T) {
	m := matcher(t, `start: "ab" | "ac"`)
	if err := m.Consume('a'); err != nil {
		t.Fatal(err)
	}
	c := m.Clone()
	defer c.Close()
	if err := c.Consume('b'); err != nil {
		t.Fatal(err)
	}
	if got := allowed(t, m); !slices.Equal(got, []Token{'b', 'c'}) || !c.Stopped() {
		t.Errorf("%v, %v", got, c.Stopped())
	}
}

func TestAWrongTokenEndsTheMatcher(t *testing.T) {
	m := matcher(t, `start: "a"`)
	if err := m.Consume('b'); !errors.Is(err, ErrGrammar) {
		t.Fatalf("%v", err)
	}
	if err := m.Mask(make([]uint32, m.tok.MaskWords())); !errors.Is(err, ErrGrammar) {
		t.Errorf("a mask after it: %v", err)
	}
	if _, err := m.Validate([]Token{'a'}); err == nil {
		t.Error("a draft after it was taken")
	}
	if _, err := m.Forced(nil, 1); err == nil && m.Failure() == nil {
		t.Error("text was forced after it")
	}
	if err := m.Rollback(1); err == nil {
		t.Error("a step back after it was made")
	}
}

func TestBadGrammarsAndVocabularies(t *testing.T) {
	lib := library(t)
	tok, err := lib.NewTokenizer(letters())
	if err != nil {
		t.Fatal(err)
	}
	defer tok.Close()
	for _, bad := range []string{"", "start", "start: other", `begin: "a"`, "start: /(/", "start: \x00", `start: %json {"type":"strange"}`} {
		if m, err := tok.NewMatcher(bad, Limits{}); !errors.Is(err, ErrGrammar) {
			t.Errorf("%q: %v, %v", bad, m, err)
		}
	}
	small := Limits{InitialFuel: 100, LexerStates: 100, NoPrecompute: true}
	if _, err := tok.NewMatcher(`start: /(a|b)*c[d-f]{200}(g|h){300}/ & ~/.*aaa.*/`, small); !errors.Is(err, ErrGrammar) {
		t.Errorf("a grammar over its limits: %v", err)
	}
	none, wrong := letters(), letters()
	none.Ends = nil
	wrong.Ends = []Token{100000}
	for _, v := range []Vocabulary{none, wrong, {}} {
		if _, err := lib.NewTokenizer(v); !errors.Is(err, ErrTokenizer) {
			t.Errorf("%d tokens, ends %v: %v", len(v.Tokens), v.Ends, err)
		}
	}
	if len(lib.texts) != 1 {
		t.Errorf("%d callbacks are kept for one tokenizer", len(lib.texts))
	}
	tok.Close()
	if got := lib.callTokenize(1<<40, nil, 3, nil, 0); got != 0 {
		t.Errorf("a tokenizer that is gone gave %d tokens", got)
	}
}
