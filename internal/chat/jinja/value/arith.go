package value

import "math"

// Binary applies one of + - * / // % ** as Python does, apart from % on text, which is formatting and not done here.
func Binary(b *Budget, op string, x, y Value) (Value, error) {
	if u, ok := x.(*Undefined); ok {
		return nil, u.Err()
	}
	if u, ok := y.(*Undefined); ok {
		return nil, u.Err()
	}
	m, ok1 := toNumber(x)
	n, ok2 := toNumber(y)
	if ok1 && ok2 {
		if m.float || n.float {
			return floatOp(op, m.f, n.f)
		}
		return intOp(op, m.i, n.i)
	}
	switch op {
	case "+":
		if v, err := addSequences(b, x, y); v != nil || err != nil {
			return v, err
		}
	case "*":
		if ok1 && !m.float {
			x, y, n, ok2 = y, x, m, true
		}
		if ok2 && !n.float {
			if v, err := repeat(b, x, n.i); v != nil || err != nil {
				return v, err
			}
		}
	}
	return nil, Fail("unsupported operand type(s) for ", op, ": '", x.TypeName(), "' and '", y.TypeName(), "'")
}

func addSequences(b *Budget, x, y Value) (Value, error) {
	switch p := x.(type) { //nolint:exhaustive // the other types share what follows
	case *Str:
		if q, ok := y.(*Str); ok {
			return addStr(b, p, q)
		}
		return nil, Fail("can only concatenate str (not \"", y.TypeName(), "\") to str")
	case *List:
		if q, ok := y.(*List); ok {
			items, err := joinItems(b, p.Items, q.Items)
			return &List{items}, err
		}
	case *Tuple:
		if q, ok := y.(*Tuple); ok {
			items, err := joinItems(b, p.Items, q.Items)
			return &Tuple{items}, err
		}
	}
	return nil, nil //nolint:nilnil // neither: the caller has the error for that
}

func addStr(b *Budget, x, y *Str) (Value, error) {
	if !x.markup && !y.markup {
		return Concat(b, x, y)
	}
	var err error
	if !x.markup {
		x, err = Escape(b, x)
	} else if !y.markup {
		y, err = Escape(b, y)
	}
	if err != nil {
		return nil, err
	}
	s, err := Concat(b, x, y)
	if err != nil {
		return nil, err
	}
	s.markup = true
	return s, nil
}

func joinItems(b *Budget, x, y []Value) ([]Value, error) {
	if err := b.NewItems(len(x) + len(y)); err != nil {
		return nil, err
	}
	out := make([]Value, 0, len(x)+len(y))
	return append(append(out, x...), y...), nil
}

func repeat(b *Budget, x Value, n int64) (Value, error) {
	switch p := x.(type) { //nolint:exhaustive // the other types share what follows
	case *Str:
		return repeatStr(b, p, n)
	case *List:
		items, err := repeatItems(b, p.Items, n)
		return &List{items}, err
	case *Tuple:
		items, err := repeatItems(b, p.Items, n)
		return &Tuple{items}, err
	}
	return nil, nil //nolint:nilnil // not a sequence: the caller has the error for that
}

func repeatItems(b *Budget, items []Value, n int64) ([]Value, error) {
	if n <= 0 || len(items) == 0 {
		return nil, nil
	}
	if n > int64(b.Items) {
		return nil, b.NewItems(-1)
	}
	if err := b.NewItems(len(items) * int(n)); err != nil {
		return nil, err
	}
	out := make([]Value, 0, len(items)*int(n))
	for range n {
		out = append(out, items...)
	}
	return out, nil
}

func overflow(op string) error {
	return limitError("the result of ", op, " is beyond 64-bit whole numbers")
}

func intOp(op string, x, y int64) (Value, error) {
	switch op {
	case "+":
		if s := x + y; (s > x) == (y > 0) {
			return Int(s), nil
		}
	case "-":
		if d := x - y; (d < x) == (y > 0) {
			return Int(d), nil
		}
	case "*":
		if p, ok := mulInt(x, y); ok {
			return Int(p), nil
		}
	case "**":
		return powInt(x, y)
	default:
		return divInt(op, x, y)
	}
	return nil, overflow(op)
}

func mulInt(x, y int64) (int64, bool) {
	if x == 0 || y == 0 {
		return 0, true
	}
	p := x * y
	if p/y != x || x == math.MinInt64 && y == -1 || y == math.MinInt64 && x == -1 {
		return 0, false
	}
	return p, true
}

func powInt(x, y int64) (Value, error) {
	if y < 0 {
		return floatOp("**", float64(x), float64(y))
	}
	r := int64(1)
	for {
		if y&1 == 1 {
			p, ok := mulInt(r, x)
			if !ok {
				return nil, overflow("**")
			}
			r = p
		}
		if y >>= 1; y == 0 {
			return Int(r), nil
		}
		p, ok := mulInt(x, x)
		if !ok {
			return nil, overflow("**")
		}
		x = p
	}
}

func divInt(op string, x, y int64) (Value, error) {
	switch {
	case y == 0 && op == "/":
		return nil, Fail("division by zero")
	case y == 0:
		return nil, Fail("integer division or modulo by zero")
	case op == "/":
		return Float(float64(x) / float64(y)), nil
	case y == -1 && op == "%":
		return Int(0), nil
	case y == -1 && x == math.MinInt64:
		return nil, overflow(op)
	}
	q, r := x/y, x%y
	if r != 0 && (r < 0) != (y < 0) {
		q, r = q-1, r+y
	}
	if op == "%" {
		return Int(r), nil
	}
	return Int(q), nil
}

func floatOp(op string, x, y float64) (Value, error) {
	switch op {
	case "+":
		return Float(x + y), nil
	case "-":
		return Float(x - y), nil
	case "*":
		return Float(x * y), nil
	case "**":
		if x == 0 && y < 0 {
			return nil, Fail("0.0 cannot be raised to a negative power")
		}
		r := math.Pow(x, y)
		if math.IsNaN(r) && !math.IsNaN(x) && !math.IsNaN(y) || math.IsInf(r, 0) && !math.IsInf(x, 0) && !math.IsInf(y, 0) {
			return nil, Fail("numerical result out of range")
		}
		return Float(r), nil
	}
	if y == 0 {
		return nil, Fail("float division by zero")
	}
	if op == "/" {
		return Float(x / y), nil
	}
	r := math.Mod(x, y)
	q := (x - r) / y
	if r != 0 && (r < 0) != (y < 0) {
		r, q = r+y, q-1
	}
	if op == "%" {
		if r == 0 {
			r = math.Copysign(0, y)
		}
		return Float(r), nil
	}
	return Float(math.Round(q)), nil
}

// Negate is Python's -v, and +v where plus is set.
func Negate(v Value, plus bool) (Value, error) {
	if u, ok := v.(*Undefined); ok {
		return nil, u.Err()
	}
	n, ok := toNumber(v)
	switch {
	case !ok && plus:
		return nil, Fail("bad operand type for unary +: '", v.TypeName(), "'")
	case !ok:
		return nil, Fail("bad operand type for unary -: '", v.TypeName(), "'")
	case n.float && plus:
		return Float(n.f), nil
	case n.float:
		return Float(-n.f), nil
	case plus:
		return Int(n.i), nil
	case n.i == math.MinInt64:
		return nil, overflow("-")
	}
	return Int(-n.i), nil
}
