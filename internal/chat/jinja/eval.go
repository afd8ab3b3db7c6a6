package jinja

import (
	"ashatai/internal/chat/jinja/format"
	"ashatai/internal/chat/jinja/syntax"
	"ashatai/internal/chat/jinja/value"
)

func (r *run) eval(e syntax.Expr) (value.Value, error) {
	switch n := e.(type) { //nolint:exhaustive // the other types share what follows
	case *syntax.Const:
		return n.Val, nil
	case *syntax.Name:
		r.line = n.Line
		if v := r.scope.get(n.Sym); v != nil {
			return v, nil
		}
		return value.Missing(r.t.tree.Names[n.Sym]), nil
	}
	if err := r.b.Enter(); err != nil {
		return nil, err
	}
	r.line = syntax.LineOf(e)
	v, err := r.compound(e)
	r.b.Leave()
	return v, err
}

func (r *run) compound(e syntax.Expr) (value.Value, error) {
	switch n := e.(type) { //nolint:exhaustive // the other types share what follows
	case *syntax.GetItem:
		x, k, err := r.both(n.X, n.Key)
		if err != nil {
			return nil, err
		}
		return value.GetItem(&r.b, x, k)
	case *syntax.GetAttr:
		x, err := r.eval(n.X)
		if err != nil {
			return nil, err
		}
		r.line = n.Line
		return value.GetAttr(&r.b, x, n.Name)
	case *syntax.Binary:
		return r.binary(n)
	case *syntax.Compare:
		return r.compare(n)
	case *syntax.Filter:
		in, err := r.eval(n.X)
		if err != nil {
			return nil, err
		}
		return r.filter(n, in)
	case *syntax.Test:
		return r.test(n)
	case *syntax.Call:
		return r.call(n, nil)
	case *syntax.Unary:
		x, err := r.eval(n.X)
		if err != nil {
			return nil, err
		}
		if n.Op == "not" {
			return value.Bool(!value.Truth(x)), nil
		}
		return value.Negate(x, n.Op == "+")
	case *syntax.Concat:
		return r.concat(n)
	case *syntax.Cond:
		return r.cond(n)
	case *syntax.Slice:
		return r.slice(n)
	case *syntax.Items:
		items, err := r.evalAll(n.Items)
		if n.Tuple {
			return &value.Tuple{Items: items}, err
		}
		return &value.List{Items: items}, err
	case *syntax.Dict:
		return r.dict(n)
	}
	return nil, value.Fail("this cannot be evaluated")
}

func (r *run) both(x, y syntax.Expr) (a, b value.Value, err error) {
	if a, err = r.eval(x); err != nil {
		return nil, nil, err
	}
	b, err = r.eval(y)
	return a, b, err
}

func (r *run) evalAll(es []syntax.Expr) ([]value.Value, error) {
	if len(es) == 0 {
		return nil, nil
	}
	if err := r.b.NewItems(len(es)); err != nil {
		return nil, err
	}
	out := make([]value.Value, len(es))
	for i, e := range es {
		v, err := r.eval(e)
		if err != nil {
			return nil, err
		}
		out[i] = v
	}
	return out, nil
}

func (r *run) binary(n *syntax.Binary) (value.Value, error) {
	x, err := r.eval(n.X)
	if err != nil {
		return nil, err
	}
	switch n.Op {
	case "and":
		if !value.Truth(x) {
			return x, nil
		}
		return r.eval(n.Y)
	case "or":
		if value.Truth(x) {
			return x, nil
		}
		return r.eval(n.Y)
	}
	y, err := r.eval(n.Y)
	if err != nil {
		return nil, err
	}
	r.line = n.Line
	if s, ok := x.(*value.Str); ok && n.Op == "%" {
		return format.Percent(&r.b, s, y)
	}
	return value.Binary(&r.b, n.Op, x, y)
}

func (r *run) compare(n *syntax.Compare) (value.Value, error) {
	x, err := r.eval(n.X)
	if err != nil {
		return nil, err
	}
	for i, op := range n.Ops {
		y, err := r.eval(n.Ys[i])
		if err != nil {
			return nil, err
		}
		r.line = n.Line
		ok, err := r.holds(op, x, y)
		if err != nil || !ok {
			return value.Bool(false), err
		}
		x = y
	}
	return value.Bool(true), nil
}

// holds is the truth of one comparison.
func (r *run) holds(op string, x, y value.Value) (bool, error) {
	switch op {
	case "==", "!=":
		eq, err := value.Equal(&r.b, x, y)
		return eq == (op == "=="), err
	case "in", "not in":
		in, err := value.Contains(&r.b, y, x)
		return in == (op == "in"), err
	}
	c, err := value.Compare(&r.b, op, x, y)
	if err != nil {
		return false, err
	}
	switch op {
	case "<":
		return c < 0, nil
	case "<=":
		return c <= 0, nil
	case ">":
		return c > 0, nil
	}
	return c >= 0, nil
}

func (r *run) concat(n *syntax.Concat) (value.Value, error) {
	parts := make([]*value.Str, len(n.Parts))
	for i, e := range n.Parts {
		v, err := r.eval(e)
		if err != nil {
			return nil, err
		}
		if parts[i], err = value.ToStr(&r.b, v); err != nil {
			return nil, err
		}
	}
	return value.Concat(&r.b, parts...)
}

func (r *run) cond(n *syntax.Cond) (value.Value, error) {
	test, err := r.eval(n.Test)
	if err != nil {
		return nil, err
	}
	switch {
	case value.Truth(test):
		return r.eval(n.Then)
	case n.Else != nil:
		return r.eval(n.Else)
	}
	return value.Hinted("the inline if-expression evaluated to false and no else section was defined."), nil
}

func (r *run) slice(n *syntax.Slice) (value.Value, error) {
	var v [4]value.Value
	for i, e := range [4]syntax.Expr{n.X, n.Lo, n.Hi, n.Step} {
		if e == nil {
			continue
		}
		var err error
		if v[i], err = r.eval(e); err != nil {
			return nil, err
		}
	}
	return value.Slice(&r.b, v[0], v[1], v[2], v[3])
}

func (r *run) dict(n *syntax.Dict) (value.Value, error) {
	d := &value.Dict{}
	for i := range n.Keys {
		k, v, err := r.both(n.Keys[i], n.Vals[i])
		if err != nil {
			return nil, err
		}
		if err := d.Put(&r.b, k, v); err != nil {
			return nil, err
		}
	}
	return d, nil
}
