package format

import (
	"strconv"
	"strings"

	"ashatai/internal/chat/jinja/value"
)

// Brace is Python's str.format.
func Brace(b *value.Budget, x *value.Str, args value.Args) (*value.Str, error) {
	f := &brace{b: b, args: args, auto: 0}
	return f.expand(x, 2)
}

// brace is the state of one str.format.
type brace struct {
	b      *value.Budget
	args   value.Args
	auto   int
	manual bool
}

func (f *brace) expand(x *value.Str, depth int) (*value.Str, error) {
	if depth == 0 {
		return nil, value.Fail("Max string recursion exceeded")
	}
	w := value.NewBuilder(f.b)
	at := 0
	for at < len(x.String()) {
		i := strings.IndexAny(x.String()[at:], "{}")
		if i < 0 {
			break
		}
		i += at
		w.AddStr(x.Cut(at, i))
		if i+1 < len(x.String()) && x.String()[i+1] == x.String()[i] {
			w.AddStr(x.Cut(i, i+1))
			at = i + 2
			continue
		}
		if x.String()[i] == '}' {
			return nil, value.Fail("Single '}' encountered in format string")
		}
		end := fieldEnd(x.String(), i+1)
		if end < 0 {
			return nil, value.Fail("expected '}' before end of string")
		}
		s, err := f.field(x, i+1, end, depth)
		if err != nil {
			return nil, err
		}
		w.AddStr(s)
		at = end + 1
		if err := f.b.Step(1); err != nil {
			return nil, err
		}
	}
	w.AddStr(x.Cut(at, len(x.String())))
	return w.Str()
}

// fieldEnd is where the brace that was opened before i closes, or -1.
func fieldEnd(s string, i int) int {
	open := 1
	for ; i < len(s); i++ {
		switch s[i] {
		case '{':
			open++
		case '}':
			if open--; open == 0 {
				return i
			}
		}
	}
	return -1
}

func (f *brace) field(x *value.Str, i, end, depth int) (*value.Str, error) {
	text := x.String()[i:end]
	name, conv, sp := text, byte(0), x.Cut(0, 0)
	if c := strings.IndexAny(text, "!:"); c >= 0 {
		name = text[:c]
		if text[c] == '!' {
			if c+1 >= len(text) || c+2 < len(text) && text[c+2] != ':' {
				return nil, value.Fail("expected ':' after conversion specifier")
			}
			conv, c = text[c+1], c+2
		}
		if c < len(text) {
			sp = x.Cut(i+c+1, end)
		}
	}
	v, err := f.lookup(name)
	if err != nil {
		return nil, err
	}
	switch conv {
	case 0:
	case 's':
		v, err = value.ToStr(f.b, v)
	case 'r', 'a':
		v, err = value.Repr(f.b, v)
	default:
		err = value.Fail("Unknown conversion specifier ", string(conv))
	}
	if err != nil {
		return nil, err
	}
	if strings.ContainsAny(sp.String(), "{}") {
		if sp, err = f.expand(sp, depth-1); err != nil {
			return nil, err
		}
	}
	return formatValue(f.b, v, sp.String())
}

// lookup resolves a field name such as "0", "user.name" or "a[key]".
func (f *brace) lookup(name string) (value.Value, error) {
	n := strings.IndexAny(name, ".[")
	if n < 0 {
		n = len(name)
	}
	v, err := f.first(name[:n])
	for rest := name[n:]; rest != "" && err == nil; {
		if rest[0] == '.' {
			n := strings.IndexAny(rest[1:], ".[")
			if n < 0 {
				n = len(rest) - 1
			}
			if n == 0 {
				return nil, value.Fail("Empty attribute in format string")
			}
			v, err = value.GetAttr(f.b, v, rest[1:n+1])
			rest = rest[n+1:]
			continue
		}
		n := strings.IndexByte(rest, ']')
		if n < 0 {
			return nil, value.Fail("Missing ']' in format string")
		}
		var k value.Value = value.Text(rest[1:n], true)
		if i, convErr := strconv.Atoi(rest[1:n]); convErr == nil {
			k = value.Int(i)
		}
		v, err = value.GetItem(f.b, v, k)
		if rest = rest[n+1:]; rest != "" && rest[0] != '.' && rest[0] != '[' {
			return nil, value.Fail("Only '.' or '[' may follow ']' in format field specifier")
		}
	}
	return v, err
}

func (f *brace) first(name string) (value.Value, error) {
	i, err := strconv.Atoi(name)
	switch {
	case name == "":
		if f.manual {
			return nil, value.Fail("cannot switch from manual field specification to automatic field numbering")
		}
		i = f.auto
		f.auto++
	case err == nil:
		if f.auto > 0 {
			return nil, value.Fail("cannot switch from automatic field numbering to manual field specification")
		}
		f.manual = true
	default:
		for _, kw := range f.args.Kw {
			if kw.Name == name {
				return kw.Val, nil
			}
		}
		return nil, value.Fail("there is no argument '", name, "' for the format string")
	}
	if i < 0 || i >= len(f.args.Pos) {
		return nil, value.Fail("Replacement index ", strconv.Itoa(i), " out of range for positional args tuple")
	}
	return f.args.Pos[i], nil
}
