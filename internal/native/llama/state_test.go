package llama

import (
	"slices"
	"strings"
	"testing"
)

// TestSequenceStateTravels: a saved sequence goes on in another sequence of another context exactly as the original does,
// also when only a part of it is kept.
func TestSequenceStateTravels(t *testing.T) {
	m := load(t)
	a, b := context(t, m, nil), context(t, m, nil)
	tokens, err := m.Vocab.Tokenize(strings.Repeat("One two three four five six seven eight nine ten. ", 10), false)
	if err != nil {
		t.Fatal(err)
	}
	feed(t, a, tokens, 1, 64)
	state := make([]byte, a.SeqSize(1))
	if n := a.SaveSeq(1, state); n != len(state) {
		t.Fatalf("%d bytes written, %d announced", n, len(state))
	}
	again := make([]byte, len(state))
	if a.SaveSeq(1, again); !slices.Equal(state, again) {
		t.Error("saving twice gives different bytes")
	}
	feed(t, b, tokens[:9], 3, 64) // must go
	if !b.LoadSeq(3, state) || b.Length(3) != len(tokens) {
		t.Fatalf("%d tokens after loading, want %d: %s", b.Length(3), len(tokens), m.lib.Warnings())
	}
	for _, keep := range []int{len(tokens), 70} {
		if !a.Truncate(1, keep) || !b.Truncate(3, keep) {
			t.Fatal("truncate refused")
		}
		want, got := extend(t, a, tokens[:8], keep, 1), extend(t, b, tokens[:8], keep, 3)
		if !slices.Equal(want, got) {
			t.Errorf("the loaded sequence of %d tokens goes on differently", keep)
		}
	}
}

// extend computes tokens behind the pos ones that seq holds, and returns the last logits.
func extend(t *testing.T, c *Context, tokens []Token, pos, seq int) []float32 {
	t.Helper()
	rows := NewBatch(len(tokens))
	defer rows.Close()
	last := 0
	for i, tok := range tokens {
		last = rows.Add(tok, pos+i, seq, i == len(tokens)-1)
	}
	if s := c.Decode(rows); s != DecodeOK {
		t.Fatalf("decode: %d", s)
	}
	return slices.Clone(c.Logits(last))
}

func TestSequenceStateThatDoesNotFit(t *testing.T) {
	m := load(t)
	c := context(t, m, nil)
	tokens, err := m.Vocab.Tokenize("One two three four five six seven eight nine ten", false)
	if err != nil {
		t.Fatal(err)
	}
	feed(t, c, tokens, 0, 64)
	state := make([]byte, c.SeqSize(0))
	c.SaveSeq(0, state)
	empty := make([]byte, c.SeqSize(1))
	c.SaveSeq(1, empty)

	if c.SaveSeq(0, nil) != 0 || c.SaveSeq(0, state[:10:10]) != 0 {
		t.Error("a state was written into too little room")
	}
	for name, bad := range map[string][]byte{
		"none": nil, "cut": state[:len(state)/2], "longer": append(slices.Clone(state), 0), "text": []byte(strings.Repeat("no state", 99)),
	} {
		feed(t, c, tokens, 2, 64)
		if c.LoadSeq(2, bad) {
			t.Errorf("%s: loaded", name)
		}
		if n := c.Length(2); n != 0 {
			t.Errorf("%s: %d tokens are left", name, n)
		}
	}
	feed(t, c, tokens, 2, 64)
	if !c.LoadSeq(2, empty) || c.Length(2) != 0 {
		t.Errorf("loading an empty state leaves %d tokens", c.Length(2))
	}
	m.lib.Warnings()
}
