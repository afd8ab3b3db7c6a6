package jinja

import (
	"ashatai/internal/chat/jinja/syntax"
	"ashatai/internal/chat/jinja/value"
)

// run is one rendering.
type run struct {
	t     *Template
	env   Env
	b     value.Budget
	root  scope
	scope *scope
	out   *value.Builder
	line  int
}

// The ways in which statements end.
const (
	normal = iota
	broken
	continued
)

func (r *run) exec(body []syntax.Stmt) (int, error) {
	if err := r.b.Enter(); err != nil {
		return normal, err
	}
	defer r.b.Leave()
	for _, s := range body {
		if how, err := r.statement(s); how != normal || err != nil {
			return how, err
		}
	}
	return normal, nil
}

func (r *run) statement(s syntax.Stmt) (int, error) {
	if err := r.b.Step(1); err != nil {
		return normal, err
	}
	switch n := s.(type) {
	case *syntax.Output:
		return normal, r.output(n)
	case *syntax.If:
		return r.ifElse(n)
	case *syntax.For:
		return r.forLoop(n)
	case *syntax.Set:
		r.line = n.Line
		v, err := r.eval(n.Val)
		if err != nil {
			return normal, err
		}
		return normal, r.assign(n.Target, v)
	case *syntax.SetBlock:
		v, how, err := r.captured(n.Body, n.Filters)
		if how != normal || err != nil {
			return how, err
		}
		return normal, r.assign(n.Target, v)
	case *syntax.FilterBlock:
		v, how, err := r.captured(n.Body, n.Filters)
		if how != normal || err != nil {
			return how, err
		}
		return normal, r.print(v)
	case *syntax.Macro:
		r.scope.set(n.Sym, &macro{sig: &n.Sig, body: n.Body, scope: r.scope})
	case *syntax.CallBlock:
		v, err := r.call(n.Call, &macro{sig: &n.Sig, body: n.Body, scope: r.scope})
		if err != nil {
			return normal, err
		}
		return normal, r.print(v)
	case *syntax.With:
		return r.with(n)
	case *syntax.Scope:
		parent := r.scope
		if n.Root {
			parent = &r.root
		}
		return r.inScope(parent.child(), n.Body)
	case *syntax.Jump:
		if n.Continue {
			return continued, nil
		}
		return broken, nil
	}
	return normal, nil
}

func (r *run) inScope(s *scope, body []syntax.Stmt) (int, error) {
	outer := r.scope
	r.scope = s
	how, err := r.exec(body)
	r.scope = outer
	return how, err
}

func (r *run) output(n *syntax.Output) error {
	for _, e := range n.Nodes {
		v, err := r.eval(e)
		if err != nil {
			return err
		}
		if err := r.print(v); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) print(v value.Value) error {
	s, err := value.ToStr(&r.b, v)
	if err != nil {
		return err
	}
	r.out.AddStr(s)
	return r.out.Err()
}

func (r *run) ifElse(n *syntax.If) (int, error) {
	for i, test := range n.Tests {
		v, err := r.eval(test)
		if err != nil {
			return normal, err
		}
		if value.Truth(v) {
			return r.exec(n.Bodies[i])
		}
	}
	if n.Else == nil {
		return normal, nil
	}
	return r.exec(n.Else)
}

// captured runs a body in a scope of its own and gives what it printed, after the filters.
func (r *run) captured(body []syntax.Stmt, filters []*syntax.Filter) (value.Value, int, error) {
	s, how, err := r.buffered(r.scope.child(), body)
	if how != normal || err != nil {
		return nil, how, err
	}
	var v value.Value = s
	for _, f := range filters {
		if v, err = r.filter(f, v); err != nil {
			return nil, normal, err
		}
	}
	return v, normal, nil
}

func (r *run) buffered(s *scope, body []syntax.Stmt) (*value.Str, int, error) {
	outer := r.out
	r.out = value.NewBuilder(&r.b)
	how, err := r.inScope(s, body)
	mine := r.out
	r.out = outer
	if how != normal || err != nil {
		return nil, how, err
	}
	out, err := mine.Str()
	return out, normal, err
}

func (r *run) with(n *syntax.With) (int, error) {
	inner := r.scope.child()
	for i, e := range n.Vals {
		v, err := r.eval(e)
		if err != nil {
			return normal, err
		}
		outer := r.scope
		r.scope = inner
		err = r.assign(n.Targets[i], v)
		r.scope = outer
		if err != nil {
			return normal, err
		}
	}
	return r.inScope(inner, n.Body)
}

func (r *run) forLoop(n *syntax.For) (int, error) {
	r.line = n.Line
	over, err := r.eval(n.Iter)
	if err != nil {
		return normal, err
	}
	items, later, err := value.IterateLate(&r.b, over)
	if err != nil {
		return normal, err
	}
	l := &loop{r: r, n: n, outer: r.scope, items: items, later: later, index0: -1}
	inner := r.scope.child()
	ended := false // an iteration came to its end: the original runs else where none did
	for {
		v, ok, err := l.next()
		if err != nil {
			return normal, err
		}
		if !ok {
			break
		}
		inner.reset()
		how, err := r.iteration(n, l, inner, v)
		if err != nil {
			return normal, err
		}
		if how == broken {
			break
		}
		ended = ended || how == normal
	}
	if !ended && n.Else != nil {
		return r.inScope(r.scope.child(), n.Else)
	}
	return normal, nil
}

func (r *run) iteration(n *syntax.For, l *loop, inner *scope, v value.Value) (int, error) {
	outer := r.scope
	r.scope = inner
	defer func() { r.scope = outer }()
	if err := r.assign(n.Target, v); err != nil {
		return normal, err
	}
	if n.UsesLoop {
		inner.set(r.t.loop, l)
	}
	return r.exec(n.Body)
}
