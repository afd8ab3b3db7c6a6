package guide

import (
	"bytes"

	"ashatai/internal/native/llg"
)

// vocabulary is v for the library.
func vocabulary(v Vocabulary) llg.Vocabulary {
	out := llg.Vocabulary{Tokens: v.Pieces, Special: v.Special}
	for _, t := range v.Ends {
		out.Ends = append(out.Ends, llg.Token(t)) //nolint:gosec // an index
	}
	s := splitter{v: v, ids: make(map[string]llg.Token, len(v.Pieces))}
	for i, p := range v.Pieces {
		if !v.Special[i] && len(p) > 0 {
			s.ids[string(p)] = llg.Token(i)
			s.longest = max(s.longest, len(p))
		}
	}
	out.Tokenize = s.split
	return out
}

// splitter turns text in the middle of an answer into tokens.
type splitter struct {
	v       Vocabulary
	ids     map[string]llg.Token
	longest int // bytes of the longest token
}

// split uses the model's tokenizer where its tokens spell the text. Some put a space in front; then a line break does,
// which is taken off again. Where nothing helps, the longest tokens that fit are taken.
func (s splitter) split(text []byte) []llg.Token {
	if tokens, ok := s.exact(text, nil); ok {
		return tokens
	}
	if tokens, ok := s.exact(text, []byte{'\n'}); ok {
		return tokens
	}
	return s.greedy(text)
}

// exact tokenizes text after lead and takes off the tokens that spell the lead.
func (s splitter) exact(text, lead []byte) ([]llg.Token, bool) {
	tokens, err := s.v.Tokenize(string(lead) + string(text))
	if err != nil {
		return nil, false
	}
	spelled := make([]byte, 0, len(text)+2)
	cut := 0
	for i, t := range tokens {
		spelled = append(spelled, s.v.Pieces[t]...)
		if cut == 0 && len(lead) > 0 && bytes.Equal(bytes.TrimLeft(spelled, " "), lead) {
			cut, spelled = i+1, spelled[:0]
		}
	}
	if !bytes.Equal(spelled, text) || len(lead) > 0 && cut == 0 {
		return nil, false
	}
	out := make([]llg.Token, 0, len(tokens)-cut)
	for _, t := range tokens[cut:] {
		out = append(out, llg.Token(t)) //nolint:gosec // an index
	}
	return out, true
}

// greedy takes the longest token at each place, and skips bytes that no token has.
func (s splitter) greedy(text []byte) []llg.Token {
	var out []llg.Token
	for len(text) > 0 {
		n := min(s.longest, len(text))
		for ; n > 0; n-- {
			if t, ok := s.ids[string(text[:n])]; ok {
				out = append(out, t)
				break
			}
		}
		text = text[max(n, 1):]
	}
	return out
}
