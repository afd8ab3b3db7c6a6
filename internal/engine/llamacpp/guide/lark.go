package guide

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode"

	"ashatai/internal/core"
	"ashatai/internal/engine/llamacpp/guide/schema"
)

// Limits of a grammar that somebody wrote. The library's reader is recursive, so what is nested costs stack.
const (
	maxBrackets = 40  // groups inside one another
	maxChain    = 400 // rules and groups inside one another
)

// lark is a grammar in Lark whose schemas are rules of it, and how its places are those of what the caller wrote.
type lark struct {
	text   string
	source string
	parts  []part         // of the text, in their order
	uses   map[string]int // where each name is first used in the source
}

// part says that the text goes on from an offset on as the source does from another one on.
type part struct{ text, source int }

// fromLark checks a grammar in Lark and compiles the JSON schemas in it.
func fromLark(source string) (*lark, *core.Error) {
	s := larkScanner{src: source, prefix: "schema_"}
	for i := 0; strings.Contains(strings.ToLower(source), s.prefix); i++ {
		s.prefix = fmt.Sprintf("schema_%d_", i)
	}
	if bad := s.scan(); bad != nil {
		return nil, bad
	}
	if s.tooDeep() {
		return nil, badGrammar("its rules are nested, or refer to each other, too deep")
	}
	return &lark{text: s.out.String() + "\n" + s.more.String(), source: source, parts: s.parts, uses: s.first}, nil
}

// larkScanner reads a grammar just well enough to know what its rules name, and to find the schemas in it.
type larkScanner struct {
	src    string
	prefix string
	at     int
	out    strings.Builder // the grammar without its schemas
	more   strings.Builder // their rules
	n      int             // schemas
	parts  []part
	bad    *core.Error // of one that cannot be enforced

	fresh bool // only space, and marks of a rule, have come on this line
	rule  string
	depth int
	uses  map[string]map[string]int // rule → what it names → groups around it
	first map[string]int            // name → where it is first used
}

func (s *larkScanner) scan() *core.Error {
	s.uses, s.first, s.fresh = map[string]map[string]int{}, map[string]int{}, true
	s.parts = []part{{}}
	for s.at < len(s.src) {
		start := s.at
		bad, written := s.next()
		if s.bad != nil {
			return s.bad
		}
		if bad != "" {
			return badGrammar(at(s.src, start) + ": " + bad)
		}
		if !written {
			s.out.WriteString(s.src[start:s.at])
		}
	}
	return nil
}

// next reads one thing. written is true when it has written something else in its place.
func (s *larkScanner) next() (bad string, written bool) {
	c := s.src[s.at]
	rest := s.src[s.at:]
	fresh := s.fresh
	s.fresh = fresh && strings.IndexByte(" \t?!", c) >= 0
	switch {
	case c == '\n':
		s.fresh = true
		s.at++
	case c == '#' || strings.HasPrefix(rest, "//"):
		for s.at < len(s.src) && s.src[s.at] != '\n' {
			s.at++
		}
	case c == '"' || c == '/':
		return s.quoted(c), false
	case c == '<':
		s.special()
	case c == '(' || c == '[' || c == '{':
		if s.depth++; s.depth > maxBrackets {
			return fmt.Sprintf("more than %d groups are nested", maxBrackets), false
		}
		s.at++
	case c == ')' || c == ']' || c == '}':
		s.depth = max(s.depth-1, 0)
		s.at++
	case c == '%':
		return s.directive()
	case letter(c):
		s.name(fresh)
	default:
		s.at++
	}
	return "", false
}

func letter(c byte) bool { return c == '_' || c|0x20 >= 'a' && c|0x20 <= 'z' }

func (s *larkScanner) word() string {
	start := s.at
	for s.at < len(s.src) && (letter(s.src[s.at]) || s.src[s.at] >= '0' && s.src[s.at] <= '9' || s.src[s.at] == '-') {
		s.at++
	}
	return s.src[start:s.at]
}

// name reads a name: the first on a line is what the line defines, the others are what it uses.
func (s *larkScanner) name(first bool) {
	from := s.at
	word := s.word()
	if first {
		s.rule, s.depth = word, 0
		if s.uses[word] == nil {
			s.uses[word] = map[string]int{}
		}
		return
	}
	if _, ok := s.first[word]; !ok {
		s.first[word] = from
	}
	s.use(word)
}

func (s *larkScanner) use(word string) {
	if u := s.uses[s.rule]; u != nil {
		u[word] = max(u[word], s.depth)
	}
}

// quoted skips a string or a regular expression.
func (s *larkScanner) quoted(end byte) string {
	for s.at++; s.at < len(s.src); s.at++ {
		switch s.src[s.at] {
		case '\\':
			s.at++
		case end:
			s.at++
			return ""
		case '\n':
			return "a string or regular expression does not end on its line"
		}
	}
	return "a string or regular expression does not end"
}

// special skips the name of a control token, such as </think>: what stands in it is neither a bracket nor a quotation mark.
func (s *larkScanner) special() {
	s.at++
	name := s.src[s.at:]
	end := strings.IndexFunc(name, func(r rune) bool { return r == '<' || r == '>' || unicode.IsSpace(r) })
	if end > 0 && name[end] == '>' {
		s.at += end + 1
	}
}

// directive reads what begins with %. Those that are followed by JSON need care.
func (s *larkScanner) directive() (bad string, written bool) {
	start := s.at
	s.at++
	switch word := s.word(); word {
	case "json":
		raw, bad := s.json()
		if bad != "" {
			return bad, false
		}
		g, problem := schema.Compile(raw, fmt.Sprintf("%s%d_", s.prefix, s.n))
		if problem != nil {
			s.bad = schemaError(s.rule, problem)
			return "", false
		}
		s.n++
		s.use(g.Start)
		s.parts = append(s.parts, part{s.out.Len(), start})
		s.out.WriteString(" " + g.Start + " ")
		s.parts = append(s.parts, part{s.out.Len(), s.at})
		s.more.WriteString(g.Text)
		return "", true
	case "regex":
		_, bad := s.json()
		return bad, false
	case "llguidance", "lark":
		return "the directive %" + word + " is not supported", false
	}
	return "", false
}

// json reads the JSON value that follows.
func (s *larkScanner) json() (raw json.RawMessage, bad string) {
	dec := json.NewDecoder(bytes.NewReader([]byte(s.src[s.at:])))
	if err := dec.Decode(&raw); err != nil {
		return nil, "the directive is not followed by valid JSON"
	}
	s.at += int(dec.InputOffset())
	return raw, ""
}

// tooDeep reports whether some chain of rules is longer than the library's reader has stack for. Rules that lead back to
// themselves are read once.
func (s *larkScanner) tooDeep() bool {
	const open = -1
	known := map[string]int{}
	var depth func(name string) int
	depth = func(name string) int {
		if d, ok := known[name]; ok {
			return max(d, 0)
		}
		known[name] = open
		deepest := 0
		for use, groups := range s.uses[name] {
			deepest = max(deepest, depth(use)+groups)
		}
		known[name] = deepest + 1
		return deepest + 1
	}
	for name := range s.uses {
		if depth(name) > maxChain {
			return true
		}
	}
	return false
}
