package value

import (
	"strings"
	"unicode/utf8"
)

func splitMethod(fromRight bool) strFunc {
	return func(b *Budget, x *Str, a []Value) (Value, error) {
		if _, none := a[0].(None); none {
			a[0] = nil
		}
		sep, err := StrArg(a[0], nil)
		if err != nil {
			return nil, err
		}
		n, err := IntArg(a[1], -1)
		if err != nil {
			return nil, err
		}
		if n < 0 || n > int64(len(x.s)) {
			n = int64(len(x.s)) + 1
		}
		if err := b.Scan(len(x.s)); err != nil {
			return nil, err
		}
		s := &splitter{b: b, x: x}
		switch {
		case sep == nil && fromRight:
			s.spacesRight(int(n))
		case sep == nil:
			s.spaces(int(n))
		case sep.s == "":
			return nil, Fail("empty separator")
		case fromRight:
			s.textRight(sep.s, int(n))
		default:
			s.text(sep.s, int(n))
		}
		return s.list(fromRight)
	}
}

// splitter collects the pieces of one split.
type splitter struct {
	b   *Budget
	x   *Str
	out []Value
	err error
}

func (s *splitter) add(i, j int) bool {
	if s.err == nil && len(s.out) >= s.b.Items {
		s.err = s.b.NewItems(len(s.out) + 1)
	}
	if s.err == nil {
		s.err = s.b.NewItems(1)
	}
	if s.err != nil {
		return false
	}
	s.out = append(s.out, s.x.slice(i, j))
	return true
}

func (s *splitter) list(reversed bool) (Value, error) {
	if s.err != nil {
		return nil, s.err
	}
	if reversed {
		for i, j := 0, len(s.out)-1; i < j; i, j = i+1, j-1 {
			s.out[i], s.out[j] = s.out[j], s.out[i]
		}
	}
	return &List{s.out}, nil
}

func (s *splitter) text(sep string, n int) {
	at := 0
	for ; n > 0; n-- {
		i := strings.Index(s.x.s[at:], sep)
		if i < 0 || !s.add(at, at+i) {
			break
		}
		at += i + len(sep)
	}
	s.add(at, len(s.x.s))
}

func (s *splitter) textRight(sep string, n int) {
	end := len(s.x.s)
	for ; n > 0; n-- {
		i := strings.LastIndex(s.x.s[:end], sep)
		if i < 0 || !s.add(i+len(sep), end) {
			break
		}
		end = i
	}
	s.add(0, end)
}

func (s *splitter) spaces(n int) {
	rest := strings.TrimLeftFunc(s.x.s, IsSpace)
	for ; rest != "" && n > 0; n-- {
		at := len(s.x.s) - len(rest)
		i := strings.IndexFunc(rest, IsSpace)
		if i < 0 {
			s.add(at, len(s.x.s))
			return
		}
		if !s.add(at, at+i) {
			return
		}
		rest = strings.TrimLeftFunc(rest[i:], IsSpace)
	}
	if rest != "" {
		s.add(len(s.x.s)-len(rest), len(s.x.s))
	}
}

func (s *splitter) spacesRight(n int) {
	rest := strings.TrimRightFunc(s.x.s, IsSpace)
	for ; rest != "" && n > 0; n-- {
		i := strings.LastIndexFunc(rest, IsSpace)
		if i < 0 {
			s.add(0, len(rest))
			return
		}
		_, w := utf8.DecodeRuneInString(rest[i:])
		if !s.add(i+w, len(rest)) {
			return
		}
		rest = strings.TrimRightFunc(rest[:i], IsSpace)
	}
	if rest != "" {
		s.add(0, len(rest))
	}
}

func splitLines(b *Budget, x *Str, a []Value) (Value, error) {
	if err := b.Scan(len(x.s)); err != nil {
		return nil, err
	}
	keep := a[0] != nil && Truth(a[0])
	s := &splitter{b: b, x: x}
	eachLine(x.s, func(i, j, next int) {
		if keep {
			j = next
		}
		s.add(i, j)
	})
	return s.list(false)
}

// eachLine calls f with the start, the end and the next start of every line as Python's splitlines sees them.
func eachLine(s string, f func(i, j, next int)) {
	at := 0
	for at < len(s) {
		end := strings.IndexFunc(s[at:], isLineEnd)
		if end < 0 {
			f(at, len(s), len(s))
			return
		}
		end += at
		_, w := utf8.DecodeRuneInString(s[end:])
		if strings.HasPrefix(s[end:], "\r\n") {
			w = 2
		}
		f(at, end, end+w)
		at = end + w
	}
}

func isLineEnd(r rune) bool {
	return r >= '\n' && r <= '\r' || r >= 0x1c && r <= 0x1e || r == 0x85 || r == 0x2028 || r == 0x2029
}

func partitionMethod(last bool) strFunc {
	return func(b *Budget, x *Str, a []Value) (Value, error) {
		sep, err := StrArg(a[0], nil)
		if err != nil {
			return nil, err
		}
		if sep.s == "" {
			return nil, Fail("empty separator")
		}
		if err := b.Scan(len(x.s)); err != nil {
			return nil, err
		}
		i := strings.Index(x.s, sep.s)
		if last {
			i = strings.LastIndex(x.s, sep.s)
		}
		empty := x.slice(0, 0)
		switch {
		case i >= 0:
			return &Tuple{[]Value{x.slice(0, i), x.slice(i, i+len(sep.s)), x.slice(i+len(sep.s), len(x.s))}}, nil
		case last:
			return &Tuple{[]Value{empty, empty, x}}, nil
		}
		return &Tuple{[]Value{x, empty, empty}}, nil
	}
}

// Indent puts by in front of every line but, unless first is set, the first one and, unless blank is set, empty ones.
func Indent(b *Budget, x, by *Str, first, blank bool) (*Str, error) {
	if err := b.Scan(len(x.s)); err != nil {
		return nil, err
	}
	w := NewBuilder(b)
	line := 0
	put := func(i, j int) {
		if line > 0 {
			w.Add("\n", true)
		}
		if (line == 0 && first) || (line > 0 && (blank || i < j)) {
			w.AddStr(by)
		}
		w.AddStr(x.slice(i, j))
		line++
	}
	last := 0
	eachLine(x.s, func(i, j, next int) {
		put(i, j)
		last = next
		if j == next {
			last = -1
		}
	})
	// A line break at the very end opens one more line, which is empty.
	if last >= 0 {
		put(len(x.s), len(x.s))
	}
	return w.Str()
}
