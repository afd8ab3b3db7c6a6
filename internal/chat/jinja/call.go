package jinja

import (
	"strconv"

	"ashatai/internal/chat/jinja/format"
	"ashatai/internal/chat/jinja/syntax"
	"ashatai/internal/chat/jinja/value"
)

// macro is a macro, or the body of a call block, with the scope that it was defined in.
type macro struct {
	sig   *syntax.Signature
	body  []syntax.Stmt
	scope *scope
}

// TypeName implements value.Value.
func (m *macro) TypeName() string { return "Macro '" + m.sig.Name + "'" }

// args evaluates a call's arguments.
func (r *run) args(a *syntax.Args) (value.Args, error) {
	var out value.Args
	if a.Empty() {
		return out, nil
	}
	var err error
	if out.Pos, err = r.evalAll(a.Pos); err != nil {
		return out, err
	}
	for _, kw := range a.Kw {
		v, err := r.eval(kw.Val)
		if err != nil {
			return out, err
		}
		out.Kw = append(out.Kw, value.Named{Name: kw.Name, Val: v})
	}
	if a.Star != nil {
		v, err := r.eval(a.Star)
		if err != nil {
			return out, err
		}
		more, err := value.Iterate(&r.b, v)
		if err != nil {
			return out, err
		}
		if err := r.b.NewItems(len(out.Pos) + len(more)); err != nil {
			return out, err
		}
		out.Pos = append(out.Pos, more...)
	}
	if a.StarStar != nil {
		return out, r.starStar(a.StarStar, &out)
	}
	return out, nil
}

func (r *run) starStar(e syntax.Expr, out *value.Args) error {
	v, err := r.eval(e)
	if err != nil {
		return err
	}
	d, ok := v.(*value.Dict)
	if !ok {
		return value.Fail("argument after ** must be a mapping, not ", v.TypeName())
	}
	if err := r.b.NewItems(d.Len()); err != nil {
		return err
	}
	for k, v := range d.All() {
		name, ok := k.(*value.Str)
		if !ok {
			return value.Fail("keywords must be strings")
		}
		out.Kw = append(out.Kw, value.Named{Name: name.String(), Val: v})
	}
	return nil
}

// call evaluates a call. caller is the body of a call block, or nil.
func (r *run) call(n *syntax.Call, caller *macro) (value.Value, error) {
	method, isMethod := n.Fn.(*syntax.GetAttr)
	var fn value.Value
	var err error
	if isMethod {
		fn, err = r.eval(method.X)
	} else {
		fn, err = r.eval(n.Fn)
	}
	if err != nil {
		return nil, err
	}
	args, err := r.args(&n.Args)
	if err != nil {
		return nil, err
	}
	if caller != nil {
		args.Kw = append(args.Kw, value.Named{Name: "caller", Val: caller})
	}
	r.line = n.Line
	if isMethod {
		if s, ok := fn.(*value.Str); ok && method.Name == "format" {
			return format.Brace(&r.b, s, args)
		}
		if v, ok, err := value.CallMethod(&r.b, fn, method.Name, args); ok || err != nil {
			return v, err
		}
		if fn, err = value.GetAttr(&r.b, fn, method.Name); err != nil {
			return nil, err
		}
	}
	return r.invoke(fn, args)
}

func (r *run) invoke(fn value.Value, a value.Args) (value.Value, error) {
	switch f := fn.(type) { //nolint:exhaustive // the other types share what follows
	case *macro:
		return r.callMacro(f, a)
	case *function:
		return f.call(r, a)
	case *value.Bound:
		if recv, name := f.Parts(); name == "format" {
			if s, ok := recv.(*value.Str); ok {
				return format.Brace(&r.b, s, a)
			}
		}
		return f.Call(&r.b, a)
	case *loopMethod:
		return f.call(&r.b, a)
	case *joiner:
		return f.call(), nil
	case *cyclerMethod:
		return f.call(), nil
	case *value.Undefined:
		return nil, f.Err()
	}
	return nil, value.Fail("'", fn.TypeName(), "' object is not callable")
}

func isCallable(v value.Value) bool {
	switch v.(type) { //nolint:exhaustive // the other types share what follows
	case *macro, *function, *value.Bound, *loopMethod, *joiner, *cyclerMethod, *value.Undefined:
		return true
	}
	return false
}

func (r *run) callMacro(m *macro, a value.Args) (value.Value, error) {
	if err := r.b.Enter(); err != nil {
		return nil, err
	}
	defer r.b.Leave()
	inner := m.scope.child()
	outer := r.scope
	r.scope = inner
	err := r.bind(m, inner, a)
	r.scope = outer
	if err != nil {
		return nil, err
	}
	s, _, err := r.buffered(inner, m.body)
	return s, err
}

// bind gives the macro's parameters their values: arguments by place, by name, defaults. A default may speak of the
// parameters before it.
func (r *run) bind(m *macro, inner *scope, a value.Args) error {
	sig := m.sig
	used := 0
	for i, sym := range sig.Params {
		name := r.t.tree.Names[sym]
		v, byName := keyword(a.Kw, name)
		d := i - len(sig.Params) + len(sig.Defaults)
		switch {
		case i < len(a.Pos):
			v = a.Pos[i]
			// A name given twice is left over, and refused below.
		case byName:
			used++
		case d >= 0:
			var err error
			if v, err = r.eval(sig.Defaults[d]); err != nil {
				return err
			}
		default:
			v = value.Hinted("parameter '" + name + "' was not provided")
		}
		inner.set(sym, v)
	}
	if sig.Caller {
		v, ok := keyword(a.Kw, "caller")
		if ok {
			used++
		} else {
			v = value.Hinted("No caller defined")
		}
		r.setNamed(inner, "caller", v)
	}
	return r.bindRest(m, inner, a, used)
}

func keyword(kw []value.Named, name string) (value.Value, bool) {
	for _, k := range kw {
		if k.Name == name {
			return k.Val, true
		}
	}
	return nil, false
}

func (r *run) setNamed(s *scope, name string, v value.Value) {
	if sym, ok := r.t.symbols[name]; ok {
		s.set(sym, v)
	}
}

// bindRest deals with the arguments that no parameter took; used of the keywords are taken.
func (r *run) bindRest(m *macro, inner *scope, a value.Args, used int) error {
	sig := m.sig
	if sig.KwArgs {
		rest := &value.Dict{}
		for _, kw := range a.Kw {
			if r.isParam(sig, kw.Name, len(a.Pos)) || kw.Name == "caller" && sig.Caller {
				continue
			}
			if err := rest.Put(&r.b, value.Text(kw.Name, true), kw.Val); err != nil {
				return err
			}
		}
		r.setNamed(inner, "kwargs", rest)
	} else if used < len(a.Kw) {
		return value.Fail("macro '", sig.Name, "' was given a keyword argument that it does not take, or takes by place")
	}
	var extra []value.Value
	if len(a.Pos) > len(sig.Params) {
		extra = a.Pos[len(sig.Params):]
	}
	if sig.VarArgs {
		r.setNamed(inner, "varargs", &value.Tuple{Items: extra})
	} else if len(extra) > 0 {
		return value.Fail("macro '", sig.Name, "' takes not more than ", strconv.Itoa(len(sig.Params)), " argument(s)")
	}
	return nil
}

// isParam reports whether a parameter behind the first given ones has that name.
func (r *run) isParam(sig *syntax.Signature, name string, given int) bool {
	for i, sym := range sig.Params {
		if i >= given && r.t.tree.Names[sym] == name {
			return true
		}
	}
	return false
}
