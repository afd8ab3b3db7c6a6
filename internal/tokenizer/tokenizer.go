package tokenizer

import (
	"strings"
	"unicode/utf8"

	"ashatai/internal/core"
	"ashatai/internal/tokenizer/decode"
	"ashatai/internal/tokenizer/model"
	"ashatai/internal/tokenizer/normal"
	"ashatai/internal/tokenizer/split"
)

// Tokenizer is what a tokenizer.json says. It does not change, and many goroutines may use it at once.
type Tokenizer struct {
	normal  normal.Func
	split   split.Splitter
	model   model.Model
	decoder *decode.Decoder
	post    template

	tokens  []string       // by id
	ids     map[string]int // of the added tokens
	added   map[int]added
	raw     matcher // added tokens that are looked for in the text as it is
	written matcher // those that are looked for in the normal form

	most int // tokens of a text that the file asks to cut; 0: none
}

// Part is a stretch of a text. In a plain one the model's special tokens are not recognised, whatever it spells.
type Part struct {
	Text  string
	Plain bool
}

// Encoding is a text in tokens.
type Encoding struct {
	IDs     []int
	Types   []int  // which of two texts each token is of, as the file numbers them
	Special []bool // put there by the file's template
}

// Size is the number of ids, from 0 to the largest that has a token.
func (t *Tokenizer) Size() int { return len(t.tokens) }

// Limit is the number of tokens to which the file asks to cut a text; 0 where it does not.
func (t *Tokenizer) Limit() int { return t.most }

// Token returns a token as it is spelled in the vocabulary; false where the id has none.
func (t *Tokenizer) Token(id int) (string, bool) {
	if id < 0 || id >= len(t.tokens) {
		return "", false
	}
	s := t.tokens[id]
	return s, s != ""
}

// ID returns the id of a token as it is spelled.
func (t *Tokenizer) ID(token string) (int, bool) {
	if id, ok := t.ids[token]; ok {
		return id, true
	}
	return t.model.ID(token)
}

// Special says whether a token is a special one: no text, and never to be made from a user's text.
func (t *Tokenizer) Special(id int) bool { return t.added[id].Special }

// Encode returns the tokens of a text without those that the template adds.
func (t *Tokenizer) Encode(parts ...Part) ([]int, error) {
	text, trusted := join(parts)
	var ids []int
	for _, p := range t.raw.cut(text, trusted, t.added) {
		if p.id >= 0 {
			ids = append(ids, p.id)
			continue
		}
		// A piece of the normal form has no place in the text, so special tokens are recognised there only where no byte of
		// the text that it comes from is a stranger's.
		plain := !trusted.all(p.start, p.end)
		form := t.normal(text[p.start:p.end])
		for _, q := range t.written.cut(form, whole(!plain), t.added) {
			if q.id >= 0 {
				ids = append(ids, q.id)
				continue
			}
			var err error
			if ids, err = t.pieces(ids, split.Piece{Text: form[q.start:q.end], First: p.start == 0 && q.start == 0}); err != nil {
				return nil, err
			}
		}
	}
	return ids, nil
}

func (t *Tokenizer) pieces(ids []int, p split.Piece) ([]int, error) {
	for _, q := range t.split.Cut(nil, p) {
		var err error
		if ids, err = t.model.Append(ids, q.Text); err != nil {
			return nil, core.Wrap(core.CodeInvalidRequest, err, "The text cannot be written in this model's tokens: %v. Leave out what is not text in the model's language.", err)
		}
	}
	return ids, nil
}

// Single is Encode with the tokens that the template puts around one text.
func (t *Tokenizer) Single(parts ...Part) (Encoding, error) {
	ids, err := t.Encode(parts...)
	if err != nil {
		return Encoding{}, err
	}
	return t.post.single.apply(ids, nil), nil
}

// Pair is two texts with the tokens that the template puts around and between them.
func (t *Tokenizer) Pair(a, b Part) (Encoding, error) {
	first, err := t.Encode(a)
	if err != nil {
		return Encoding{}, err
	}
	second, err := t.Encode(b)
	if err != nil {
		return Encoding{}, err
	}
	return t.post.pair.apply(first, second), nil
}

// Around is how many tokens the template adds to one text.
func (t *Tokenizer) Around() int { return t.post.single.adds() }

// Decode returns the text of tokens. Ids without a token have none. Special tokens are left out with skip.
func (t *Tokenizer) Decode(ids []int, skip bool) string {
	tokens := make([]string, 0, len(ids))
	for _, id := range ids {
		s, ok := t.Token(id)
		if !ok || skip && t.added[id].Special {
			continue
		}
		tokens = append(tokens, s)
	}
	return t.decoder.Text(tokens)
}

// Stream turns tokens into text one by one; see decode.Stream.
type Stream struct {
	t    *Tokenizer
	s    *decode.Stream
	show func(id int) bool
}

// Stream begins a text. show says which special tokens have text; nil means none.
func (t *Tokenizer) Stream(show func(id int) bool) *Stream {
	return &Stream{t: t, s: t.decoder.Stream(), show: show}
}

func (s *Stream) visible(id int) (string, bool) {
	token, ok := s.t.Token(id)
	if !ok || s.t.added[id].Special && (s.show == nil || !s.show(id)) {
		return "", false
	}
	return token, true
}

// Push returns the characters that a token completes.
func (s *Stream) Push(id int) string {
	token, ok := s.visible(id)
	if !ok {
		return ""
	}
	return s.s.Push(token)
}

// Bytes returns what a token adds, which need not be whole characters. A stream is read by Push or by Bytes, not by both.
func (s *Stream) Bytes(id int) string {
	token, ok := s.visible(id)
	if !ok {
		return ""
	}
	return s.s.Bytes(token)
}

// End returns what still waits for the rest of a character.
func (s *Stream) End() string { return s.s.End() }

// join makes one text of parts, valid as UTF-8, and notes which stretches of it are trusted.
func join(parts []Part) (string, *stretches) {
	if len(parts) == 1 {
		return valid(parts[0].Text), whole(!parts[0].Plain)
	}
	var b strings.Builder
	trusted := &stretches{}
	for _, p := range parts {
		b.WriteString(valid(p.Text))
		trusted.add(b.Len(), !p.Plain)
	}
	return b.String(), trusted
}

func valid(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}
