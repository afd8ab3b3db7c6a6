package format

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"ashatai/internal/chat/jinja/value"
)

// number is a value in a format: a whole number, or a float.
type number struct {
	i     int64
	f     float64
	float bool
}

func toNumber(v value.Value) (number, bool) {
	i, f, isFloat, ok := value.ToNumber(v)
	return number{i, f, isFloat}, ok
}

// spec is a format specification: [[fill]align][sign][#][0][width][,][.precision][type].
type spec struct {
	fill  string
	align byte // < > ^ =; 0 is the type's own
	sign  byte // + or space; 0 and - mean only minus signs
	alt   bool
	zero  bool
	group string // "," or "_" between groups of digits
	width int64
	prec  int64 // -1 when absent
	verb  byte  // 0 when absent
}

func parseSpec(s string) (spec, error) {
	sp := spec{fill: " ", prec: -1}
	filled := false
	if r, n := utf8.DecodeRuneInString(s); r != utf8.RuneError && len(s) > n && strings.IndexByte("<>^=", s[n]) >= 0 {
		sp.fill, sp.align, s, filled = s[:n], s[n], s[n+1:], true
	} else if s != "" && strings.IndexByte("<>^=", s[0]) >= 0 {
		sp.align, s = s[0], s[1:]
	}
	take := func(set string) byte {
		if s != "" && strings.IndexByte(set, s[0]) >= 0 {
			c := s[0]
			s = s[1:]
			return c
		}
		return 0
	}
	digits := func() (int64, error) {
		n := 0
		for n < len(s) && s[n] >= '0' && s[n] <= '9' {
			n++
		}
		v, err := strconv.ParseInt("0"+s[:n], 10, 32)
		if err != nil {
			return 0, value.Fail("too many decimal digits in format string")
		}
		s = s[n:]
		return v, nil
	}
	sp.sign = take("+- ")
	sp.alt = take("#") != 0
	if take("0") != 0 {
		sp.zero = true
		if !filled {
			sp.fill = "0"
		}
	}
	var err error
	if sp.width, err = digits(); err != nil {
		return sp, err
	}
	if c := take(",_"); c != 0 {
		sp.group = string(c)
	}
	if take(".") != 0 {
		if s == "" || s[0] < '0' || s[0] > '9' {
			return sp, value.Fail("Format specifier missing precision")
		}
		if sp.prec, err = digits(); err != nil {
			return sp, err
		}
	}
	if s != "" {
		sp.verb, s = s[0], s[1:]
	}
	if s != "" {
		return sp, value.Fail("Invalid format specifier")
	}
	return sp, nil
}

// number is the text of a number, before padding.
func (sp spec) number(n number) (string, error) {
	if sp.prec > maxPrecision {
		return "", value.OverLimit("a number's precision is over ", strconv.Itoa(maxPrecision))
	}
	var s string
	neg := n.f < 0 || n.float && math.Signbit(n.f)
	switch sp.verb {
	case 'd', 'x', 'X', 'o', 'b', 'n':
		s = sp.integer(n.i)
		neg = n.i < 0
	default:
		s = sp.decimal(math.Abs(n.f))
	}
	if sp.group != "" {
		s = groupDigits(s, sp.group)
	}
	switch {
	case neg:
		s = "-" + s
	case sp.sign == '+' || sp.sign == ' ':
		s = string(sp.sign) + s
	}
	return s, nil
}

func (sp spec) integer(i int64) string {
	u := uint64(i) //nolint:gosec // the sign is written apart
	if i < 0 {
		u = -u
	}
	base, prefix := 10, ""
	switch sp.verb {
	case 'x', 'X':
		base, prefix = 16, "0x"
	case 'o':
		base, prefix = 8, "0o"
	case 'b':
		base, prefix = 2, "0b"
	}
	s := strconv.FormatUint(u, base)
	if sp.prec > 0 {
		s = strings.Repeat("0", max(int(sp.prec)-len(s), 0)) + s
	}
	if sp.alt {
		s = prefix + s
	}
	if sp.verb == 'X' {
		s = strings.ToUpper(s)
	}
	return s
}

func (sp spec) decimal(f float64) string {
	prec := 6
	if sp.prec >= 0 {
		prec = int(sp.prec)
	}
	switch {
	case math.IsInf(f, 0):
		return "inf"
	case math.IsNaN(f):
		return "nan"
	}
	switch sp.verb {
	case 'f', 'e':
		return strconv.FormatFloat(f, sp.verb, prec, 64)
	case '%':
		return strconv.FormatFloat(f*100, 'f', prec, 64) + "%"
	case 'g':
		return strconv.FormatFloat(f, 'g', max(prec, 1), 64)
	case 'F', 'E', 'G':
		sp.verb |= 0x20
		return strings.ToUpper(sp.decimal(f))
	}
	if sp.prec < 0 {
		return value.FloatText(f)
	}
	s := strconv.FormatFloat(f, 'g', max(prec, 1), 64)
	if !strings.ContainsAny(s, ".e") {
		s += ".0"
	}
	return s
}

func groupDigits(s, sep string) string {
	n := strings.IndexFunc(s, func(r rune) bool { return r < '0' || r > '9' })
	if n < 0 {
		n = len(s)
	}
	head, tail := s[:n], s[n:]
	for i := len(head) - 3; i > 0; i -= 3 {
		head = head[:i] + sep + head[i:]
	}
	return head + tail
}

// pad brings text to the width. The alignment = puts the filling behind the sign.
func (sp spec) pad(b *value.Budget, s *value.Str) (*value.Str, error) {
	gap := sp.width - int64(s.Len())
	if gap <= 0 {
		return s, nil
	}
	fill := value.Text(sp.fill, true)
	switch sp.align {
	case '<':
		return value.Pad(b, s, fill, 0, gap)
	case '^':
		return value.Pad(b, s, fill, gap/2, gap-gap/2)
	case '=':
		sign := 0
		if strings.IndexByte("+- ", s.String()[0]) >= 0 {
			sign = 1
		}
		if strings.HasPrefix(s.String()[sign:], "0x") || strings.HasPrefix(s.String()[sign:], "0X") {
			sign += 2
		}
		zeros, err := value.Repeat(b, fill, gap)
		if err != nil {
			return nil, err
		}
		return value.Concat(b, s.Cut(0, sign), zeros, s.Cut(sign, len(s.String())))
	}
	return value.Pad(b, s, fill, gap, 0)
}

// formatValue is Python's format(v, spec).
func formatValue(b *value.Budget, v value.Value, text string) (*value.Str, error) {
	if text == "" {
		return value.ToStr(b, v)
	}
	sp, err := parseSpec(text)
	if err != nil {
		return nil, err
	}
	if s, ok := v.(*value.Str); ok {
		if sp.verb != 0 && sp.verb != 's' {
			return nil, value.Fail("Unknown format code '", string(sp.verb), "' for object of type 'str'")
		}
		if sp.align == '=' || sp.sign != 0 {
			return nil, value.Fail("'=' alignment and signs are not allowed in string format specifier")
		}
		if sp.prec >= 0 {
			s = s.Head(sp.prec)
		}
		if sp.align == 0 {
			sp.align = '<'
		}
		return sp.pad(b, s)
	}
	if sp.zero && sp.align == 0 {
		sp.align = '='
	}
	n, ok := toNumber(v)
	if !ok {
		return nil, value.Fail("unsupported format string passed to ", v.TypeName(), ".__format__")
	}
	switch {
	case sp.verb == 0 && !n.float:
		sp.verb = 'd'
	case strings.IndexByte("eEfFgGn%", sp.verb) >= 0 && sp.verb != 0:
		n.float = true
	case strings.IndexByte("dxXobc", sp.verb) >= 0 && sp.verb != 0 && !n.float:
	case sp.verb != 0:
		return nil, value.Fail("Unknown format code '", string(sp.verb), "' for object of type '", v.TypeName(), "'")
	}
	if sp.verb == 'c' {
		s, err := charOf(v)
		if err != nil {
			return nil, err
		}
		return sp.pad(b, s)
	}
	s, err := sp.number(n)
	if err != nil {
		return nil, err
	}
	return sp.pad(b, value.Text(s, true))
}
