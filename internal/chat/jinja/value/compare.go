package value

import (
	"cmp"
	"strings"
)

// number is a value in arithmetic: a whole number, or a float.
type number struct {
	i     int64
	f     float64
	float bool
}

// ToNumber is v as a whole number and as a float, and whether it is one: an int, a bool or a float. For a float the whole
// number is 0.
func ToNumber(v Value) (i int64, f float64, isFloat, ok bool) {
	n, ok := toNumber(v)
	return n.i, n.f, n.float, ok
}

func toNumber(v Value) (number, bool) {
	switch x := v.(type) { //nolint:exhaustive // the other types share what follows
	case Int:
		return number{i: int64(x), f: float64(x)}, true
	case Bool:
		if x {
			return number{i: 1, f: 1}, true
		}
		return number{}, true
	case Float:
		return number{f: float64(x), float: true}, true
	}
	return number{}, false
}

// IsNumber reports whether v is an int, a bool or a float.
func IsNumber(v Value) bool {
	_, ok := toNumber(v)
	return ok
}

// Equal is Python's a == b.
func Equal(b *Budget, x, y Value) (bool, error) {
	if m, ok := toNumber(x); ok {
		n, ok := toNumber(y)
		if m.float || n.float {
			return ok && m.f == n.f, nil
		}
		return ok && m.i == n.i, nil
	}
	switch p := x.(type) { //nolint:exhaustive // the other types share what follows
	case *Str:
		q, ok := y.(*Str)
		if !ok || len(p.s) != len(q.s) {
			return false, nil
		}
		return p.s == q.s, b.Scan(len(p.s))
	case None:
		_, ok := y.(None)
		return ok, nil
	case *Undefined:
		_, ok := y.(*Undefined)
		return ok, nil
	case *List:
		q, ok := y.(*List)
		if !ok {
			return false, nil
		}
		return equalItems(b, p.Items, q.Items)
	case *Tuple:
		q, ok := y.(*Tuple)
		if !ok {
			return false, nil
		}
		return equalItems(b, p.Items, q.Items)
	case *Dict:
		q, ok := y.(*Dict)
		if !ok {
			return false, nil
		}
		return equalDicts(b, p, q)
	case *Range:
		q, ok := y.(*Range)
		return ok && p.n == q.n && (p.n == 0 || p.start == q.start && (p.n == 1 || p.step == q.step)), nil
	}
	return x == y, nil
}

func equalItems(b *Budget, x, y []Value) (bool, error) {
	if len(x) != len(y) {
		return false, nil
	}
	if err := b.Enter(); err != nil {
		return false, err
	}
	defer b.Leave()
	for i := range x {
		if err := b.Step(1); err != nil {
			return false, err
		}
		if eq, err := Equal(b, x[i], y[i]); err != nil || !eq {
			return false, err
		}
	}
	return true, nil
}

func equalDicts(b *Budget, x, y *Dict) (bool, error) {
	if x.Len() != y.Len() {
		return false, nil
	}
	if err := b.Enter(); err != nil {
		return false, err
	}
	defer b.Leave()
	for _, e := range x.entries {
		if err := b.Step(1); err != nil {
			return false, err
		}
		v, ok := y.lookup(e.k)
		if !ok {
			return false, nil
		}
		if eq, err := Equal(b, e.val, v); err != nil || !eq {
			return false, err
		}
	}
	return true, nil
}

// Compare orders two values as Python's < does: negative, zero or positive. op is the operator, for the error message.
func Compare(b *Budget, op string, x, y Value) (int, error) {
	if m, ok := toNumber(x); ok {
		if n, ok := toNumber(y); ok {
			if m.float || n.float {
				return cmp.Compare(m.f, n.f), nil
			}
			return cmp.Compare(m.i, n.i), nil
		}
	}
	switch p := x.(type) { //nolint:exhaustive // the other types share what follows
	case *Str:
		if q, ok := y.(*Str); ok {
			return strings.Compare(p.s, q.s), b.Scan(min(len(p.s), len(q.s)))
		}
	case *List:
		if q, ok := y.(*List); ok {
			return compareItems(b, op, p.Items, q.Items)
		}
	case *Tuple:
		if q, ok := y.(*Tuple); ok {
			return compareItems(b, op, p.Items, q.Items)
		}
	case *Undefined:
		return 0, p.Err()
	}
	if u, ok := y.(*Undefined); ok {
		return 0, u.Err()
	}
	return 0, Fail("'", op, "' not supported between instances of '", x.TypeName(), "' and '", y.TypeName(), "'")
}

func compareItems(b *Budget, op string, x, y []Value) (int, error) {
	if err := b.Enter(); err != nil {
		return 0, err
	}
	defer b.Leave()
	for i := range min(len(x), len(y)) {
		eq, err := Equal(b, x[i], y[i])
		if err != nil {
			return 0, err
		}
		if !eq {
			return Compare(b, op, x[i], y[i])
		}
	}
	return cmp.Compare(len(x), len(y)), nil
}

// Contains is Python's "x in c".
func Contains(b *Budget, c, x Value) (bool, error) {
	switch p := c.(type) { //nolint:exhaustive // the other types share what follows
	case *Str:
		q, ok := x.(*Str)
		if !ok {
			return false, Fail("'in <string>' requires string as left operand, not ", x.TypeName())
		}
		return strings.Contains(p.s, q.s), b.Scan(len(p.s))
	case *Dict:
		return dictHas(b, p, x)
	case *View:
		if p.kind == "dict_keys" {
			return dictHas(b, p.dict, x)
		}
	}
	items, err := Iterate(b, c)
	if err != nil {
		if c, ok := c.(*Undefined); ok {
			return false, c.Err()
		}
		return false, err
	}
	for _, it := range items {
		if err := b.Step(1); err != nil {
			return false, err
		}
		if eq, err := Equal(b, it, x); err != nil || eq {
			return eq, err
		}
	}
	return false, nil
}

func dictHas(b *Budget, d *Dict, x Value) (bool, error) {
	k, err := keyOf(b, x)
	if err != nil {
		return false, err
	}
	return d.find(k) >= 0, b.Step(1)
}
