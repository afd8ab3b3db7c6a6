// Package normal rewrites text before it is cut into tokens: the normalizers of tokenizer.json. Each is a pure function of
// the text, in time linear in it.
package normal

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"ashatai/internal/tokenizer/alphabet"
	"ashatai/internal/tokenizer/pattern"
	"ashatai/internal/tokenizer/rawjson"
)

// Func rewrites valid UTF-8.
type Func func(string) string

// maxDepth bounds sequences in sequences.
const maxDepth = 8

// maxSteps bounds how many steps one sequence has.
const maxSteps = 64

// spec holds the fields of every type; each type reads its own.
type spec struct {
	Type        string            `json:"type"`
	Normalizers []json.RawMessage `json:"normalizers"`
	Prepend     string            `json:"prepend"`
	Pattern     json.RawMessage   `json:"pattern"`
	Content     string            `json:"content"`
	Left        bool              `json:"strip_left"`
	Right       bool              `json:"strip_right"`
	Charsmap    []byte            `json:"precompiled_charsmap"`

	bertSpec
}

// Parse reads a normalizer; null is one that changes nothing.
func Parse(raw []byte) (Func, error) { return parse(raw, 0) }

func parse(raw []byte, depth int) (Func, error) {
	if rawjson.Null(raw) {
		return func(s string) string { return s }, nil
	}
	var p spec
	if err := json.Unmarshal(raw, &p); err != nil {
		return nil, fmt.Errorf("a normalizer cannot be read: %w", err)
	}
	if f := plain(p.Type); f != nil {
		return f, nil
	}
	switch p.Type {
	case "Sequence":
		return sequence(p.Normalizers, depth)
	case "BertNormalizer":
		return bert(p.bertSpec)
	case "Replace":
		pat, err := pattern.Parse(p.Pattern)
		if err != nil {
			return nil, fmt.Errorf("normalizer Replace: %w", err)
		}
		return func(s string) string { return pat.Replace(s, p.Content) }, nil
	case "Prepend":
		return func(s string) string {
			if s == "" {
				return s
			}
			return p.Prepend + s
		}, nil
	case "Strip":
		return func(s string) string { return strip(s, p.Left, p.Right) }, nil
	case "Precompiled":
		return precompiled(p.Charsmap)
	}
	return nil, fmt.Errorf("the normalizer is of the type %.80q, which this build does not know", p.Type)
}

// plain are the normalizers without settings.
func plain(name string) Func {
	switch name {
	case "NFC":
		return func(s string) string { return form(norm.NFC, s) }
	case "NFD":
		return func(s string) string { return form(norm.NFD, s) }
	case "NFKC":
		return func(s string) string { return form(norm.NFKC, s) }
	case "NFKD":
		return func(s string) string { return form(norm.NFKD, s) }
	case "Lowercase":
		return lowercase
	case "StripAccents":
		return func(s string) string { return without(s, unicode.M) }
	case "Nmt":
		return nmt
	case "ByteLevel":
		return alphabet.Encode
	}
	return nil
}

func sequence(steps []json.RawMessage, depth int) (Func, error) {
	if depth >= maxDepth || len(steps) > maxSteps {
		return nil, errors.New("the normalizers are nested too deeply, or too many")
	}
	all := make([]Func, len(steps))
	for i, raw := range steps {
		f, err := parse(raw, depth+1)
		if err != nil {
			return nil, err
		}
		all[i] = f
	}
	return func(s string) string {
		for _, f := range all {
			s = f(s)
		}
		return s
	}, nil
}

// lowercase maps each character by itself, as Unicode's full mapping has it: only the dotted capital I becomes two.
func lowercase(s string) string {
	if strings.Contains(s, "İ") {
		s = strings.ReplaceAll(s, "İ", "i̇")
	}
	return strings.Map(unicode.ToLower, s)
}

func without(s string, table *unicode.RangeTable) string {
	if ascii(s) {
		return s
	}
	return strings.Map(func(r rune) rune {
		if unicode.Is(table, r) {
			return -1
		}
		return r
	}, s)
}

func strip(s string, left, right bool) string {
	if left {
		s = strings.TrimLeftFunc(s, unicode.IsSpace)
	}
	if right {
		s = strings.TrimRightFunc(s, unicode.IsSpace)
	}
	return s
}

// nmt drops control characters and turns odd white space into spaces, as SentencePiece's rule of that name does.
func nmt(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 0x01 && r <= 0x08, r == 0x0b, r >= 0x0e && r <= 0x1f, r == 0x7f, r == 0x8f, r == 0x9f:
			return -1
		case r == '\t', r == '\n', r == 0x0c, r == '\r', r == 0x1680, r >= 0x200b && r <= 0x200f, r == 0x2028, r == 0x2029,
			r == 0x2581, r == 0xfeff, r == utf8.RuneError:
			return ' '
		}
		return r
	}, s)
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
