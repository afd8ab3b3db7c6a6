package llama

import (
	"errors"
	"math"
	"runtime"
)

// ErrGrammar is returned for a grammar that the library cannot parse.
var ErrGrammar = errors.New("grammar not understood")

// Grammar keeps a generation inside a GBNF grammar. The caller closes it.
type Grammar struct {
	lib *Library
	ptr uintptr
	one []TokenData
}

// NewGrammar parses a GBNF grammar with the start rule "root".
func (v *Vocab) NewGrammar(gbnf string) (*Grammar, error) {
	if gbnf == "" {
		return nil, ErrGrammar
	}
	v.lib.log.take()
	ptr := v.lib.fn.SamplerInitGrammar(v.ptr, gbnf, "root")
	if ptr == 0 {
		return nil, ErrGrammar
	}
	return &Grammar{lib: v.lib, ptr: ptr, one: make([]TokenData, 1)}, nil
}

// Close frees the grammar.
func (g *Grammar) Close() {
	if g.ptr != 0 {
		g.lib.fn.SamplerFree(g.ptr)
		g.ptr = 0
	}
}

// Allows reports whether t may come next.
func (g *Grammar) Allows(t Token) bool {
	g.one[0] = TokenData{ID: t}
	g.Mask(g.one)
	return !math.IsInf(float64(g.one[0].Logit), -1)
}

// Mask sets the logit of every candidate that may not come next to negative infinity.
func (g *Grammar) Mask(c []TokenData) {
	var pin runtime.Pinner
	pin.Pin(&c[0])
	defer pin.Unpin()
	arr := cTokenDataArray{Data: &c[0], Size: uint64(len(c)), Selected: -1}
	g.lib.fn.SamplerApply(g.ptr, &arr)
}

// Accept advances the grammar by t, which Allows must have allowed.
func (g *Grammar) Accept(t Token) { g.lib.fn.SamplerAccept(g.ptr, t) }
