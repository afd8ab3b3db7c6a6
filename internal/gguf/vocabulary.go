package gguf

import (
	"bytes"
	"hash/maphash"
	"math"
	"slices"
	"strings"

	"ashatai/internal/core"
)

//nolint:gosec // the tokens of a vocabulary are no credentials
const (
	keyTokenizer  = "tokenizer.ggml.model"
	keyTokens     = "tokenizer.ggml.tokens"
	keyScores     = "tokenizer.ggml.scores"
	keyTokenTypes = "tokenizer.ggml.token_type"
	keyMerges     = "tokenizer.ggml.merges"

	// maxVocabulary is several times the largest vocabulary in use.
	maxVocabulary = 1 << 22

	tokenTypeByte = 6
)

// checkVocabulary checks what native tokenizers index by and take for granted.
func (f *File) checkVocabulary() *core.Error {
	model, ok := f.Metadata.String(keyTokenizer)
	if !ok {
		return refused(convertAgain, "it does not say which tokenizer it needs (%q)", keyTokenizer)
	}
	if model == "none" || model == "no_vocab" {
		return nil
	}
	tokens, err := f.list(keyTokens, String)
	if err != nil {
		return err
	}
	if tokens == nil || tokens.count == 0 {
		return refused(convertAgain, "its vocabulary (%q) is missing or empty", keyTokens)
	}
	if tokens.count > maxVocabulary {
		return refused(distrust, "its vocabulary has %d tokens; at most %d are allowed", tokens.count, maxVocabulary)
	}
	f.vocab = tokens.count
	scores := f.Metadata.values[keyScores].elem
	if scores != Int32 {
		scores = Float32
	}
	if _, err = f.parallel(keyScores, scores); err != nil {
		return err
	}
	types, err := f.parallel(keyTokenTypes, Int32)
	if err != nil {
		return err
	}
	marks, err := f.specialTokens(model)
	if err != nil {
		return err
	}
	if err = f.checkTokens(tokens, types, marks); err != nil {
		return err
	}
	return f.checkMerges()
}

// list returns the array at key, which must have elements of the given type; nil when there is none.
func (f *File) list(key string, elem ValueType) (*value, *core.Error) {
	v, exists := f.Metadata.values[key]
	if !exists {
		return nil, nil
	}
	if v.typ != Array || v.elem != elem {
		return nil, refused(convertAgain, "%q is not an array of %s", key, elem)
	}
	return &v, nil
}

// parallel is list for an array that must have one element per token.
func (f *File) parallel(key string, elem ValueType) (*value, *core.Error) {
	v, err := f.list(key, elem)
	if err == nil && v != nil && v.count != f.vocab {
		return nil, refused(convertAgain, "%q has %d elements for a vocabulary of %d tokens", key, v.count, f.vocab)
	}
	return v, err
}

// marks are the ids whose text the file's facts show; -1 where there is none.
type marks struct{ bos, eos int64 }

// specialTokens checks every token id that the metadata names.
func (f *File) specialTokens(model string) (marks, *core.Error) {
	m := marks{-1, -1}
	if model == "llama" && f.vocab > 2 { // what SentencePiece models mean when they do not say it
		m = marks{1, 2}
	}
	for _, key := range f.Metadata.keys {
		if !strings.HasPrefix(key, "tokenizer.ggml.") || !strings.HasSuffix(key, "_token_id") {
			continue
		}
		id, ok := f.Metadata.Int(key)
		if !ok {
			return m, refused(convertAgain, "%q is not a token id", key)
		}
		if id == math.MaxUint32 {
			id = -1 // "no such token", written as an unsigned number
		}
		if id < -1 || id >= int64(f.vocab) {
			return m, refused(convertAgain, "%q names the token %d, but the vocabulary has the tokens 0 to %d", key, id, f.vocab-1)
		}
		switch key {
		case "tokenizer.ggml.bos_token_id":
			m.bos = id
		case "tokenizer.ggml.eos_token_id":
			m.eos = id
		}
	}
	return m, nil
}

// checkTokens walks over the vocabulary. Native code asserts that no text appears twice, and reads the byte out of a
// byte token's text by position.
func (f *File) checkTokens(tokens, types *value, m marks) *core.Error {
	words := f.Metadata.open(tokens.off)
	var kinds *cursor
	if types != nil {
		kinds = f.Metadata.open(types.off)
	}
	seed := maphash.MakeSeed()
	sums := make([]uint64, 0, tokens.count) // a token takes 8 bytes of the file at least, so this is no larger than the file
	for id := range tokens.count {
		at := words.off
		text, err := words.view(f.Metadata.limits.MaxString, keyTokens)
		if err != nil {
			return err
		}
		if kinds != nil {
			kind, err := kinds.u32(keyTokenTypes)
			if err != nil {
				return err
			}
			if kind == tokenTypeByte && !isByteToken(text) {
				return damaged(at, distrust, "token %d is marked as a byte and must be written <0x00> to <0xFF>, but is %s", id, quote(string(text)))
			}
		}
		if int64(id) == m.bos {
			f.bos = strings.ToValidUTF8(string(text), "\uFFFD")
		}
		if int64(id) == m.eos {
			f.eos = strings.ToValidUTF8(string(text), "\uFFFD")
		}
		if len(text) > 0 { // loaders give every empty token a name of its own
			sums = append(sums, maphash.Bytes(seed, text))
		}
	}
	slices.Sort(sums)
	for i := 1; i < len(sums); i++ {
		if sums[i] == sums[i-1] {
			return f.twice(tokens, seed, sums[i])
		}
	}
	return nil
}

// twice names the two tokens whose text has the given hash.
func (f *File) twice(tokens *value, seed maphash.Seed, sum uint64) *core.Error {
	c := f.Metadata.open(tokens.off)
	first := -1
	for id := range tokens.count {
		at := c.off
		text, err := c.view(f.Metadata.limits.MaxString, keyTokens)
		switch {
		case err != nil:
			return err
		case len(text) == 0 || maphash.Bytes(seed, text) != sum:
		case first < 0:
			first = id
		default:
			return damaged(at, convertAgain, "the tokens %d and %d have the same text %s", first, id, quote(string(text)))
		}
	}
	return refused(downloadAgain, "its vocabulary changed while it was read")
}

func isByteToken(text []byte) bool {
	return len(text) == 6 && bytes.HasPrefix(text, []byte("<0x")) && text[5] == '>' && isHex(text[3]) && isHex(text[4])
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'F' || c >= 'a' && c <= 'f'
}

// checkMerges checks that every merge is two pieces with a space between. The first byte may itself be a space.
func (f *File) checkMerges() *core.Error {
	merges, err := f.list(keyMerges, String)
	if err != nil || merges == nil {
		return err
	}
	c := f.Metadata.open(merges.off)
	for i := range merges.count {
		at := c.off
		m, err := c.view(f.Metadata.limits.MaxString, keyMerges)
		if err != nil {
			return err
		}
		if len(m) < 3 || bytes.IndexByte(m[1:len(m)-1], ' ') < 0 {
			return damaged(at, convertAgain, "merge %d of the tokenizer is %s, which is not two pieces with a space between", i, quote(string(m)))
		}
	}
	return nil
}
