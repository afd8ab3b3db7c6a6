package jinja

import (
	"ashatai/internal/chat/jinja/syntax"
	"ashatai/internal/chat/jinja/value"
)

// loop is a running for loop, and what the name loop stands for inside. Items that the loop's condition drops are found
// only when the next one is asked for, since the condition may depend on what the body did.
type loop struct {
	r      *run
	n      *syntax.For
	outer  *scope
	items  []value.Value
	later  error // raised behind the last item
	pos    int
	index0 int

	before, current, after value.Value // after is nil unless somebody looked ahead
	drained                bool        // items holds only what passed the condition
	changed                *value.Tuple
}

// TypeName implements value.Value.
func (l *loop) TypeName() string { return "LoopContext" }

func (l *loop) next() (value.Value, bool, error) {
	v := l.after
	l.after = nil
	if v == nil {
		var err error
		if v, err = l.pull(); err != nil || v == nil {
			return nil, false, err
		}
	}
	l.index0++
	l.before, l.current = l.current, v
	return v, true, nil
}

// pull is the next item that passes the condition, or nil at the end.
func (l *loop) pull() (value.Value, error) {
	for l.pos < len(l.items) {
		v := l.items[l.pos]
		l.pos++
		if err := l.r.b.Step(1); err != nil {
			return nil, err
		}
		if l.n.Filter == nil || l.drained {
			return v, nil
		}
		keep, err := l.passes(v)
		if err != nil {
			return nil, err
		}
		if keep {
			return v, nil
		}
	}
	return nil, l.later
}

func (l *loop) passes(v value.Value) (bool, error) {
	r := l.r
	inside := r.scope
	r.scope = l.outer.child()
	defer func() { r.scope = inside }()
	if err := r.assign(l.n.Target, v); err != nil {
		return false, err
	}
	ok, err := r.eval(l.n.Filter)
	return err == nil && value.Truth(ok), err
}

func (l *loop) peek() (value.Value, error) {
	if l.after == nil {
		var err error
		if l.after, err = l.pull(); err != nil {
			return nil, err
		}
	}
	return l.after, nil
}

func (l *loop) length() (int, error) {
	if l.n.Filter != nil && !l.drained {
		var rest []value.Value
		for {
			v, err := l.pull()
			if err != nil {
				return 0, err
			}
			if v == nil {
				break
			}
			rest = append(rest, v)
		}
		l.items, l.pos, l.drained = rest, 0, true
	}
	n := l.index0 + 1 + len(l.items) - l.pos
	if l.after != nil {
		n++
	}
	return n, nil
}

// Attr implements value.Attrs.
func (l *loop) Attr(_ *value.Budget, name string) (value.Value, bool, error) {
	switch name {
	case "index":
		return value.Int(l.index0 + 1), true, nil
	case "index0":
		return value.Int(l.index0), true, nil
	case "first":
		return value.Bool(l.index0 == 0), true, nil
	case "depth":
		return value.Int(1), true, nil
	case "depth0":
		return value.Int(0), true, nil
	case "cycle", "changed":
		return &loopMethod{l, name}, true, nil
	case "previtem":
		if l.index0 == 0 {
			return value.Hinted("there is no previous item"), true, nil
		}
		return l.before, true, nil
	case "last", "nextitem":
		v, err := l.peek()
		switch {
		case err != nil:
			return nil, false, err
		case name == "last":
			return value.Bool(v == nil), true, nil
		case v == nil:
			return value.Hinted("there is no next item"), true, nil
		}
		return v, true, nil
	case "length", "revindex", "revindex0":
		n, err := l.length()
		switch name {
		case "revindex":
			n -= l.index0
		case "revindex0":
			n -= l.index0 + 1
		}
		return value.Int(n), true, err
	}
	return nil, false, nil
}

// loopMethod is loop.cycle or loop.changed.
type loopMethod struct {
	l    *loop
	name string
}

// TypeName implements value.Value.
func (m *loopMethod) TypeName() string { return "method" }

func (m *loopMethod) call(b *value.Budget, a value.Args) (value.Value, error) {
	if len(a.Kw) > 0 {
		return nil, value.Fail("loop.", m.name, " takes no keyword arguments")
	}
	if m.name == "cycle" {
		if len(a.Pos) == 0 {
			return nil, value.Fail("no items for cycling given")
		}
		return a.Pos[m.l.index0%len(a.Pos)], nil
	}
	now := &value.Tuple{Items: a.Pos}
	if m.l.changed != nil {
		same, err := value.Equal(b, m.l.changed, now)
		if err != nil || same {
			return value.Bool(false), err
		}
	}
	m.l.changed = now
	return value.Bool(true), nil
}
