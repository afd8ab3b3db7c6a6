// Package tokens turns prompts into tokens. It decides which texts count as control tokens, and leaves the others to a library.
package tokens

import (
	"cmp"
	"slices"
	"strings"
	"unicode"

	"ashatai/internal/core"
	"ashatai/internal/engine"
	"ashatai/internal/native/llama"
)

// Vocab is what a library does.
type Vocab interface {
	Len() int
	Specials() []llama.Special
	Tokenize(text string, addSpecial bool) ([]llama.Token, error)
}

// Marks are the tokens that a model wants around a text.
type Marks struct {
	AddBOS, AddEOS bool
	BOS, EOS       llama.Token
}

// Tokenizer turns prompts into tokens. Control tokens are recognised in trusted text only, so the library, which would
// recognise them everywhere or nowhere, gets the plain text between them.
type Tokenizer struct {
	vocab Vocab
	marks Marks
	first [256][]llama.Special // by first byte, longest text first
}

// New makes a tokenizer of a vocabulary.
func New(v Vocab, m Marks) *Tokenizer {
	t := &Tokenizer{vocab: v, marks: m}
	for _, s := range v.Specials() {
		t.first[s.Text[0]] = append(t.first[s.Text[0]], s)
	}
	for _, list := range t.first {
		slices.SortFunc(list, func(a, b llama.Special) int { return cmp.Compare(len(b.Text), len(a.Text)) })
	}
	return t
}

// Tokens returns the ids of a prompt.
func (t *Tokenizer) Tokens(p engine.Prompt) ([]llama.Token, error) {
	if p.Tokens != nil {
		return t.Check(p.Tokens)
	}
	text, trusted := join(p.Segments)
	parts := t.split(text, trusted)
	if len(parts) == 1 && parts[0].special == nil {
		return t.plain(parts[0].text, p.AddSpecial)
	}
	var out []llama.Token
	if p.AddSpecial && t.marks.AddBOS && (len(parts) == 0 || parts[0].special == nil || parts[0].special.Token != t.marks.BOS) {
		out = append(out, t.marks.BOS)
	}
	for _, part := range parts {
		if part.special != nil {
			out = append(out, part.special.Token)
			continue
		}
		ids, err := t.plain(part.text, false)
		if err != nil {
			return nil, err
		}
		out = append(out, ids...)
	}
	if p.AddSpecial && t.marks.AddEOS {
		out = append(out, t.marks.EOS)
	}
	return out, nil
}

func (t *Tokenizer) plain(text string, addSpecial bool) ([]llama.Token, error) {
	ids, err := t.vocab.Tokenize(text, addSpecial)
	if err != nil {
		return nil, core.Wrap(core.CodeInvalidRequest, err, "The prompt could not be turned into tokens of this model.")
	}
	return ids, nil
}

// Check bounds token ids that came from outside.
func (t *Tokenizer) Check(ids []int) ([]llama.Token, error) {
	out := make([]llama.Token, len(ids))
	for i, id := range ids {
		if id < 0 || id >= t.vocab.Len() {
			return nil, core.Invalid("prompt", "Token %d is %d; this model's tokens are 0 to %d.", i, id, t.vocab.Len()-1)
		}
		out[i] = llama.Token(id) //nolint:gosec // checked
	}
	return out, nil
}

// span is a half-open range of bytes.
type span struct{ from, to int }

// join concatenates the segments and returns where the trusted ones are, neighbours merged.
func join(segs []engine.Segment) (string, []span) {
	var b strings.Builder
	var trusted []span
	for _, s := range segs {
		from := b.Len()
		b.WriteString(s.Text)
		if !s.Trusted || s.Text == "" {
			continue
		}
		if n := len(trusted); n > 0 && trusted[n-1].to == from {
			trusted[n-1].to = b.Len()
		} else {
			trusted = append(trusted, span{from, b.Len()})
		}
	}
	return b.String(), trusted
}

// part is plain text, or a control token.
type part struct {
	text    string
	special *llama.Special
}

// split cuts text at the control tokens that lie inside trusted spans. Plain text keeps its neighbours across the border
// of trust, so that it is merged into the same tokens as ever.
func (t *Tokenizer) split(text string, trusted []span) []part {
	var parts []part
	plain := 0
	for _, s := range trusted {
		for i := max(s.from, plain); i < s.to; {
			sp := t.at(text[i:s.to])
			if sp == nil {
				i++
				continue
			}
			before := text[plain:i]
			if sp.LStrip {
				before = strings.TrimRightFunc(before, unicode.IsSpace)
			}
			if before != "" {
				parts = append(parts, part{text: before})
			}
			parts = append(parts, part{special: sp})
			i += len(sp.Text)
			if sp.RStrip {
				i = len(text) - len(strings.TrimLeftFunc(text[i:], unicode.IsSpace))
			}
			plain = i
		}
	}
	if plain < len(text) {
		parts = append(parts, part{text: text[plain:]})
	}
	return parts
}

// at returns the longest control token that text begins with, or nil.
func (t *Tokenizer) at(text string) *llama.Special {
	list := t.first[text[0]]
	for i := range list {
		if strings.HasPrefix(text, list[i].Text) {
			return &list[i]
		}
	}
	return nil
}
