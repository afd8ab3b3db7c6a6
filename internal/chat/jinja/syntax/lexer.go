package syntax

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"ashatai/internal/chat/jinja/value"
)

// The kinds of token beside the operators, whose kind is their own text.
const (
	tokEOF      = "end of template"
	tokData     = "template data"
	tokName     = "name"
	tokString   = "string"
	tokInt      = "integer"
	tokFloat    = "float"
	tokVarBegin = "{{"
	tokVarEnd   = "end of print statement"
	tokTagBegin = "{%"
	tokTagEnd   = "end of statement block"
)

type token struct {
	kind string
	text string // the name, the digits, the decoded string, or the data
	line int
}

func (t token) is(name string) bool { return t.kind == tokName && t.text == name }

func (t token) describe() string {
	if t.kind == tokName {
		return t.text
	}
	return t.kind
}

// lexer cuts a template into tokens, one at a time.
type lexer struct {
	src       string
	pos       int
	line      int
	closing   string // what ends the tag that is being read: "%}", "}}", or "" in plain text
	open      []byte // brackets that wait for their partner
	lineStart bool   // the last token ended with a line break
	queued    token  // the begin token behind a piece of data
	hasQueued bool
	openLimit int
}

func newLexer(src string, openLimit int) *lexer {
	if strings.ContainsRune(src, '\r') {
		src = strings.ReplaceAll(strings.ReplaceAll(src, "\r\n", "\n"), "\r", "\n")
	}
	return &lexer{src: strings.TrimSuffix(src, "\n"), line: 1, lineStart: true, openLimit: openLimit}
}

func (l *lexer) fail(parts ...string) error {
	return &value.Error{Kind: value.Syntax, Message: strings.Join(parts, ""), Line: l.line}
}

// take consumes n bytes and counts their lines.
func (l *lexer) take(n int) string {
	s := l.src[l.pos : l.pos+n]
	l.pos += n
	if n > 0 {
		l.line += strings.Count(s, "\n")
		l.lineStart = s[n-1] == '\n'
	}
	return s
}

func (l *lexer) next() (token, error) {
	if l.hasQueued {
		l.hasQueued = false
		return l.queued, nil
	}
	if l.closing != "" {
		return l.inTag()
	}
	for {
		t, ok, err := l.inText()
		if ok || err != nil {
			return t, err
		}
	}
}

// nextTag is the position of the next tag's opening brace, or -1.
func (l *lexer) nextTag() int {
	for i := l.pos; ; {
		n := strings.IndexByte(l.src[i:], '{')
		if n < 0 || i+n+1 >= len(l.src) {
			return -1
		}
		i += n
		if c := l.src[i+1]; c == '{' || c == '%' || c == '#' {
			return i
		}
		i++
	}
}

// inText reads data up to the next tag, and the tag's opening. It reports false where there was nothing but a comment.
func (l *lexer) inText() (token, bool, error) {
	if l.pos >= len(l.src) {
		return token{kind: tokEOF, line: l.line}, true, nil
	}
	at := l.nextTag()
	if at < 0 {
		line := l.line
		return token{tokData, l.take(len(l.src) - l.pos), line}, true, nil
	}
	kind := l.src[at : at+2]
	sign := byte(0)
	if at+2 < len(l.src) && (l.src[at+2] == '-' || l.src[at+2] == '+') {
		sign = l.src[at+2]
	}
	data := token{tokData, l.stripBefore(l.src[l.pos:at], sign, kind != tokVarBegin), l.line}
	l.take(at - l.pos)
	if kind == tokTagBegin {
		if n, ok := l.rawBegin(); ok {
			l.take(n)
			return l.raw(data)
		}
	}
	begin := token{kind: kind, line: l.line}
	l.take(2)
	if sign != 0 {
		l.take(1)
	}
	switch kind {
	case "{#":
		if err := l.comment(); err != nil {
			return token{}, false, err
		}
		return data, data.text != "", nil
	case tokTagBegin:
		l.closing = "%}"
	default:
		l.closing = "}}"
	}
	if data.text == "" {
		return begin, true, nil
	}
	l.queued, l.hasQueued = begin, true
	return data, true, nil
}

// stripBefore is the text before a tag, without what the tag's sign or lstrip_blocks takes away.
func (l *lexer) stripBefore(text string, sign byte, block bool) string {
	if sign == '-' {
		return strings.TrimRightFunc(text, value.IsSpace)
	}
	if sign == '+' || !block {
		return text
	}
	from := strings.LastIndexByte(text, '\n') + 1
	if (from > 0 || l.lineStart) && strings.TrimLeftFunc(text[from:], value.IsSpace) == "" {
		return text[:from]
	}
	return text
}

// skipSpace is how many bytes of whitespace stand at position i.
func (l *lexer) skipSpace(i int) int {
	n := i
	for n < len(l.src) && (l.src[n] == ' ' || l.src[n] == '\n') {
		n++
	}
	rest := l.src[n:]
	if rest == "" || rest[0] > ' ' && rest[0] < utf8.RuneSelf {
		return n - i
	}
	return n - i + len(rest) - len(strings.TrimLeftFunc(rest, value.IsSpace))
}

// rawBegin is the length of an opening raw tag at the current position.
func (l *lexer) rawBegin() (int, bool) {
	i := l.pos + 2
	if i < len(l.src) && (l.src[i] == '-' || l.src[i] == '+') {
		i++
	}
	i += l.skipSpace(i)
	if !strings.HasPrefix(l.src[i:], "raw") {
		return 0, false
	}
	i += 3
	i += l.skipSpace(i)
	switch {
	case strings.HasPrefix(l.src[i:], "%}"):
		return i + 2 - l.pos, true
	case strings.HasPrefix(l.src[i:], "-%}"):
		i += 3
		return i + l.skipSpace(i) - l.pos, true
	}
	return 0, false
}

// raw reads to the end of a raw block, and returns before and the block's text as one piece of data.
func (l *lexer) raw(before token) (token, bool, error) {
	if l.pos == len(l.src) {
		return before, before.text != "", nil
	}
	for i := l.pos; ; i += 2 {
		n := strings.Index(l.src[i:], "{%")
		if n < 0 {
			return token{}, false, l.fail("Missing end of raw directive")
		}
		i += n
		j, sign := i+2, byte(0)
		if j < len(l.src) && (l.src[j] == '-' || l.src[j] == '+') {
			sign = l.src[j]
			j++
		}
		j += l.skipSpace(j)
		if !strings.HasPrefix(l.src[j:], "endraw") {
			continue
		}
		j += len("endraw")
		j += l.skipSpace(j)
		end, ok := l.tagEnd(j, "%}", true)
		if !ok {
			continue
		}
		before.text += l.stripBefore(l.src[l.pos:i], sign, true)
		l.take(end - l.pos)
		return before, before.text != "", nil
	}
}

// tagEnd is where a closing tag at position i ends, with the whitespace that it takes along.
func (l *lexer) tagEnd(i int, closing string, plus bool) (int, bool) {
	rest := l.src[i:]
	switch {
	case strings.HasPrefix(rest, closing):
		i += 2
		if closing != "}}" && strings.HasPrefix(l.src[i:], "\n") {
			i++
		}
		return i, true
	case rest != "" && rest[0] == '-' && strings.HasPrefix(rest[1:], closing):
		i += 3
		return i + l.skipSpace(i), true
	case plus && rest != "" && rest[0] == '+' && strings.HasPrefix(rest[1:], closing):
		return i + 3, true
	}
	return 0, false
}

func (l *lexer) comment() error {
	if l.pos == len(l.src) {
		return nil
	}
	n := strings.Index(l.src[l.pos:], "#}")
	if n < 0 {
		return l.fail("Missing end of comment tag")
	}
	end := l.pos + n
	if n > 0 && (l.src[end-1] == '-' || l.src[end-1] == '+') {
		end--
	}
	end, _ = l.tagEnd(end, "#}", true)
	l.take(end - l.pos)
	return nil
}

// inTag reads one token between the braces of a tag.
func (l *lexer) inTag() (token, error) {
	l.take(l.skipSpace(l.pos))
	if t, ok := l.tagClose(); ok {
		return t, nil
	}
	if l.pos >= len(l.src) {
		return token{kind: tokEOF, line: l.line}, nil
	}
	c := l.src[l.pos]
	line := l.line
	switch {
	case c >= '0' && c <= '9':
		kind, n := l.number()
		return token{kind, l.take(n), line}, nil
	case c == '"' || c == '\'':
		return l.str(c)
	case c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= utf8.RuneSelf:
		n := l.nameLength()
		if n > 0 {
			return token{tokName, l.take(n), line}, nil
		}
	default:
		return l.operator()
	}
	return token{}, l.unexpected()
}

// nameLength is how many bytes at the current position belong to a name.
func (l *lexer) nameLength() int {
	for i := l.pos; i < len(l.src); {
		c := l.src[i]
		if c == '_' || c|0x20 >= 'a' && c|0x20 <= 'z' || isDecimal(c) {
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(l.src[i:])
		if c < utf8.RuneSelf || !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r) {
			return i - l.pos
		}
		i += n
	}
	return len(l.src) - l.pos
}

// tagClose consumes the end of the tag, if it stands here and no bracket is open.
func (l *lexer) tagClose() (token, bool) {
	if len(l.open) > 0 {
		return token{}, false
	}
	end, ok := l.tagEnd(l.pos, l.closing, l.closing == "%}")
	if !ok {
		return token{}, false
	}
	t := token{kind: tokTagEnd, line: l.line}
	if l.closing == "}}" {
		t.kind = tokVarEnd
	}
	l.take(end - l.pos)
	l.closing = ""
	return t, true
}

func (l *lexer) unexpected() error {
	r, _ := utf8.DecodeRuneInString(l.src[l.pos:])
	return l.fail("unexpected char '", string(r), "'")
}

func (l *lexer) operator() (token, error) {
	n := 0
	if l.pos+1 < len(l.src) {
		switch l.src[l.pos : l.pos+2] {
		case "//", "**", "==", "!=", ">=", "<=":
			n = 2
		}
	}
	if n == 0 && strings.IndexByte("+-/*%~[](){}<>=.:|,;", l.src[l.pos]) >= 0 {
		n = 1
	}
	if n == 0 {
		return token{}, l.unexpected()
	}
	t := token{kind: l.src[l.pos : l.pos+n], line: l.line}
	switch t.kind {
	case "(", "[", "{":
		if len(l.open) >= l.openLimit {
			return token{}, &value.Error{Kind: value.Limit, Message: "brackets nest too deeply", Line: l.line}
		}
		l.open = append(l.open, t.kind[0])
	case ")", "]", "}":
		want := byte('(')
		if t.kind != ")" {
			want = t.kind[0] - 2
		}
		if len(l.open) == 0 || l.open[len(l.open)-1] != want {
			return token{}, l.fail("unexpected '", t.kind, "'")
		}
		l.open = l.open[:len(l.open)-1]
	}
	l.take(n)
	return t, nil
}
