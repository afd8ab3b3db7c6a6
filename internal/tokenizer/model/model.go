// Package model turns pieces of text into token ids: byte-pair merges (on bytes, or on characters with a fallback to
// bytes), WordPiece, Unigram and whole words. A model is built once and does not change; what it remembers of words it has
// seen is bounded and cannot be told from outside. The work for a piece is at most n log n in its length.
package model

import (
	"fmt"

	"ashatai/internal/tokenizer/rawjson"
)

// Model turns pieces into token ids.
type Model interface {
	// Append appends the ids of a piece that is not empty. It fails where the text cannot be written and the vocabulary
	// has no token for the unknown.
	Append(to []int, piece string) ([]int, error)
	// ID returns the id of a token as it is spelled.
	ID(token string) (int, bool)
	// Tokens lists the tokens as they are spelled, by id; ids without a token have none.
	Tokens() []string
}

// Limits of a vocabulary. The largest that are published have a quarter of a million tokens.
const (
	MaxTokens = 4 << 20
	MaxMerges = 8 << 20
	MaxToken  = 1 << 14 // bytes of one token
)

// Parse reads the model of a tokenizer.json. bytes says that pieces come as bytes whose characters the vocabulary has.
func Parse(raw []byte, bytes bool) (Model, error) {
	m := map[string][]byte{}
	if err := rawjson.Object(raw, func(key string, value []byte) error {
		m[key] = value
		return nil
	}); err != nil {
		return nil, fmt.Errorf("the model cannot be read: %w", err)
	}
	f := fields{m: m}
	kind := f.text("type")
	if kind == "" { // files from before the type was written
		switch {
		case m["merges"] != nil:
			kind = "BPE"
		case m["max_input_chars_per_word"] != nil || m["continuing_subword_prefix"] != nil:
			kind = "WordPiece"
		case m["unk_id"] != nil:
			kind = "Unigram"
		}
	}
	if f.err != nil {
		return nil, f.err
	}
	switch kind {
	case "BPE":
		return newBPE(&f, bytes)
	case "WordPiece":
		return newWordPiece(&f)
	case "WordLevel":
		return newWordLevel(&f)
	case "Unigram":
		return newUnigram(&f)
	}
	return nil, fmt.Errorf("the model is of the type %.80q, which this build does not know", kind)
}

// fields reads members of an object and keeps the first error.
type fields struct {
	m   map[string][]byte
	err error
}

func (f *fields) fail(key string, err error) {
	if f.err == nil && err != nil {
		f.err = fmt.Errorf("the model's %s cannot be read: %w", key, err)
	}
}

func (f *fields) text(key string) string {
	if rawjson.Null(f.m[key]) {
		return ""
	}
	s, err := rawjson.String(f.m[key])
	f.fail(key, err)
	return s
}

func (f *fields) flag(key string) bool {
	switch v := string(f.m[key]); v {
	case "true":
		return true
	case "", "null", "false":
	default:
		f.fail(key, fmt.Errorf("%.20q is neither true nor false", v))
	}
	return false
}

// number returns −1 for what is absent.
func (f *fields) number(key string) int {
	if rawjson.Null(f.m[key]) {
		return -1
	}
	n, err := rawjson.Int(f.m[key])
	f.fail(key, err)
	return n
}

// vocab reads {"token": id, …}.
func (f *fields) vocab() map[string]int {
	raw := f.m["vocab"]
	v := make(map[string]int, min(len(raw)/16, MaxTokens))
	f.fail("vocab", rawjson.Object(raw, func(key string, value []byte) error {
		id, err := rawjson.Int(value)
		switch {
		case err != nil:
			return err
		case len(v) >= MaxTokens || id >= MaxTokens:
			return fmt.Errorf("it has more than %d tokens", MaxTokens)
		case len(key) > MaxToken:
			return fmt.Errorf("a token has more than %d bytes", MaxToken)
		}
		v[key] = id
		return nil
	}))
	return v
}

// listed turns a vocabulary around.
func listed(v map[string]int) []string {
	most := -1
	for _, id := range v {
		most = max(most, id)
	}
	list := make([]string, most+1)
	for token, id := range v {
		list[id] = token
	}
	return list
}
