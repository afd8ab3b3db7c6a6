package format

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"ashatai/internal/chat/jinja/value"
)

// maxPrecision bounds the size of one formatted number.
const maxPrecision = 1000

// Percent is Python's "x % args" where x is text.
func Percent(b *value.Budget, x *value.Str, args value.Value) (value.Value, error) {
	p := &percent{b: b, x: x, w: value.NewBuilder(b), args: []value.Value{args}}
	switch a := args.(type) { //nolint:exhaustive // the other types share what follows
	case *value.Tuple:
		p.args = a.Items
	case *value.Dict:
		p.dict, p.loose = a, true
	case *value.List:
		p.loose = true
	}
	for p.at < len(x.String()) {
		i := strings.IndexByte(x.String()[p.at:], '%')
		if i < 0 {
			break
		}
		p.w.AddStr(x.Cut(p.at, p.at+i))
		p.at += i + 1
		if err := p.conversion(); err != nil {
			return nil, err
		}
		if err := b.Step(1); err != nil {
			return nil, err
		}
	}
	p.w.AddStr(x.Cut(p.at, len(x.String())))
	if p.next < len(p.args) && !p.loose {
		return nil, value.Fail("not all arguments converted during string formatting")
	}
	return p.w.Str()
}

// percent is the state of one % formatting.
type percent struct {
	b     *value.Budget
	x     *value.Str
	w     *value.Builder
	at    int // just behind the % sign, while a conversion is read
	args  []value.Value
	next  int
	dict  *value.Dict
	loose bool // left-over arguments are no error
}

func (p *percent) peek() byte {
	if p.at < len(p.x.String()) {
		return p.x.String()[p.at]
	}
	return 0
}

func (p *percent) arg() (value.Value, error) {
	if p.next >= len(p.args) {
		return nil, value.Fail("not enough arguments for format string")
	}
	p.next++
	return p.args[p.next-1], nil
}

func (p *percent) named() (value.Value, error) {
	end := strings.IndexByte(p.x.String()[p.at:], ')')
	if end < 0 {
		return nil, value.Fail("incomplete format key")
	}
	name := p.x.String()[p.at+1 : p.at+end]
	p.at += end + 1
	if p.dict == nil {
		return nil, value.Fail("format requires a mapping")
	}
	v, ok := p.dict.Get(name)
	if !ok {
		return nil, value.Fail("there is no key '", name, "' for the format string")
	}
	return v, nil
}

func (p *percent) number() (int64, error) {
	if p.peek() == '*' {
		p.at++
		v, err := p.arg()
		if err != nil {
			return 0, err
		}
		return value.IntArg(v, 0)
	}
	from := p.at
	for p.peek() >= '0' && p.peek() <= '9' {
		p.at++
	}
	if from == p.at {
		return 0, nil
	}
	n, err := strconv.ParseInt(p.x.String()[from:p.at], 10, 32)
	if err != nil {
		return 0, value.Fail("width or precision is too big")
	}
	return n, nil
}

func (p *percent) conversion() error {
	if p.peek() == '%' {
		p.at++
		p.w.Add("%", p.x.Trusted())
		return nil
	}
	var v value.Value
	var err error
	if p.peek() == '(' {
		if v, err = p.named(); err != nil {
			return err
		}
	}
	sp := spec{fill: " ", align: '>', prec: -1}
	for ; strings.IndexByte("#0- +", p.peek()) >= 0 && p.at < len(p.x.String()); p.at++ {
		switch p.peek() {
		case '#':
			sp.alt = true
		case '0':
			sp.zero = true
		case '-':
			sp.align = '<'
		default:
			if sp.sign != '+' {
				sp.sign = p.peek()
			}
		}
	}
	if sp.width, err = p.number(); err != nil {
		return err
	}
	if sp.width < 0 {
		sp.width, sp.align = -sp.width, '<'
	}
	if p.peek() == '.' {
		p.at++
		if sp.prec, err = p.number(); err != nil {
			return err
		}
		sp.prec = max(sp.prec, 0)
	}
	if c := p.peek(); c == 'h' || c == 'l' || c == 'L' {
		p.at++
	}
	sp.verb = p.peek()
	p.at++
	if sp.verb == 0 {
		return value.Fail("incomplete format")
	}
	if v == nil {
		if v, err = p.arg(); err != nil {
			return err
		}
	}
	return p.emit(sp, v)
}

func (p *percent) emit(sp spec, v value.Value) error {
	var s *value.Str
	var err error
	switch sp.verb {
	case 's':
		s, err = value.ToStr(p.b, v)
	case 'r', 'a':
		s, err = value.Repr(p.b, v)
	case 'c':
		s, err = charOf(v)
	case 'd', 'i', 'u', 'x', 'X', 'o':
		if sp.verb == 'i' || sp.verb == 'u' {
			sp.verb = 'd'
		}
		n, ok := toNumber(v)
		if !ok || n.float && sp.verb != 'd' {
			return value.Fail("%", string(sp.verb), " format: a real number is required, not ", v.TypeName())
		}
		if n.float {
			n.i = int64(n.f)
		}
		return p.emitNumber(sp, n)
	case 'f', 'F', 'e', 'E', 'g', 'G':
		n, ok := toNumber(v)
		if !ok {
			return value.Fail("must be real number, not ", v.TypeName())
		}
		n.float = true
		return p.emitNumber(sp, n)
	default:
		return value.Fail("unsupported format character '", string(sp.verb), "'")
	}
	if err != nil {
		return err
	}
	if sp.prec >= 0 && sp.verb != 'c' {
		s = s.Head(sp.prec)
	}
	return p.padded(sp, s)
}

func (p *percent) emitNumber(sp spec, n number) error {
	text, err := sp.number(n)
	if err != nil {
		return err
	}
	if sp.zero && sp.align == '>' {
		sp.fill, sp.align = "0", '='
	}
	return p.padded(sp, value.Text(text, true))
}

func (p *percent) padded(sp spec, s *value.Str) error {
	out, err := sp.pad(p.b, s)
	if err != nil {
		return err
	}
	p.w.AddStr(out)
	return p.w.Err()
}

func charOf(v value.Value) (*value.Str, error) {
	if s, ok := v.(*value.Str); ok && s.Len() == 1 {
		return s, nil
	}
	n, ok := v.(value.Int)
	if !ok || n < 0 || n > utf8.MaxRune {
		return nil, value.Fail("%c requires int or char")
	}
	return value.Text(string(rune(n)), false), nil
}
