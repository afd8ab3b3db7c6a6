package jinja

import (
	"ashatai/internal/chat/jinja/syntax"
	"ashatai/internal/chat/jinja/value"
)

// scope holds variables. The outermost one has a place for every symbol; the others are short lists.
type scope struct {
	parent *scope
	syms   []int // nil in the outermost scope, where vals is indexed by symbol
	vals   []value.Value
}

func (s *scope) child() *scope { return &scope{parent: s} }

func (s *scope) get(sym int) value.Value {
	for ; s.parent != nil; s = s.parent {
		for i := range s.syms {
			if s.syms[i] == sym {
				return s.vals[i]
			}
		}
	}
	return s.vals[sym]
}

func (s *scope) set(sym int, v value.Value) {
	if s.parent == nil {
		s.vals[sym] = v
		return
	}
	for i := range s.syms {
		if s.syms[i] == sym {
			s.vals[i] = v
			return
		}
	}
	s.syms, s.vals = append(s.syms, sym), append(s.vals, v)
}

func (s *scope) reset() { s.syms, s.vals = s.syms[:0], s.vals[:0] }

// assign sets a name, a namespace's attribute, or each part of a tuple.
func (r *run) assign(target syntax.Expr, v value.Value) error {
	switch t := target.(type) { //nolint:exhaustive // the other types share what follows
	case *syntax.Name:
		r.scope.set(t.Sym, v)
		return nil
	case *syntax.NSRef:
		ns, ok := r.scope.get(t.Sym).(*value.Namespace)
		if !ok {
			return value.Fail("cannot assign attribute on non-namespace object")
		}
		return ns.Set(&r.b, t.Attr, v)
	case *syntax.Items:
		items, err := value.Iterate(&r.b, v)
		if err != nil {
			return err
		}
		if len(items) != len(t.Items) {
			return value.Fail("cannot unpack the value: it has another number of items than there are names")
		}
		for i, part := range t.Items {
			if err := r.assign(part, items[i]); err != nil {
				return err
			}
		}
	}
	return nil
}
