// Package split cuts text into the pieces that a model takes one by one: the pre-tokenizers of tokenizer.json. Each is a pure
// function of the piece, in time linear in it.
package split

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"ashatai/internal/tokenizer/alphabet"
	"ashatai/internal/tokenizer/pattern"
	"ashatai/internal/tokenizer/rawjson"
)

// Piece is text between two cuts.
type Piece struct {
	Text  string
	First bool // it begins where the whole text begins
}

// Func appends what a piece is cut into; pieces without text are left out.
type Func func(to []Piece, p Piece) []Piece

// Splitter is a whole pre-tokenizer.
type Splitter struct {
	Cut   Func
	Bytes bool // the model takes the pieces as bytes: what is left to do of a ByteLevel step that comes last
}

const (
	maxDepth = 8
	maxSteps = 64
)

// spec holds the fields of every type; each type reads its own.
type spec struct {
	Type          string            `json:"type"`
	Pretokenizers []json.RawMessage `json:"pretokenizers"`
	Pattern       json.RawMessage   `json:"pattern"`
	Behavior      string            `json:"behavior"`
	Invert        bool              `json:"invert"`
	AddPrefix     *bool             `json:"add_prefix_space"`
	UseRegex      *bool             `json:"use_regex"`
	Replacement   string            `json:"replacement"`
	PrependScheme string            `json:"prepend_scheme"`
	Split         *bool             `json:"split"`
	Delimiter     string            `json:"delimiter"`
	Individual    bool              `json:"individual_digits"`
}

// on says whether a setting that is on by default is on.
func on(p *bool) bool { return p == nil || *p }

// Parse reads a pre-tokenizer; null is one that cuts nothing.
func Parse(raw []byte) (Splitter, error) {
	var steps []Func
	bytes, err := parse(raw, &steps, 0)
	if err != nil {
		return Splitter{}, err
	}
	return Splitter{Cut: chain(steps), Bytes: bytes}, nil
}

// parse appends the steps of a pre-tokenizer. Its result says that the bytes of the pieces are still to be written as
// characters; a step that comes after does that first.
func parse(raw []byte, steps *[]Func, depth int) (bytes bool, err error) {
	if rawjson.Null(raw) {
		return false, nil
	}
	var p spec
	if err := json.Unmarshal(raw, &p); err != nil {
		return false, fmt.Errorf("a pre-tokenizer cannot be read: %w", err)
	}
	switch p.Type {
	case "Sequence":
		if depth >= maxDepth || len(p.Pretokenizers) > maxSteps {
			return false, errors.New("the pre-tokenizers are nested too deeply, or too many")
		}
		for _, r := range p.Pretokenizers {
			if bytes {
				*steps = append(*steps, spell)
			}
			if bytes, err = parse(r, steps, depth+1); err != nil {
				return false, err
			}
		}
		return bytes, nil
	case "ByteLevel":
		if on(p.AddPrefix) {
			*steps = append(*steps, lead)
		}
		if on(p.UseRegex) {
			gpt2, err := pattern.Regex(`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`)
			if err != nil {
				return false, err
			}
			*steps = append(*steps, cutter(gpt2, isolated))
		}
		return true, nil
	}
	f, err := step(p)
	if err != nil {
		return false, err
	}
	*steps = append(*steps, f)
	return false, nil
}

func step(p spec) (Func, error) {
	switch p.Type {
	case "BertPreTokenizer":
		return both(spaces, signs(isolated)), nil
	case "Whitespace":
		return words, nil
	case "WhitespaceSplit":
		return spaces, nil
	case "Digits":
		return digits(p.Individual), nil
	case "Metaspace":
		return metaspace(p)
	}
	switch p.Type {
	case "Punctuation":
		if p.Behavior == "" {
			p.Behavior = "Isolated"
		}
		b, err := behaviorOf(p.Behavior)
		return signs(b), err
	case "CharDelimiterSplit":
		pat, err := pattern.Literal(p.Delimiter)
		return cutter(pat, removed), err
	case "Split":
		return splitBy(p)
	}
	return nil, fmt.Errorf("the pre-tokenizer is of the type %.80q, which this build does not know", p.Type)
}

func splitBy(p spec) (Func, error) {
	b, err := behaviorOf(p.Behavior)
	if err != nil {
		return nil, err
	}
	pat, err := pattern.Parse(p.Pattern)
	if err != nil {
		return nil, fmt.Errorf("pre-tokenizer Split: %w", err)
	}
	if p.Invert {
		return inverted(pat, b), nil
	}
	return cutter(pat, b), nil
}

func metaspace(p spec) (Func, error) {
	scheme := strings.ToLower(p.PrependScheme)
	if scheme == "" { // files from before the scheme
		scheme = "always"
		if !on(p.AddPrefix) {
			scheme = "never"
		}
	}
	if scheme != "always" && scheme != "first" && scheme != "never" {
		return nil, fmt.Errorf("pre-tokenizer Metaspace has the prepend_scheme %.40q", p.PrependScheme)
	}
	mark := p.Replacement
	pat, err := pattern.Literal(mark)
	if err != nil {
		return nil, fmt.Errorf("pre-tokenizer Metaspace: %w", err)
	}
	cut := cutter(pat, withNext)
	return func(to []Piece, q Piece) []Piece {
		q.Text = strings.ReplaceAll(q.Text, " ", mark)
		if (scheme == "always" || scheme == "first" && q.First) && !strings.HasPrefix(q.Text, mark) {
			q.Text = mark + q.Text
		}
		if on(p.Split) {
			return cut(to, q)
		}
		return add(to, q, 0, len(q.Text))
	}, nil
}

// lead puts a space before a piece that has none.
func lead(to []Piece, p Piece) []Piece {
	if !strings.HasPrefix(p.Text, " ") {
		p.Text = " " + p.Text
	}
	return append(to, p)
}

// spell writes the bytes of a piece as characters.
func spell(to []Piece, p Piece) []Piece {
	p.Text = alphabet.Encode(p.Text)
	return append(to, p)
}

// chain runs steps one after the other, each over all pieces of the one before.
func chain(steps []Func) Func {
	switch len(steps) {
	case 0:
		return func(to []Piece, p Piece) []Piece { return add(to, p, 0, len(p.Text)) }
	case 1:
		return steps[0]
	}
	rest := chain(steps[1:])
	return both(steps[0], rest)
}

func both(a, b Func) Func {
	return func(to []Piece, p Piece) []Piece {
		for _, q := range a(nil, p) {
			to = b(to, q)
		}
		return to
	}
}

// add appends a part of a piece, unless it is empty.
func add(to []Piece, p Piece, start, end int) []Piece {
	if start == end {
		return to
	}
	return append(to, Piece{Text: p.Text[start:end], First: p.First && start == 0})
}
