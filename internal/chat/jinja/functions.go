package jinja

import (
	"ashatai/internal/chat/jinja/format"
	"ashatai/internal/chat/jinja/value"
)

// function is a global function.
type function struct {
	name string
	run  func(r *run, a value.Args) (value.Value, error)
}

// TypeName implements value.Value.
func (f *function) TypeName() string { return "function" }

func (f *function) call(r *run, a value.Args) (value.Value, error) { return f.run(r, a) }

// global is the function of that name, or nil.
func global(name string) value.Value {
	switch name {
	case "range":
		return &function{name, rangeOf}
	case "dict":
		return &function{name, func(r *run, a value.Args) (value.Value, error) { return r.dictOf(a) }}
	case "namespace":
		return &function{name, func(r *run, a value.Args) (value.Value, error) {
			d, err := r.dictOf(a)
			if err != nil {
				return nil, err
			}
			return value.NewNamespace(d), nil
		}}
	case "raise_exception":
		return &function{name, raise}
	case "strftime_now":
		return &function{name, strftimeNow}
	case "joiner":
		return &function{name, newJoiner}
	case "cycler":
		return &function{name, newCycler}
	}
	return nil
}

func rangeOf(_ *run, a value.Args) (value.Value, error) {
	args, err := a.Bind("range", "start stop step", 1)
	if err != nil {
		return nil, err
	}
	n := [3]int64{0, 0, 1}
	for i, v := range args {
		if n[i], err = value.IntArg(v, n[i]); err != nil {
			return nil, err
		}
	}
	if args[1] == nil {
		n[0], n[1] = 0, n[0]
	}
	return value.NewRange(n[0], n[1], n[2])
}

// dictOf is Python's dict(...): a mapping or pairs, then keywords.
func (r *run) dictOf(a value.Args) (*value.Dict, error) {
	d := &value.Dict{}
	if len(a.Pos) > 1 {
		return nil, value.Fail("dict expected at most 1 argument")
	}
	for _, v := range a.Pos {
		if err := r.addPairs(d, v); err != nil {
			return nil, err
		}
	}
	for _, kw := range a.Kw {
		if err := d.Put(&r.b, value.Text(kw.Name, true), kw.Val); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// addPairs puts a mapping's entries, or a list's pairs, into d.
func (r *run) addPairs(d *value.Dict, from value.Value) error {
	var pairs []value.Value
	var err error
	if m, ok := from.(*value.Dict); ok {
		pairs, err = r.pairs(m)
	} else {
		pairs, err = value.Iterate(&r.b, from)
	}
	if err != nil {
		return err
	}
	for _, p := range pairs {
		kv, err := value.Iterate(&r.b, p)
		if err != nil {
			return err
		}
		if len(kv) != 2 {
			return value.Fail("dictionary update sequence element has not length 2")
		}
		if err := d.Put(&r.b, kv[0], kv[1]); err != nil {
			return err
		}
	}
	return nil
}

// raise ends the rendering with the template's own message.
func raise(r *run, a value.Args) (value.Value, error) {
	args, err := a.Bind("raise_exception", "message", 1)
	if err != nil {
		return nil, err
	}
	s, err := value.ToStr(&r.b, args[0])
	if err != nil {
		return nil, err
	}
	return nil, &value.Error{Kind: value.Raised, Message: s.String()}
}

func strftimeNow(r *run, a value.Args) (value.Value, error) {
	args, err := a.Bind("strftime_now", "format", 1)
	if err != nil {
		return nil, err
	}
	layout, err := value.StrArg(args[0], nil)
	if err != nil {
		return nil, err
	}
	return format.Strftime(&r.b, r.env.Now, layout)
}

// joiner prints nothing the first time and its separator from then on.
type joiner struct {
	sep  value.Value
	used bool
}

// TypeName implements value.Value.
func (j *joiner) TypeName() string { return "Joiner" }

func newJoiner(_ *run, a value.Args) (value.Value, error) {
	args, err := a.Bind("joiner", "sep", 0)
	if err != nil {
		return nil, err
	}
	if args == nil || args[0] == nil {
		return &joiner{sep: value.Text(", ", true)}, nil
	}
	return &joiner{sep: args[0]}, nil
}

func (j *joiner) call() value.Value {
	if !j.used {
		j.used = true
		return value.Text("", true)
	}
	return j.sep
}

// cycler gives its items in turn.
type cycler struct {
	items []value.Value
	pos   int
}

// TypeName implements value.Value.
func (c *cycler) TypeName() string { return "Cycler" }

// cyclerMethod is cycler.next or cycler.reset.
type cyclerMethod struct {
	c    *cycler
	name string
}

// TypeName implements value.Value.
func (m *cyclerMethod) TypeName() string { return "method" }

func newCycler(_ *run, a value.Args) (value.Value, error) {
	if len(a.Pos) == 0 || len(a.Kw) > 0 {
		return nil, value.Fail("at least one item has to be provided")
	}
	return &cycler{items: a.Pos}, nil
}

// Attr implements value.Attrs.
func (c *cycler) Attr(_ *value.Budget, name string) (value.Value, bool, error) {
	switch name {
	case "current":
		return c.items[c.pos], true, nil
	case "next", "reset":
		return &cyclerMethod{c, name}, true, nil
	}
	return nil, false, nil
}

func (m *cyclerMethod) call() value.Value {
	if m.name == "reset" {
		m.c.pos = 0
		return value.None{}
	}
	v := m.c.items[m.c.pos]
	m.c.pos = (m.c.pos + 1) % len(m.c.items)
	return v
}
