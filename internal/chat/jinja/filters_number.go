package jinja

import (
	"math"
	"strconv"
	"strings"

	"ashatai/internal/chat/jinja/value"
)

func toInt(r *run, in value.Value, a []value.Value) (value.Value, error) {
	base, err := value.IntArg(a[1], 10)
	if err != nil {
		return nil, err
	}
	switch x := in.(type) { //nolint:exhaustive // the other types share what follows
	case value.Int:
		return x, nil
	case value.Bool:
		if x {
			return value.Int(1), nil
		}
		return value.Int(0), nil
	case value.Float:
		if math.IsInf(float64(x), 0) {
			return nil, value.Fail("cannot convert float infinity to integer")
		}
		if v, ok := wholePart(float64(x)); ok {
			return v, nil
		}
	case *value.Undefined:
		return nil, x.Err()
	case *value.Str:
		s := strings.TrimFunc(x.String(), value.IsSpace)
		if err := r.b.Scan(len(s)); err != nil {
			return nil, err
		}
		if n, ok := parseInt(s, int(base)); ok {
			return value.Int(n), nil
		}
		if f, ok := parseFloat(s); ok {
			if v, ok := wholePart(f); ok {
				return v, nil
			}
		}
	}
	if a[0] != nil {
		return a[0], nil
	}
	return value.Int(0), nil
}

func wholePart(f float64) (value.Value, bool) {
	if math.IsNaN(f) || math.Abs(f) >= 1<<63 {
		return nil, false
	}
	return value.Int(int64(f)), true
}

// parseInt reads a whole number as Python's int(text, base) does.
func parseInt(s string, base int) (int64, bool) {
	digits := strings.TrimLeft(s, "+-")
	if len(s)-len(digits) > 1 || strings.HasPrefix(digits, "_") || strings.HasSuffix(digits, "_") || strings.Contains(digits, "__") {
		return 0, false
	}
	if base != 0 && (base < 2 || base > 36) {
		return 0, false
	}
	digits = strings.ReplaceAll(digits, "_", "")
	if len(digits) > 2 && digits[0] == '0' {
		prefix := map[int]byte{2: 'b', 8: 'o', 16: 'x'}[base]
		if prefix != 0 && digits[1]|0x20 == prefix {
			digits = digits[2:]
		}
	}
	if digits == "" || digits[0] == '+' || digits[0] == '-' {
		return 0, false
	}
	if s[0] == '-' {
		digits = "-" + digits
	}
	n, err := strconv.ParseInt(digits, base, 64)
	return n, err == nil
}

// parseFloat reads a number as Python's float(text) does.
func parseFloat(s string) (float64, bool) {
	s = strings.TrimFunc(s, value.IsSpace)
	if strings.ContainsAny(s, "xXpP") {
		return 0, false
	}
	for i := range len(s) {
		// An underscore stands between two digits.
		if s[i] == '_' && (i == 0 || i == len(s)-1 || !value.IsClass(s[i-1:i], "isdigit") || !value.IsClass(s[i+1:i+2], "isdigit")) {
			return 0, false
		}
	}
	f, err := strconv.ParseFloat(strings.ReplaceAll(s, "_", ""), 64)
	return f, err == nil || math.IsInf(f, 0)
}

func toFloat(_ *run, in value.Value, a []value.Value) (value.Value, error) {
	switch x := in.(type) { //nolint:exhaustive // the other types share what follows
	case value.Float:
		return x, nil
	case value.Int:
		return value.Float(x), nil
	case value.Bool:
		if x {
			return value.Float(1), nil
		}
		return value.Float(0), nil
	case *value.Undefined:
		return nil, x.Err()
	case *value.Str:
		if f, ok := parseFloat(x.String()); ok {
			return value.Float(f), nil
		}
	}
	if a[0] != nil {
		return a[0], nil
	}
	return value.Float(0), nil
}

func absolute(r *run, in value.Value, _ []value.Value) (value.Value, error) {
	if u, ok := in.(*value.Undefined); ok {
		return nil, value.Fail("bad operand type for abs(): '", u.TypeName(), "'")
	}
	c, err := value.Compare(&r.b, "<", in, value.Int(0))
	if err != nil {
		return nil, value.Fail("bad operand type for abs(): '", in.TypeName(), "'")
	}
	return value.Negate(in, c >= 0)
}

func round(_ *run, in value.Value, a []value.Value) (value.Value, error) {
	digits, err := value.IntArg(a[0], 0)
	if err != nil {
		return nil, err
	}
	method, err := value.StrArg(a[1], value.Text("common", true))
	if err != nil {
		return nil, err
	}
	how := method.String()
	if how != "common" && how != "ceil" && how != "floor" {
		return nil, value.Fail("method must be common, ceil or floor")
	}
	if !value.IsNumber(in) {
		return nil, value.Fail("type ", in.TypeName(), " doesn't define __round__ method")
	}
	f, isFloat := in.(value.Float)
	if !isFloat {
		v, err := value.Negate(in, true)
		if err != nil || how == "common" && digits >= 0 {
			return v, err
		}
		n, _ := v.(value.Int)
		f = value.Float(n)
	}
	if how == "common" {
		out := roundHalfEven(float64(f), digits)
		if !isFloat {
			return value.Int(int64(out)), nil
		}
		return value.Float(out), nil
	}
	scale := math.Pow(10, float64(digits))
	x := float64(f) * scale
	if how == "ceil" {
		x = math.Ceil(x)
	} else {
		x = math.Floor(x)
	}
	if scale == 0 || math.IsInf(x, 0) || math.IsNaN(x) {
		return nil, value.Fail("the number cannot be rounded to so many digits")
	}
	return value.Float(x / scale), nil
}

// roundHalfEven rounds the exact decimal value of f, as Python's round does.
func roundHalfEven(f float64, digits int64) float64 {
	const enough = 400 // beyond this a float has no more digits to round, or none left
	switch {
	case math.IsInf(f, 0) || math.IsNaN(f) || digits > enough:
		return f
	case digits < -enough:
		return 0
	case digits < 0:
		scale := math.Pow(10, float64(-digits))
		return math.RoundToEven(f/scale) * scale
	}
	out, err := strconv.ParseFloat(strconv.FormatFloat(f, 'f', int(digits), 64), 64)
	if err != nil {
		return f
	}
	return out
}
