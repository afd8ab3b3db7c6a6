package value

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

type strFunc = func(b *Budget, self *Str, a []Value) (Value, error)

// strMethod finds a method of str, apart from format, which is not done here.
func strMethod(name string) (method[*Str], bool) {
	switch name {
	case "strip", "lstrip", "rstrip":
		return method[*Str]{"chars", 0, stripMethod(name != "rstrip", name != "lstrip")}, true
	case "split", "rsplit":
		return method[*Str]{"sep maxsplit", 0, splitMethod(name == "rsplit")}, true
	case "splitlines":
		return method[*Str]{"keepends", 0, splitLines}, true
	case "partition", "rpartition":
		return method[*Str]{"sep", 1, partitionMethod(name == "rpartition")}, true
	case "startswith", "endswith":
		return method[*Str]{"prefix start end", 1, affixMethod(name == "endswith")}, true
	case "removeprefix", "removesuffix":
		return method[*Str]{"affix", 1, removeAffixMethod(name == "removesuffix")}, true
	case "replace":
		return method[*Str]{"old new count", 2, replaceMethod}, true
	case "find", "rfind", "index", "rindex":
		return method[*Str]{"sub start end", 1, findMethod(name[0] == 'r', strings.HasSuffix(name, "index"))}, true
	case "count":
		return method[*Str]{"sub start end", 1, countMethod}, true
	case "join":
		return method[*Str]{"iterable", 1, joinMethod}, true
	case "upper", "lower", "title", "capitalize", "swapcase", "casefold":
		return method[*Str]{"", 0, caseMethod(name)}, true
	case "ljust", "rjust", "center":
		return method[*Str]{"width fillchar", 1, justifyMethod(name)}, true
	case "zfill":
		return method[*Str]{"width", 1, zfillMethod}, true
	case "expandtabs":
		return method[*Str]{"tabsize", 0, expandTabs}, true
	case "isalpha", "isdigit", "isdecimal", "isnumeric", "isalnum", "isspace", "isupper", "islower", "isascii", "istitle", "isprintable", "isidentifier":
		return method[*Str]{"", 0, classMethod(name)}, true
	}
	return method[*Str]{}, false
}

// IsSpace is Python's str.isspace of one character.
func IsSpace(r rune) bool {
	return r == ' ' || r >= '\t' && r <= '\r' || r >= 0x1c && r <= 0x1f || r >= 0x80 && unicode.IsSpace(r)
}

// Strip removes whitespace, or the characters of chars where that is not nil, from the ends.
func Strip(b *Budget, x *Str, chars *Str, left, right bool) (*Str, error) {
	if err := b.Scan(len(x.s)); err != nil {
		return nil, err
	}
	drop := IsSpace
	if chars != nil {
		drop = func(r rune) bool { return strings.ContainsRune(chars.s, r) }
		if err := b.Scan(len(chars.s) * len(x.s) / scanUnit); err != nil {
			return nil, err
		}
	}
	i, j := 0, len(x.s)
	if left {
		i = j - len(strings.TrimLeftFunc(x.s, drop))
	}
	if right {
		j = i + len(strings.TrimRightFunc(x.s[i:], drop))
	}
	return x.slice(i, j), nil
}

func stripMethod(left, right bool) strFunc {
	return func(b *Budget, x *Str, a []Value) (Value, error) {
		if _, none := a[0].(None); none {
			a[0] = nil
		}
		chars, err := StrArg(a[0], nil)
		if err != nil {
			return nil, err
		}
		return Strip(b, x, chars, left, right)
	}
}

// window is the byte range of [start:end] in code points, as find, count and startswith take it; ok is false where start
// lies behind the end.
func window(x *Str, start, end Value) (i, j int, ok bool, err error) {
	if start == nil && end == nil {
		return 0, len(x.s), true, nil
	}
	n := x.Len()
	from, err := sliceBound(start, 0)
	if err != nil {
		return 0, 0, false, err
	}
	to, err := sliceBound(end, int64(n))
	if err != nil {
		return 0, 0, false, err
	}
	if from < 0 {
		from = max(from+int64(n), 0)
	}
	if to < 0 {
		to = max(to+int64(n), 0)
	}
	to = min(to, int64(n))
	if from > to {
		return 0, 0, false, nil
	}
	return byteOffset(x.s, int(from), n), byteOffset(x.s, int(to), n), true, nil
}

func affixMethod(end bool) strFunc {
	return func(b *Budget, x *Str, a []Value) (Value, error) {
		i, j, ok, err := window(x, a[1], a[2])
		if err != nil {
			return nil, err
		}
		options := []Value{a[0]}
		if t, ok := a[0].(*Tuple); ok {
			options = t.Items
		}
		for _, o := range options {
			s, is := o.(*Str)
			if !is {
				return nil, Fail("startswith and endswith take a str or a tuple of str, not ", o.TypeName())
			}
			if err := b.Scan(len(s.s)); err != nil {
				return nil, err
			}
			if ok && (end && strings.HasSuffix(x.s[i:j], s.s) || !end && strings.HasPrefix(x.s[i:j], s.s)) {
				return Bool(true), nil
			}
		}
		return Bool(false), nil
	}
}

func removeAffixMethod(end bool) strFunc {
	return func(_ *Budget, x *Str, a []Value) (Value, error) {
		s, err := StrArg(a[0], nil)
		switch {
		case err != nil:
			return nil, err
		case end && strings.HasSuffix(x.s, s.s):
			return x.slice(0, len(x.s)-len(s.s)), nil
		case !end && strings.HasPrefix(x.s, s.s):
			return x.slice(len(s.s), len(x.s)), nil
		}
		return x, nil
	}
}

func findMethod(last, must bool) strFunc {
	return func(b *Budget, x *Str, a []Value) (Value, error) {
		sub, err := StrArg(a[0], nil)
		if err != nil {
			return nil, err
		}
		i, j, ok, err := window(x, a[1], a[2])
		if err != nil {
			return nil, err
		}
		if err := b.Scan(len(x.s)); err != nil {
			return nil, err
		}
		at := -1
		if ok && last {
			at = strings.LastIndex(x.s[i:j], sub.s)
		} else if ok {
			at = strings.Index(x.s[i:j], sub.s)
		}
		switch {
		case at >= 0:
			return Int(utf8.RuneCountInString(x.s[:i+at])), nil
		case must:
			return nil, Fail("substring not found")
		}
		return Int(-1), nil
	}
}

func countMethod(b *Budget, x *Str, a []Value) (Value, error) {
	sub, err := StrArg(a[0], nil)
	if err != nil {
		return nil, err
	}
	i, j, ok, err := window(x, a[1], a[2])
	if err != nil || !ok {
		return Int(0), err
	}
	return Int(strings.Count(x.s[i:j], sub.s)), b.Scan(len(x.s))
}

func replaceMethod(b *Budget, x *Str, a []Value) (Value, error) {
	from, err := StrArg(a[0], nil)
	if err != nil {
		return nil, err
	}
	to, err := StrArg(a[1], nil)
	if err != nil {
		return nil, err
	}
	n, err := IntArg(a[2], -1)
	if err != nil {
		return nil, err
	}
	return Replace(b, x, from, to, n)
}

// Replace puts to in the place of the first n occurrences of from, or of all where n is negative.
func Replace(b *Budget, x, from, to *Str, n int64) (*Str, error) {
	if err := b.Scan(len(x.s)); err != nil {
		return nil, err
	}
	if n == 0 || from.s != "" && !strings.Contains(x.s, from.s) {
		return x, nil
	}
	w := NewBuilder(b)
	at := 0
	for ; n != 0 && w.err == nil; n-- {
		i := strings.Index(x.s[at:], from.s)
		if from.s == "" {
			// Before every character and once at the end.
			w.AddStr(to)
			if at == len(x.s) {
				break
			}
			_, k := utf8.DecodeRuneInString(x.s[at:])
			w.AddStr(x.slice(at, at+k))
			at += k
			continue
		}
		if i < 0 {
			break
		}
		w.AddStr(x.slice(at, at+i))
		w.AddStr(to)
		at += i + len(from.s)
	}
	w.AddStr(x.slice(at, len(x.s)))
	out, err := w.Str()
	if err == nil {
		out.markup = x.markup
	}
	return out, err
}

func joinMethod(b *Budget, x *Str, a []Value) (Value, error) {
	items, err := Iterate(b, a[0])
	if err != nil {
		return nil, err
	}
	w := NewBuilder(b)
	for i, it := range items {
		s, ok := it.(*Str)
		if !ok {
			return nil, Fail("sequence item ", Int(i).text(), ": expected str instance, ", it.TypeName(), " found")
		}
		if i > 0 {
			w.AddStr(x)
		}
		w.AddStr(s)
		if err := b.Step(1); err != nil {
			return nil, err
		}
	}
	return w.Str()
}

func (i Int) text() string {
	s, _ := scalarText(i)
	return s
}
