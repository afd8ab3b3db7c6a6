package model

import (
	"errors"
	"fmt"
	"unicode/utf8"
)

// words maps whole pieces.
type words struct {
	vocab map[string]int
	list  []string
	unk   int // −1: none
}

func newWordLevel(f *fields) (Model, error) {
	m := &words{vocab: f.vocab(), unk: -1}
	if id, ok := m.vocab[f.text("unk_token")]; ok {
		m.unk = id
	}
	m.list = listed(m.vocab)
	return m, f.err
}

func (m *words) Append(to []int, piece string) ([]int, error) {
	if id, ok := m.vocab[piece]; ok {
		return append(to, id), nil
	}
	return unknown(to, m.unk)
}

func (m *words) ID(token string) (int, bool) {
	id, ok := m.vocab[token]
	return id, ok
}

func (m *words) Tokens() []string { return m.list }

func unknown(to []int, unk int) ([]int, error) {
	if unk < 0 {
		return nil, errors.New("a word is not in the vocabulary, which has no token for the unknown")
	}
	return append(to, unk), nil
}

// wordPiece takes the longest token that a word begins with, then the longest for the rest, and so on.
type wordPiece struct {
	words
	prefix  string         // what tokens begin with that do not begin a word
	inner   map[string]int // those, without it
	longest int            // bytes of the longest token
	most    int            // characters of the longest word that is not unknown
}

func newWordPiece(f *fields) (Model, error) {
	m := &wordPiece{prefix: f.text("continuing_subword_prefix"), most: f.number("max_input_chars_per_word")}
	m.vocab, m.unk = f.vocab(), -1
	if m.most < 0 {
		m.most = 100
	}
	if m.most > 1<<10 {
		f.fail("max_input_chars_per_word", fmt.Errorf("%d is more than 1,024", m.most))
	}
	if id, ok := m.vocab[f.text("unk_token")]; ok {
		m.unk = id
	}
	m.list = listed(m.vocab)
	m.inner = make(map[string]int, len(m.vocab)/4)
	for token, id := range m.vocab {
		m.longest = max(m.longest, len(token))
		if len(token) >= len(m.prefix) && token[:len(m.prefix)] == m.prefix {
			m.inner[token[len(m.prefix):]] = id
		}
	}
	return m, f.err
}

func (m *wordPiece) Append(to []int, piece string) ([]int, error) {
	if utf8.RuneCountInString(piece) > m.most {
		return unknown(to, m.unk)
	}
	had := len(to)
	vocab := m.vocab
	for rest := piece; rest != ""; vocab = m.inner {
		n := min(len(rest), m.longest)
		for n > 0 {
			if n == len(rest) || utf8.RuneStart(rest[n]) {
				if id, ok := vocab[rest[:n]]; ok {
					to = append(to, id)
					break
				}
			}
			n--
		}
		if n == 0 {
			return unknown(to[:had], m.unk)
		}
		rest = rest[n:]
	}
	return to, nil
}
