package value

import (
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ToStr is Python's str(v). Text keeps its marks; a number's own text counts as the template's, since digits spell no
// control token.
func ToStr(b *Budget, v Value) (*Str, error) {
	switch x := v.(type) { //nolint:exhaustive // the other types share what follows
	case *Str:
		return x, nil
	case *Undefined:
		return Text("", true), nil
	}
	return Repr(b, v)
}

// Repr is Python's repr(v). A container's text is trusted only when all text in it is.
func Repr(b *Budget, v Value) (*Str, error) {
	if s, ok := scalarText(v); ok {
		return Text(s, true), b.Alloc(len(s))
	}
	p := &printer{w: NewBuilder(b), trusted: true}
	if err := p.value(v); err != nil {
		return nil, err
	}
	return p.str()
}

func scalarText(v Value) (string, bool) {
	switch x := v.(type) { //nolint:exhaustive // the other types share what follows
	case None:
		return "None", true
	case Bool:
		if x {
			return "True", true
		}
		return "False", true
	case Int:
		return strconv.FormatInt(int64(x), 10), true
	case Float:
		return FloatText(float64(x)), true
	case *Undefined:
		return "Undefined", true
	case *Bound:
		return "<built-in method " + x.name + ">", true
	case *Iter:
		return "<generator object " + x.name + ">", true
	case *Range:
		s := "range(" + strconv.FormatInt(x.start, 10) + ", " + strconv.FormatInt(x.stop, 10)
		if x.step != 1 {
			s += ", " + strconv.FormatInt(x.step, 10)
		}
		return s + ")", true
	}
	return "", false
}

// FloatText is Python's repr of a float: the shortest text that reads back the same.
func FloatText(f float64) string {
	switch {
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	case math.IsNaN(f):
		return "nan"
	}
	if a := math.Abs(f); a != 0 && (a < 1e-4 || a >= 1e16) {
		return strconv.FormatFloat(f, 'e', -1, 64)
	}
	s := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}

// printer writes a nested value as one text of one origin.
type printer struct {
	w       *Builder
	trusted bool
}

func (p *printer) put(s string) { p.w.Add(s, true) }

func (p *printer) str() (*Str, error) {
	s, err := p.w.Str()
	if err != nil {
		return nil, err
	}
	s.trusted = p.trusted
	return s, nil
}

func (p *printer) value(v Value) error {
	b := p.w.budget
	if err := b.Enter(); err != nil {
		return err
	}
	defer b.Leave()
	if s, ok := scalarText(v); ok {
		p.put(s)
		return p.w.err
	}
	switch x := v.(type) { //nolint:exhaustive // the other types share what follows
	case *Str:
		p.quoted(x)
	case *List:
		return p.items("[", x.Items, "]")
	case *Tuple:
		if len(x.Items) == 1 {
			return p.items("(", x.Items, ",)")
		}
		return p.items("(", x.Items, ")")
	case *Dict:
		return p.dict(x)
	case *Namespace:
		p.put("<Namespace ")
		if err := p.dict(&x.attrs); err != nil {
			return err
		}
		p.put(">")
	case *View:
		items, err := x.list(b)
		if err != nil {
			return err
		}
		return p.items(x.kind+"([", items, "])")
	default:
		p.put("<" + v.TypeName() + ">")
	}
	return p.w.err
}

func (p *printer) items(left string, items []Value, right string) error {
	p.put(left)
	for i, it := range items {
		if i > 0 {
			p.put(", ")
		}
		if err := p.value(it); err != nil {
			return err
		}
	}
	p.put(right)
	return p.w.err
}

func (p *printer) dict(d *Dict) error {
	p.put("{")
	for i, e := range d.entries {
		if i > 0 {
			p.put(", ")
		}
		if err := p.value(e.name); err != nil {
			return err
		}
		p.put(": ")
		if err := p.value(e.val); err != nil {
			return err
		}
	}
	p.put("}")
	return p.w.err
}

// quoted writes a string literal as Python's repr does.
func (p *printer) quoted(x *Str) {
	p.trusted = p.trusted && x.Trusted()
	q := byte('\'')
	if strings.Contains(x.s, "'") && !strings.Contains(x.s, `"`) {
		q = '"'
	}
	p.put(string(q))
	from := 0
	for i := 0; i < len(x.s); {
		r, n := utf8.DecodeRuneInString(x.s[i:])
		if e := reprEscape(r, q); e != "" {
			p.put(x.s[from:i])
			p.put(e)
			from = i + n
		}
		i += n
	}
	p.put(x.s[from:])
	p.put(string(q))
}

func reprEscape(r rune, q byte) string {
	switch r {
	case '\n':
		return `\n`
	case '\r':
		return `\r`
	case '\t':
		return `\t`
	case '\\':
		return `\\`
	case rune(q):
		return `\` + string(q)
	}
	if r == utf8.RuneError || unicode.IsPrint(r) {
		return ""
	}
	h := strconv.FormatInt(int64(r), 16)
	switch {
	case r < 0x100:
		return `\x` + pad(h, 2)
	case r < 0x10000:
		return `\u` + pad(h, 4)
	}
	return `\U` + pad(h, 8)
}

func pad(s string, n int) string {
	if len(s) >= n {
		return s
	}
	return strings.Repeat("0", n-len(s)) + s
}
