// Package pattern finds the patterns that tokenizer.json files name: literal text, and the regular expressions of the
// published tokenizers. Those look ahead, which Go's linear engine cannot do and a backtracking engine does at the mercy of
// the text. So each alternative that is in use has a scanner written by hand, in time linear in what it reads, and an
// expression with any other alternative is refused by name.
package pattern

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// matcher returns how many bytes at the beginning of s it matches; 0 means that it does not.
type matcher func(s string) int

// Pattern is literal text or a list of alternatives of which the first that matches wins.
type Pattern struct {
	literal string
	alts    []matcher
}

// Literal makes a pattern that is plain text.
func Literal(s string) (*Pattern, error) {
	if s == "" {
		return nil, errors.New("a pattern is empty")
	}
	return &Pattern{literal: s}, nil
}

// Parse reads a pattern as tokenizer.json has it: {"String": …} or {"Regex": …}.
func Parse(raw []byte) (*Pattern, error) {
	var p struct {
		String *string `json:"String"` //nolint:tagliatelle // the format's name
		Regex  *string `json:"Regex"`  //nolint:tagliatelle // the format's name
	}
	if err := json.Unmarshal(raw, &p); err != nil {
		return nil, fmt.Errorf("a pattern is neither a string nor a regular expression: %w", err)
	}
	switch {
	case p.String != nil && p.Regex == nil:
		return Literal(*p.String)
	case p.Regex != nil && p.String == nil:
		return Regex(*p.Regex)
	}
	return nil, errors.New("a pattern is neither a string nor a regular expression")
}

// Regex makes a pattern of a regular expression in Oniguruma's notation, all of whose alternatives are known.
func Regex(expr string) (*Pattern, error) {
	known := alternatives()
	p := &Pattern{}
	var names []string
	for _, alt := range cut(expr) {
		m, ok := known[alt]
		if !ok {
			return nil, fmt.Errorf("the regular expression %.200q has the part %.120q, for which this build has no scanner", expr, alt)
		}
		p.alts = append(p.alts, m)
		names = append(names, alt)
	}
	if rescans(names) {
		return nil, fmt.Errorf("the regular expression %.200q would read runs of white space again and again", expr)
	}
	return p, nil
}

// rescans says whether an alternative may read a long run of white space and match none of it, with no other to take it.
func rescans(alts []string) bool {
	reads, takes := false, false
	for _, a := range alts {
		reads = reads || a == `\s*[\r\n]+` || a == `\s*[\r\n]`
		takes = takes || a == `\s+` || a == `\s`
	}
	return reads && !takes
}

// cut splits an expression at the bars that lie in no group and no class.
func cut(expr string) []string {
	var alts []string
	depth, class, start := 0, false, 0
	for i := 0; i < len(expr); i++ {
		switch c := expr[i]; {
		case c == '\\':
			i++
		case class:
			class = c != ']'
		case c == '[':
			class = true
		case c == '(':
			depth++
		case c == ')':
			depth--
		case c == '|' && depth == 0:
			alts, start = append(alts, expr[start:i]), i+1
		}
	}
	return append(alts, expr[start:])
}

// Next finds the first match in s that begins at or after from.
func (p *Pattern) Next(s string, from int) (start, end int, ok bool) {
	if p.literal != "" {
		i := strings.Index(s[from:], p.literal)
		if i < 0 {
			return 0, 0, false
		}
		return from + i, from + i + len(p.literal), true
	}
	for from < len(s) {
		if n := p.At(s[from:]); n > 0 {
			return from, from + n, true
		}
		_, size := utf8.DecodeRuneInString(s[from:])
		from += size
	}
	return 0, 0, false
}

// At returns how many bytes at the beginning of s match.
func (p *Pattern) At(s string) int {
	if p.literal != "" {
		if strings.HasPrefix(s, p.literal) {
			return len(p.literal)
		}
		return 0
	}
	for _, m := range p.alts {
		if n := m(s); n > 0 {
			return n
		}
	}
	return 0
}

// Replace puts other text for every match.
func (p *Pattern) Replace(s, with string) string {
	if p.literal != "" {
		return strings.ReplaceAll(s, p.literal, with)
	}
	var b strings.Builder
	from := 0
	for {
		start, end, ok := p.Next(s, from)
		if !ok {
			break
		}
		b.WriteString(s[from:start])
		b.WriteString(with)
		from = end
	}
	if from == 0 {
		return s
	}
	b.WriteString(s[from:])
	return b.String()
}
