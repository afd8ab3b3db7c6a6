package guide

import (
	"ashatai/internal/core"
	"ashatai/internal/engine/llamacpp/guide/gbnf"
	"ashatai/internal/engine/sample"
	"ashatai/internal/native/llama"
)

// GBNF follows one text through a grammar in llama.cpp's own language, which llama.cpp itself enforces: without forced text and
// drafts, and one token after the other. It belongs to one goroutine. Its owner closes it.
type GBNF struct {
	*llama.Grammar

	data []llama.TokenData
}

// NewGBNF reads a grammar with the start rule "root". Errors: CodeInvalidRequest.
func NewGBNF(v *llama.Vocab, source string) (*GBNF, error) {
	if bad := gbnf.Check(source); bad != nil {
		return nil, badGrammar(at(source, bad.Offset) + ": " + bad.Reason)
	}
	g, err := v.NewGrammar(source)
	if err != nil {
		e := core.Wrap(core.CodeInvalidRequest, err, "The grammar cannot be enforced: llama.cpp refuses it and does not say why. A control token in it, such as <end>, may be none that this model has.")
		e.Param = param
		return nil, e
	}
	return &GBNF{Grammar: g}, nil
}

// Mask implements sample.Constraint.
func (g *GBNF) Mask(candidates []sample.Candidate) {
	g.data = g.data[:0]
	for _, c := range candidates {
		g.data = append(g.data, llama.TokenData{ID: c.ID, Logit: c.Logit})
	}
	g.Grammar.Mask(g.data)
	for i := range candidates {
		candidates[i].Logit = g.data[i].Logit
	}
}
