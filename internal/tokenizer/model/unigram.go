package model

import (
	"errors"
	"fmt"
	"math"
	"unicode/utf8"

	"ashatai/internal/tokenizer/rawjson"
)

// unknownPenalty is how much worse than the worst token an unknown character is (SentencePiece's constant).
const unknownPenalty = 10.0

// unigram takes the cut of a piece whose tokens have the largest sum of log probabilities.
type unigram struct {
	vocab  map[string]int
	list   []string
	score  []float64
	unk    int // −1: none
	bytes  [256]int
	byByte bool
	trie   trie
	worst  float64
}

func newUnigram(f *fields) (Model, error) {
	m := &unigram{vocab: map[string]int{}, unk: f.number("unk_id"), byByte: f.flag("byte_fallback"), worst: math.Inf(1)}
	m.trie = newTrie()
	f.fail("vocab", rawjson.Array(f.m["vocab"], func(value []byte) error {
		token, score, err := scored(value)
		if err != nil {
			return err
		}
		if len(m.list) >= MaxTokens || len(token) > MaxToken {
			return fmt.Errorf("it has more than %d tokens, or one of more than %d bytes", MaxTokens, MaxToken)
		}
		id := len(m.list)
		m.vocab[token] = id
		m.list = append(m.list, token)
		m.score = append(m.score, score)
		m.worst = min(m.worst, score)
		if token != "" {
			return m.trie.insert(token, id)
		}
		return nil
	}))
	if m.unk >= len(m.list) {
		f.fail("unk_id", fmt.Errorf("it is %d, and there are %d tokens", m.unk, len(m.list)))
	}
	if f.err != nil {
		return nil, f.err
	}
	m.byByte = m.byByte && byteTokens(m.vocab, &m.bytes)
	return m, nil
}

// scored reads ["token", score].
func scored(raw []byte) (token string, score float64, err error) {
	n := 0
	err = rawjson.Array(raw, func(value []byte) error {
		n++
		switch n {
		case 1:
			token, err = rawjson.String(value)
		case 2:
			score, err = rawjson.Float(value)
		}
		return err
	})
	if err == nil && n != 2 {
		err = fmt.Errorf("a token has %d values, not two", n)
	}
	return token, score, err
}

// byteTokens fills the ids of <0x00> to <0xFF>, and says whether all are there.
func byteTokens(vocab map[string]int, ids *[256]int) bool {
	for b := range ids {
		id, ok := vocab[fmt.Sprintf("<0x%02X>", b)]
		if !ok {
			return false
		}
		ids[b] = id
	}
	return true
}

func (m *unigram) ID(token string) (int, bool) {
	id, ok := m.vocab[token]
	return id, ok
}

func (m *unigram) Tokens() []string { return m.list }

// node is the best cut of a text up to some byte.
type node struct {
	score float64
	from  int // where its last token begins; −1: there is none yet
	id    int
}

func (m *unigram) Append(to []int, piece string) ([]int, error) {
	best := make([]node, len(piece)+1)
	for i := range best {
		best[i].from = -1
	}
	for i := 0; i < len(piece); {
		_, size := utf8.DecodeRuneInString(piece[i:])
		single := false
		at := m.trie.root()
		for j := i; j < len(piece); {
			var ok bool
			if at, ok = m.trie.child(at, piece[j]); !ok {
				break
			}
			j++
			id := m.trie.value(at)
			if id < 0 {
				continue
			}
			single = single || j-i == size
			better(&best[j], node{score: best[i].score + m.score[id], from: i, id: id})
		}
		if !single {
			if m.unk < 0 {
				return nil, errors.New("a character is not in the vocabulary, which has no token for the unknown")
			}
			better(&best[i+size], node{score: best[i].score + m.worst - unknownPenalty, from: i, id: m.unk})
		}
		i += size
	}
	return m.trace(to, piece, best), nil
}

func better(have *node, n node) {
	if have.from < 0 || n.score > have.score {
		*have = n
	}
}

// trace appends the tokens of the best cut. Neighbouring unknown characters are one unknown token, or their bytes.
func (m *unigram) trace(to []int, piece string, best []node) []int {
	var ends []int
	for end := len(piece); end > 0; end = best[end].from {
		ends = append(ends, end)
	}
	for i := len(ends) - 1; i >= 0; i-- {
		n := best[ends[i]]
		end := ends[i]
		if n.id != m.unk {
			to = append(to, n.id)
			continue
		}
		for i > 0 && best[ends[i-1]].id == m.unk {
			i--
			end = ends[i]
		}
		text := piece[n.from:end]
		switch id, ok := m.vocab[text]; {
		case ok:
			to = append(to, id)
		case m.byByte:
			for k := range len(text) {
				to = append(to, m.bytes[text[k]])
			}
		default:
			to = append(to, m.unk)
		}
	}
	return to
}
