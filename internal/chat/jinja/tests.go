package jinja

import (
	"ashatai/internal/chat/jinja/syntax"
	"ashatai/internal/chat/jinja/value"
)

// testDef is a test: the name of its argument, if it takes one, and its answer.
type testDef struct {
	param string
	run   func(r *run, v, arg value.Value) (bool, error)
}

func lookupTest(name string) (testDef, bool) {
	if op := comparison(name); op != "" {
		return testDef{"other", func(r *run, v, arg value.Value) (bool, error) { return r.holds(op, v, arg) }}, true
	}
	switch name {
	case "in":
		return testDef{"seq", func(r *run, v, arg value.Value) (bool, error) { return value.Contains(&r.b, arg, v) }}, true
	case "sameas":
		return testDef{"other", func(_ *run, v, arg value.Value) (bool, error) { return v == arg, nil }}, true
	case "divisibleby":
		return testDef{"num", divisible}, true
	case "odd", "even":
		return testDef{"", func(r *run, v, _ value.Value) (bool, error) {
			rest, err := value.Binary(&r.b, "%", v, value.Int(2))
			if err != nil {
				return false, err
			}
			want := value.Int(0)
			if name == "odd" {
				want = 1
			}
			return value.Equal(&r.b, rest, want)
		}}, true
	case "upper", "lower":
		return testDef{"", func(r *run, v, _ value.Value) (bool, error) {
			s, err := value.ToStr(&r.b, v)
			return err == nil && value.IsClass(s.String(), "is"+name), err
		}}, true
	case "filter", "test":
		return testDef{"", func(_ *run, v, _ value.Value) (bool, error) {
			s, ok := v.(*value.Str)
			if !ok {
				return false, nil
			}
			if name == "test" {
				_, ok = lookupTest(s.String())
			} else {
				_, ok = lookupFilter(s.String())
			}
			return ok, nil
		}}, true
	}
	if is := typeTest(name); is != nil {
		return testDef{"", func(_ *run, v, _ value.Value) (bool, error) { return is(v), nil }}, true
	}
	return testDef{}, false
}

func comparison(name string) string {
	switch name {
	case "==", "eq", "equalto":
		return "=="
	case "!=", "ne":
		return "!="
	case ">", "gt", "greaterthan":
		return ">"
	case ">=", "ge":
		return ">="
	case "<", "lt", "lessthan":
		return "<"
	case "<=", "le":
		return "<="
	}
	return ""
}

// typeTest is the test that only looks at a value's type, or nil.
func typeTest(name string) func(v value.Value) bool {
	switch name {
	case "defined":
		return func(v value.Value) bool { return !isUndefined(v) }
	case "undefined":
		return isUndefined
	case "none":
		return isNone
	case "boolean":
		return func(v value.Value) bool { _, ok := v.(value.Bool); return ok }
	case "true":
		return func(v value.Value) bool { return v == value.Bool(true) }
	case "false":
		return func(v value.Value) bool { return v == value.Bool(false) }
	case "integer":
		return func(v value.Value) bool { _, ok := v.(value.Int); return ok }
	case "float":
		return func(v value.Value) bool { _, ok := v.(value.Float); return ok }
	case "number":
		return value.IsNumber
	case "string":
		return func(v value.Value) bool { _, ok := v.(*value.Str); return ok }
	case "mapping":
		return func(v value.Value) bool { _, ok := v.(*value.Dict); return ok }
	case "sequence":
		return func(v value.Value) bool { return isSequence(v, true) }
	case "iterable":
		return func(v value.Value) bool { return isSequence(v, false) }
	case "callable":
		return isCallable
	case "escaped":
		return func(v value.Value) bool { s, ok := v.(*value.Str); return ok && s.IsMarkup() }
	}
	return nil
}

// isSequence reports whether v can be walked and, where indexed is set, has a length and items too.
func isSequence(v value.Value, indexed bool) bool {
	switch v.(type) { //nolint:exhaustive // the other types share what follows
	case *value.Str, *value.List, *value.Tuple, *value.Dict, *value.Range, *value.Undefined:
		return true
	case *value.View, *value.Iter, *loop:
		return !indexed
	}
	return false
}

func divisible(r *run, v, arg value.Value) (bool, error) {
	rest, err := value.Binary(&r.b, "%", v, arg)
	if err != nil {
		return false, err
	}
	return value.Equal(&r.b, rest, value.Int(0))
}

func (r *run) test(n *syntax.Test) (value.Value, error) {
	v, err := r.eval(n.X)
	if err != nil {
		return nil, err
	}
	a, err := r.args(&n.Args)
	if err != nil {
		return nil, err
	}
	r.line = n.Line
	ok, err := r.applyTest(n.Name, v, a)
	return value.Bool(ok), err
}

func (r *run) applyTest(name string, v value.Value, a value.Args) (bool, error) {
	t, ok := lookupTest(name)
	if !ok {
		return false, value.Fail("No test named '", name, "'.")
	}
	required := 0
	if t.param != "" {
		required = 1
	}
	args, err := a.Bind(name, t.param, required)
	if err != nil {
		return false, err
	}
	if args == nil {
		return t.run(r, v, nil)
	}
	return t.run(r, v, args[0])
}
