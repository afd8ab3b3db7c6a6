package schema

import (
	"fmt"
	"slices"
	"strings"
)

// Grammar is a part of a grammar in Lark: rules and terminals whose names begin with one prefix.
type Grammar struct {
	Start string // the name of the rule that takes the schema's values
	Text  string // the rules
}

// Compile makes the grammar of a schema. All its names begin with prefix, a lower-case letter or several; so grammars with
// different prefixes can be put together.
func Compile(source []byte, prefix string) (Grammar, *Problem) {
	root, bad := parse(source)
	if bad != nil {
		return Grammar{}, bad
	}
	c, bad := newCompiler(root)
	if bad != nil {
		return Grammar{}, bad
	}
	start := c.node(root)
	if bad := c.reach(start); bad != nil {
		return Grammar{}, bad
	}
	if !start.ok {
		return Grammar{}, problem("", "no value is valid for the schema")
	}
	e := &emitter{
		c: c, prefix: prefix, rules: map[string]*rule{}, byShape: map[*shape]string{}, byNode: map[*node]string{}, terms: map[string]string{},
	}
	name, bad := e.node(start)
	if bad != nil {
		return Grammar{}, bad
	}
	if bad := e.shallow(name); bad != nil {
		return Grammar{}, bad
	}
	return Grammar{Start: name, Text: e.text.String()}, nil
}

// emitter writes rules. Objects and arrays are rules of their own; what is not nested is a terminal.
type emitter struct {
	c       *compiler
	prefix  string
	text    strings.Builder
	rules   map[string]*rule
	byShape map[*shape]string
	byNode  map[*node]string
	terms   map[string]string // name by definition
	members int               // properties written
}

// rule remembers which rules its definition names, and in how many groups they stand.
type rule struct {
	uses  map[string]int
	depth int // of the deepest chain of rules and groups from here; 0: not known yet, -1: being found
}

func (e *emitter) fresh() string { return fmt.Sprintf("%s%d", e.prefix, len(e.rules)) }

// reserve names a rule that is defined later.
func (e *emitter) reserve() string {
	name := e.fresh()
	e.rules[name] = &rule{}
	return name
}

func (e *emitter) define(name, body string) {
	uses := map[string]int{}
	groups := 0
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case c == '"':
			for i++; body[i] != '"'; i++ {
				if body[i] == '\\' {
					i++
				}
			}
		case c == '(':
			groups++
		case c == ')':
			groups--
		case strings.HasPrefix(body[i:], e.prefix):
			n := len(e.prefix)
			for i+n < len(body) && body[i+n] >= '0' && body[i+n] <= '9' {
				n++
			}
			uses[body[i:i+n]] = max(uses[body[i:i+n]], groups)
			i += n - 1
		}
	}
	e.rules[name].uses = uses
	e.text.WriteString(name + ": " + body + "\n")
}

// shallow refuses grammars whose rules are nested so deep that reading them would need too much stack.
func (e *emitter) shallow(start string) *Problem {
	var depth func(name string) int
	depth = func(name string) int {
		r := e.rules[name]
		if r.depth < 0 {
			return 0
		}
		if r.depth == 0 {
			r.depth = -1
			deepest := 0
			for use, groups := range r.uses {
				deepest = max(deepest, depth(use)+groups)
			}
			r.depth = deepest + 1
		}
		return r.depth
	}
	if depth(start) > maxNested {
		return problem("", "the schema is too large: its parts are nested, or refer to each other, too deep")
	}
	return nil
}

// terminal names a terminal with this definition.
func (e *emitter) terminal(body string) string {
	if name := e.terms[body]; name != "" {
		return name
	}
	name := fmt.Sprintf("%s%d", strings.ToUpper(e.prefix), len(e.terms))
	e.terms[body] = name
	e.text.WriteString(name + ": " + body + "\n")
	return name
}

// node names the rule of a node.
func (e *emitter) node(n *node) (string, *Problem) {
	if name := e.byNode[n]; name != "" {
		return name, nil
	}
	name := e.reserve()
	e.byNode[n] = name
	var plain, alts []string
	for _, s := range n.shapes {
		if !e.c.possible(s) {
			continue
		}
		switch s.kind {
		case kindNull, kindBool, kindNumber, kindString:
			t, bad := e.scalar(s)
			if bad != nil {
				return "", bad
			}
			plain = append(plain, t)
		case kindArray, kindObject:
			r, bad := e.nested(s)
			if bad != nil {
				return "", bad
			}
			if !slices.Contains(alts, r) {
				alts = append(alts, r)
			}
		}
	}
	if len(plain) > 0 {
		alts = slices.Insert(alts, 0, e.terminal(strings.Join(compact(plain), " | ")))
	}
	e.define(name, strings.Join(alts, " | "))
	return name, nil
}

// compact drops what is there twice and keeps the order.
func compact(list []string) []string {
	seen := map[string]bool{}
	return slices.DeleteFunc(list, func(s string) bool {
		had := seen[s]
		seen[s] = true
		return had
	})
}

func (e *emitter) nested(s *shape) (string, *Problem) {
	if name := e.byShape[s]; name != "" {
		return name, nil
	}
	name := e.reserve()
	e.byShape[s] = name
	var body string
	var bad *Problem
	if s.kind == kindArray {
		body, bad = e.array(s.arr)
	} else {
		body, bad = e.object(s.obj)
	}
	if bad == nil {
		e.define(name, body)
	}
	return name, bad
}

// scalar is the definition of a terminal for a value that is not nested.
func (e *emitter) scalar(s *shape) (string, *Problem) {
	switch s.kind {
	case kindNull:
		return `"null"`, nil
	case kindBool:
		switch {
		case s.yes && s.no:
			return `"true" | "false"`, nil
		case s.yes:
			return `"true"`, nil
		}
		return `"false"`, nil
	case kindNumber:
		if n := s.num; n.low != nil && n.high != nil && n.low.compare(n.high.decimal) == 0 {
			return lark(n.low.String()), nil // there is one number, and possible has seen that it is taken
		}
		terms := s.num.terms()
		for i, t := range terms {
			terms[i] = "/" + t + "/"
		}
		return "(" + strings.Join(terms, " & ") + ")", nil
	case kindString:
		return e.stringTerm(s.str)
	case kindArray, kindObject:
	}
	return "", nil
}

func (e *emitter) stringTerm(t texts) (string, *Problem) {
	if t.literal != nil {
		return lark(quote(*t.literal)), nil
	}
	var terms []string
	for _, p := range t.patterns {
		body, bad := e.patternBody(p)
		if bad != nil {
			return "", bad
		}
		terms = append(terms, `/"`+slashes(body)+`"/`)
	}
	if t.min > 0 || t.max >= 0 || len(terms) == 0 {
		terms = append(terms, `/"`+anyChar+repeat(t.min, t.max)+`"/`)
	}
	if len(terms) == 1 {
		return terms[0], nil
	}
	return "(" + strings.Join(terms, " & ") + ")", nil
}

// patternBody writes a pattern for the inside of a JSON string.
func (e *emitter) patternBody(p pattern) (string, *Problem) {
	re, err := parsePattern(p.src)
	if err != nil {
		return "", problem("", "the pattern %q cannot be enforced: %v", p.src, err)
	}
	body, err := style{quoted: true}.whole(re, p.search)
	if err != nil {
		return "", problem("", "the pattern %q cannot be enforced: %v", p.src, err)
	}
	return body, nil
}

// repeat is the suffix of a repetition; hi -1 is no bound.
func repeat(lo, hi int) string {
	switch {
	case hi < 0 && lo == 0:
		return "*"
	case hi < 0:
		return fmt.Sprintf("{%d,}", lo)
	}
	return fmt.Sprintf("{%d,%d}", lo, hi)
}

// slashes makes a regular expression fit between slashes.
func slashes(re string) string { return strings.ReplaceAll(re, "/", `\/`) }

// quote writes a JSON string in the one way that grammars here write characters.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		if e, ok := escapes()[r]; ok {
			b.WriteString(e)
		} else if r < ' ' {
			fmt.Fprintf(&b, `\u%04X`, r)
		} else {
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// lark writes a string literal of the grammar.
func lark(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
