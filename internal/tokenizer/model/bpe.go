package model

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"ashatai/internal/tokenizer/alphabet"
	"ashatai/internal/tokenizer/rawjson"
)

// bpe joins the characters of a piece pair by pair, the pair that was learnt first before all others.
type bpe struct {
	vocab  map[string]int
	list   []string
	whole  map[string]int // what pieces are looked up in: the vocabulary, as bytes where pieces are bytes
	merges pairs
	made   []int32 // by rank: the token that a pair becomes

	prefix, suffix string
	unk            int
	fuse           bool
	bytes          bool       // pieces are bytes
	ids            [256]int32 // by byte: the token of a byte, −1: none
	fallback       [256]int   // by byte: the token <0x..>
	byByte         bool
	direct         bool // a piece that is a token is that token, whatever the merges make of it
	seen           *cache
}

func newBPE(f *fields, bytes bool) (Model, error) {
	m := &bpe{
		prefix: f.text("continuing_subword_prefix"), suffix: f.text("end_of_word_suffix"), unk: -1,
		fuse: f.flag("fuse_unk"), direct: f.flag("ignore_merges"), byByte: f.flag("byte_fallback"), bytes: bytes, seen: newCache(),
	}
	if d := f.m["dropout"]; !rawjson.Null(d) && string(d) != "0.0" && string(d) != "0" {
		f.fail("dropout", fmt.Errorf("it is %.20q, and tokens by chance are for training only", d))
	}
	m.vocab = f.vocab()
	m.list = listed(m.vocab)
	if unk := f.text("unk_token"); unk != "" {
		id, ok := m.vocab[unk]
		if !ok {
			f.fail("unk_token", fmt.Errorf("%.80q is not in the vocabulary", unk))
		}
		m.unk = id
	}
	if bytes && (m.prefix != "" || m.suffix != "") {
		m.bytes = false // as characters, with what the vocabulary puts around them
	}
	m.byByte = m.byByte && byteTokens(m.vocab, &m.fallback)
	m.whole = m.vocab
	if m.bytes {
		m.whole = asBytes(m.vocab)
	}
	for b := range m.ids {
		m.ids[b] = -1
		if id, ok := m.whole[string([]byte{byte(b)})]; ok {
			m.ids[b] = int32(id) //nolint:gosec // below MaxTokens
		}
	}
	m.readMerges(f)
	return m, f.err
}

// asBytes is the vocabulary by the bytes that its tokens stand for; tokens of other characters can never come up.
func asBytes(vocab map[string]int) map[string]int {
	m := make(map[string]int, len(vocab))
	for token, id := range vocab {
		if raw, ok := alphabet.Decode(token); ok {
			m[raw] = id
		}
	}
	return m
}

// readMerges reads the pairs: "a b", or ["a", "b"].
func (m *bpe) readMerges(f *fields) {
	raw := f.m["merges"]
	m.merges = newPairs(min(len(raw)/10, MaxMerges))
	f.fail("merges", rawjson.Array(raw, func(value []byte) error {
		a, b, err := pairOf(value)
		switch {
		case err != nil:
			return err
		case len(m.made) >= MaxMerges:
			return fmt.Errorf("there are more than %d", MaxMerges)
		}
		left, lok := m.vocab[a]
		right, rok := m.vocab[b]
		made, mok := m.vocab[a+strings.TrimPrefix(b, m.prefix)]
		if !lok || !rok || !mok {
			return fmt.Errorf("the pair %.80q and %.80q is not in the vocabulary, or not as one", a, b)
		}
		m.merges.put(key(int32(left), int32(right)), int32(len(m.made))) //nolint:gosec // below MaxTokens and MaxMerges
		m.made = append(m.made, int32(made))                             //nolint:gosec // below MaxTokens
		return nil
	}))
}

func pairOf(value []byte) (a, b string, err error) {
	if len(value) > 0 && value[0] == '"' {
		s, err := rawjson.String(value)
		if err != nil {
			return "", "", err
		}
		a, b, ok := strings.Cut(s, " ")
		if !ok || strings.Contains(b, " ") {
			return "", "", fmt.Errorf("%.80q is not two tokens with a space between", s)
		}
		return a, b, nil
	}
	n := 0
	err = rawjson.Array(value, func(v []byte) error {
		n++
		switch n {
		case 1:
			a, err = rawjson.String(v)
		case 2:
			b, err = rawjson.String(v)
		}
		return err
	})
	if err == nil && n != 2 {
		err = fmt.Errorf("a pair has %d parts", n)
	}
	return a, b, err
}

func (m *bpe) ID(token string) (int, bool) {
	id, ok := m.vocab[token]
	return id, ok
}

func (m *bpe) Tokens() []string { return m.list }

func (m *bpe) Append(to []int, piece string) ([]int, error) {
	if m.direct {
		if id, ok := m.whole[piece]; ok {
			return append(to, id), nil
		}
	}
	if ids, ok := m.seen.get(piece); ok {
		for _, id := range ids {
			to = append(to, int(id))
		}
		return to, nil
	}
	var room [64]int32
	symbols := m.symbols(room[:0], piece)
	symbols = m.merge(symbols)
	m.seen.put(piece, symbols)
	for _, id := range symbols {
		to = append(to, int(id))
	}
	return to, nil
}

// symbols are the tokens of a piece before anything is merged.
func (m *bpe) symbols(to []int32, piece string) []int32 {
	if m.bytes {
		return m.byteSymbols(to, piece)
	}
	unk := false // an unknown character waits for the next, with which it may be one token
	for i := 0; i < len(piece); {
		size := 1
		if piece[i] >= utf8.RuneSelf {
			_, size = utf8.DecodeRuneInString(piece[i:])
		}
		id, ok := m.character(piece, i, size)
		switch {
		case ok:
			if unk {
				to, unk = append(to, int32(m.unk)), false //nolint:gosec // below MaxTokens
			}
			to = append(to, id)
		case m.byByte:
			for k := range size {
				to = append(to, int32(m.fallback[piece[i+k]])) //nolint:gosec // below MaxTokens
			}
		case m.unk >= 0:
			if unk && !m.fuse {
				to = append(to, int32(m.unk)) //nolint:gosec // below MaxTokens
			}
			unk = true
		}
		i += size
	}
	if unk {
		to = append(to, int32(m.unk)) //nolint:gosec // below MaxTokens
	}
	return to
}

// character returns the token of the character at i, with what the vocabulary puts around it.
func (m *bpe) character(piece string, i, size int) (int32, bool) {
	if m.prefix == "" && m.suffix == "" {
		if size == 1 {
			return m.ids[piece[i]], m.ids[piece[i]] >= 0
		}
		id, ok := m.vocab[piece[i:i+size]]
		return int32(id), ok //nolint:gosec // below MaxTokens
	}
	s := piece[i : i+size]
	if i > 0 {
		s = m.prefix + s
	}
	if i+size == len(piece) {
		s += m.suffix
	}
	id, ok := m.vocab[s]
	return int32(id), ok //nolint:gosec // below MaxTokens
}

// byteSymbols is symbols for pieces that are bytes. Every byte has a token in a sound vocabulary.
func (m *bpe) byteSymbols(to []int32, piece string) []int32 {
	for i := range len(piece) {
		id := m.ids[piece[i]]
		if id < 0 {
			if m.unk < 0 || m.fuse && len(to) > 0 && to[len(to)-1] == int32(m.unk) { //nolint:gosec // below MaxTokens
				continue
			}
			id = int32(m.unk) //nolint:gosec // below MaxTokens
		}
		to = append(to, id)
	}
	return to
}
