package gbnf

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// reader goes through a grammar from its beginning to its end.
type reader struct {
	src string
	at  int

	ids      map[string]int // of the rules that have names
	rules    []rule         // groups are rules without a name of their own
	made     int            // rules that repetitions make
	elements int
	open     []*sequence // the rule that is read, and the groups around the place
	loops    []loop
}

// loop is a repetition without an end of a rule.
type loop struct{ rule, at int }

// rule is what a name or a group stands for.
type rule struct {
	name    string // of a group: that of the rule around it
	at      int    // where it begins, or where its name comes first
	defined bool
	alts    [][]item // the beginning of each alternative, up to its first item that must be there and is a terminal
	empty   bool     // an alternative has nothing in it
}

// item is a thing in a sequence that may be repeated.
type item struct {
	rule     int // terminal: none
	elements int
	times    int
	optional bool
}

const terminal = -1

// sequence is an alternative that is being read.
type sequence struct {
	rule   int
	begin  int // offset
	names  int // rules known when it began
	items  []item
	filled bool  // it has something in it
	last   *item // what a repetition would repeat; nil: nothing
	weight int   // rules that it stands for
}

func (r *reader) bad(offset int, format string, args ...any) *Problem {
	return &Problem{Offset: offset, Reason: fmt.Sprintf(format, args...)}
}

// expected says what should be at the place.
func (r *reader) expected(what string) *Problem {
	return r.bad(r.at, "%s was expected, but %s", what, r.found())
}

// found says what is at the place.
func (r *reader) found() string {
	rest := r.src[r.at:]
	switch {
	case rest == "":
		return "the grammar ends"
	case rest[0] == '\n' || rest[0] == '\r':
		return "the line ends"
	}
	const most = 20
	word, _, _ := strings.Cut(rest, "\n")
	if i := strings.IndexAny(word, " \t\r"); i > 0 {
		word = word[:i]
	}
	if runes := []rune(word); len(runes) > most {
		word = string(runes[:most]) + "…"
	}
	return strconv.Quote(word) + " is there"
}

// peek is the byte at the place; 0 at the end.
func (r *reader) peek() byte {
	if r.at < len(r.src) {
		return r.src[r.at]
	}
	return 0
}

func word(c byte) bool {
	return c|0x20 >= 'a' && c|0x20 <= 'z' || digit(c) || c == '-'
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

// space skips space and comments, and ends of lines where they mean nothing.
func (r *reader) space(lines bool) {
	for r.at < len(r.src) {
		switch c := r.src[r.at]; {
		case c == '#':
			if i := strings.IndexAny(r.src[r.at:], "\r\n"); i >= 0 {
				r.at += i
			} else {
				r.at = len(r.src)
			}
		case c == ' ' || c == '\t' || lines && (c == '\r' || c == '\n'):
			r.at++
		default:
			return
		}
	}
}

func (r *reader) run(fits func(byte) bool) string {
	from := r.at
	for r.at < len(r.src) && fits(r.src[r.at]) {
		r.at++
	}
	return r.src[from:r.at]
}

// known is the number of a rule's name.
func (r *reader) known(name string, at int) int {
	id, ok := r.ids[name]
	if !ok {
		id = len(r.rules)
		r.ids[name] = id
		r.rules = append(r.rules, rule{name: name, at: at})
	}
	return id
}

// names are the names that llama.cpp has by now.
func (r *reader) names() int { return len(r.rules) + r.made }

func (r *reader) read() *Problem {
	if i := strings.IndexByte(r.src, 0); i >= 0 {
		return r.bad(i, "a character U+0000 cannot stand in a grammar")
	}
	if !utf8.ValidString(r.src) {
		return r.bad(0, "it is not valid UTF-8")
	}
	for r.space(true); r.at < len(r.src); r.space(true) {
		if bad := r.definition(); bad != nil {
			return bad
		}
	}
	return nil
}

// definition reads a rule.
func (r *reader) definition() *Problem {
	at := r.at
	name := r.run(word)
	if name == "" {
		return r.expected(`the name of a rule, of letters, digits and "-",`)
	}
	r.space(false)
	if !strings.HasPrefix(r.src[r.at:], "::=") {
		return r.expected(`"::="`)
	}
	r.at += len("::=")
	id := r.known(name, at)
	r.rules[id] = rule{name: name, at: at, defined: true}
	r.space(true)
	r.enter(id, at)
	for len(r.open) > 0 {
		if bad := r.step(); bad != nil {
			return bad
		}
	}
	switch {
	case r.at == len(r.src):
	case r.src[r.at] == '\r' || r.src[r.at] == '\n':
		r.at++
	default:
		return r.expected("a string, a class, a name, a group, a repetition, \"|\" or the end of the line")
	}
	return nil
}

func (r *reader) enter(id, begin int) {
	r.open = append(r.open, &sequence{rule: id, begin: begin, names: r.names(), weight: 1})
}

// alternative ends the one that is read.
func (r *reader) alternative(s *sequence) {
	to := &r.rules[s.rule]
	to.alts = append(to.alts, s.items)
	to.empty = to.empty || !s.filled
	s.items, s.filled, s.last, s.weight = nil, false, nil, 1
}

// step reads one thing of the innermost sequence, or ends it.
func (r *reader) step() *Problem {
	s, nested := r.open[len(r.open)-1], len(r.open) > 1
	var bad *Problem
	switch c := r.peek(); {
	case c == '"':
		bad = r.literal(s)
	case c == '[':
		bad = r.class(s)
	case c == '<' || c == '!':
		bad = r.token(s)
	case word(c):
		at := r.at
		r.add(s, item{rule: r.known(r.run(word), at), elements: 1}, 1)
	case c == '.':
		r.at++
		r.add(s, item{rule: terminal, elements: 1}, 1)
	case c == '(':
		return r.group()
	case c == '*' || c == '+' || c == '?' || c == '{':
		bad = r.repetition(s, nested)
	case c == '|':
		r.alternative(s)
		r.at++
		r.space(true)
		return nil
	default:
		return r.leave(s, nested)
	}
	if bad == nil {
		r.space(nested)
	}
	return bad
}

// add puts an item into a sequence. weight is the number of rules that it stands for.
func (r *reader) add(s *sequence, it item, weight int) {
	it.times = 1
	s.weight, s.last = weight, nil
	if it.elements == 0 {
		return
	}
	r.elements += it.elements
	s.filled = true
	s.items = append(s.items, it)
	s.last = &s.items[len(s.items)-1]
}

func (r *reader) group() *Problem {
	if len(r.open) > maxGroups {
		return r.bad(r.at, "more than %d groups are nested", maxGroups)
	}
	begin := r.at
	around := r.rules[r.open[0].rule].name
	names := r.names()
	r.rules = append(r.rules, rule{name: around, at: begin, defined: true})
	r.at++
	r.space(true)
	r.enter(len(r.rules)-1, begin)
	r.open[len(r.open)-1].names = names
	return nil
}

// leave ends a rule or a group.
func (r *reader) leave(s *sequence, nested bool) *Problem {
	r.alternative(s)
	r.open = r.open[:len(r.open)-1]
	if !nested {
		return nil
	}
	if r.peek() != ')' {
		line := 1 + strings.Count(r.src[:s.begin], "\n")
		return r.expected(fmt.Sprintf(`")" for the "(" in line %d`, line))
	}
	r.at++
	out := r.open[len(r.open)-1]
	r.add(out, item{rule: s.rule, elements: 1}, max(1, r.names()-s.names))
	r.space(len(r.open) > 1)
	return nil
}

func (r *reader) literal(s *sequence) *Problem {
	begin, n := r.at, 0
	for r.at++; r.peek() != '"'; n++ {
		if r.at == len(r.src) {
			return r.bad(begin, `the string that begins here does not end; a '"' was expected`)
		}
		if bad := r.character(); bad != nil {
			return bad
		}
	}
	r.at++
	r.add(s, item{rule: terminal, elements: n}, 1)
	return nil
}

func (r *reader) class(s *sequence) *Problem {
	begin, n := r.at, 0
	if r.at++; r.peek() == '^' {
		r.at++
	}
	for r.peek() != ']' {
		if r.at == len(r.src) {
			return r.bad(begin, `the class that begins here does not end; a "]" was expected`)
		}
		if bad := r.character(); bad != nil {
			return bad
		}
		n++
		if rest := r.src[r.at:]; strings.HasPrefix(rest, "-") && !strings.HasPrefix(rest, "-]") && rest != "-" {
			r.at++
			if bad := r.character(); bad != nil {
				return bad
			}
			n++
		}
	}
	r.at++
	r.add(s, item{rule: terminal, elements: n}, 1)
	return nil
}

// character reads one of a string or a class; there is one.
func (r *reader) character() *Problem {
	if r.src[r.at] != '\\' {
		_, n := utf8.DecodeRuneInString(r.src[r.at:])
		r.at += n
		return nil
	}
	begin := r.at
	r.at++
	c := r.peek()
	r.at++
	digits, hex := map[byte]int{'x': 2, 'u': 4, 'U': 8}[c]
	switch {
	case hex:
		for range digits {
			if !strings.ContainsRune("0123456789abcdefABCDEF", rune(r.peek())) || r.peek() == 0 {
				return r.expected(fmt.Sprintf(`one of the %d hexadecimal digits after "\%c"`, digits, c))
			}
			r.at++
		}
		return nil
	case c != 0 && strings.IndexByte(`trn\"[]-`, c) >= 0:
		return nil
	}
	r.at = begin
	return r.expected(`an escape, which is one of \t \r \n \\ \" \[ \] \- \xHH \uHHHH and \UHHHHHHHH,`)
}

// token reads a control token: <name> or <[number]>, or any but that with "!" before it.
func (r *reader) token(s *sequence) *Problem {
	begin := r.at
	if r.peek() == '!' {
		r.at++
	}
	if r.peek() != '<' {
		return r.expected(`a control token, which begins with "<",`)
	}
	r.at++
	if r.peek() == '[' {
		r.at++
		at := r.at
		n := r.run(digit)
		if n == "" {
			return r.expected("the number of a token")
		}
		if _, err := strconv.ParseUint(n, 10, 64); err != nil {
			return r.bad(at, "the number is too large")
		}
		for _, end := range []byte("]>") {
			if r.peek() != end {
				return r.expected(`"]>"`)
			}
			r.at++
		}
	} else {
		i := strings.IndexByte(r.src[r.at:], '>')
		if i < 0 {
			return r.bad(begin, `the control token that begins here does not end; a ">" was expected`)
		}
		r.at += i + 1
	}
	r.add(s, item{rule: terminal, elements: 1}, 1)
	return nil
}

// repetition reads * + ? {n} {n,} {n,m}.
func (r *reader) repetition(s *sequence, nested bool) *Problem {
	begin := r.at
	least, most := 0, math.MaxInt
	c := r.src[r.at]
	r.at++
	r.space(nested)
	switch c {
	case '+':
		least = 1
	case '?':
		most = 1
	case '{':
		var bad *Problem
		if least, most, bad = r.bounds(nested); bad != nil {
			return bad
		}
	}
	if s.last == nil {
		return r.bad(begin, `something to repeat was expected before %q`, string(c))
	}
	return r.repeat(s, begin, least, most)
}

// bounds reads the numbers of a repetition in braces.
func (r *reader) bounds(nested bool) (least, most int, bad *Problem) {
	if least, bad = r.number(nested); bad != nil {
		return 0, 0, bad
	}
	switch r.peek() {
	case '}':
		most = least
	case ',':
		most = math.MaxInt
		r.at++
		if r.space(nested); digit(r.peek()) {
			at := r.at
			if most, bad = r.number(nested); bad != nil {
				return 0, 0, bad
			}
			if most < least {
				return 0, 0, r.bad(at, "the largest number of repetitions, %d, is smaller than the least, %d", most, least)
			}
		}
		if r.peek() != '}' {
			return 0, 0, r.expected(`"}"`)
		}
	default:
		return 0, 0, r.expected(`"," or "}"`)
	}
	r.at++
	r.space(nested)
	if most > maxTimes {
		most = math.MaxInt
	}
	return least, most, nil
}

func (r *reader) number(nested bool) (int, *Problem) {
	at := r.at
	text := r.run(digit)
	if text == "" {
		return 0, r.expected("a number")
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0, r.bad(at, "the number of repetitions is too large; at most %d are allowed", maxTimes)
	}
	r.space(nested)
	return n, nil
}

const endless = "what is repeated here may be nothing, so the repetition would have no end; let it be something"

// repeat counts what a repetition makes of the last item, as llama.cpp spells it out.
func (r *reader) repeat(s *sequence, begin, least, most int) *Problem {
	unbounded := most == math.MaxInt
	total := max(1, least)
	if !unbounded && most > 0 {
		total = most
	}
	if least > maxTimes || s.weight*total >= maxTimes {
		return r.bad(begin, "so many repetitions of what stands before cannot be followed; fewer than %d in all are allowed, those inside it multiplied", maxTimes)
	}
	options := most - least
	if unbounded {
		options = 1
	}
	s.weight *= total
	r.made += options
	it := s.last
	if unbounded && it.optional {
		return r.bad(begin, endless)
	}
	if unbounded && it.rule != terminal {
		r.loops = append(r.loops, loop{it.rule, begin})
	}
	r.elements += it.elements*max(0, least-1) + options*(it.elements+3)
	if r.elements > maxElements {
		return r.bad(begin, "the grammar has more than %d parts when its repetitions are spelled out", maxElements)
	}
	if least == 0 && options == 0 {
		s.items, s.last = s.items[:len(s.items)-1], nil
		s.filled = len(s.items) > 0
		return nil
	}
	it.times *= total
	it.optional = it.optional || least == 0
	it.elements = max(0, it.elements*least) + min(1, options)
	return nil
}
