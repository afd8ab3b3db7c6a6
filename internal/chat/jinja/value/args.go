package value

import "strings"

// Named is a keyword argument.
type Named struct {
	Name string
	Val  Value
}

// Args are the arguments of a call.
type Args struct {
	Pos []Value
	Kw  []Named
}

// Bind puts the arguments into the order of params, names separated by spaces, where absent ones are nil. The first
// required ones must be given. fn is the function's name for the error message.
func (a Args) Bind(fn, params string, required int) ([]Value, error) {
	if params == "" && len(a.Pos)+len(a.Kw) == 0 {
		return nil, nil
	}
	n := 0
	if params != "" {
		n = strings.Count(params, " ") + 1
	}
	if len(a.Pos) > n {
		return nil, Fail(fn, "() was given too many arguments")
	}
	out := make([]Value, n)
	copy(out, a.Pos)
	for _, kw := range a.Kw {
		i := paramIndex(params, kw.Name)
		if i < 0 {
			return nil, Fail(fn, "() got an unexpected keyword argument '", kw.Name, "'")
		}
		if out[i] != nil {
			return nil, Fail(fn, "() got multiple values for argument '", kw.Name, "'")
		}
		out[i] = kw.Val
	}
	for _, v := range out[:required] {
		if v == nil {
			return nil, Fail(fn, "() is missing a required argument")
		}
	}
	return out, nil
}

func paramIndex(params, name string) int {
	for i := 0; ; i++ {
		p, rest, more := strings.Cut(params, " ")
		if p == name {
			return i
		}
		if !more {
			return -1
		}
		params = rest
	}
}

// IntArg is a whole-number argument, or def where it is absent.
func IntArg(v Value, def int64) (int64, error) {
	if v == nil {
		return def, nil
	}
	n, ok := toNumber(v)
	if !ok || n.float {
		if u, ok := v.(*Undefined); ok {
			return 0, u.Err()
		}
		return 0, Fail("'", v.TypeName(), "' object cannot be interpreted as an integer")
	}
	return n.i, nil
}

// StrArg is a text argument, or def where it is absent.
func StrArg(v Value, def *Str) (*Str, error) {
	if v == nil {
		return def, nil
	}
	s, ok := v.(*Str)
	if !ok {
		return nil, Fail("expected a str argument, not ", v.TypeName())
	}
	return s, nil
}
