package jinja

import (
	"errors"
	"strconv"
	"time"

	"ashatai/internal/chat/jinja/syntax"
	"ashatai/internal/chat/jinja/value"
)

// Limits bounds one template and one rendering of it. A field that is zero has its default.
type Limits struct {
	Source  int   // bytes of the template; 512 KiB
	Nesting int   // brackets and tags within each other; 200
	Depth   int   // nesting of evaluation, macros and data; 2,000
	Steps   int64 // units of work of one rendering; 10 million
	Memory  int64 // bytes that one rendering allocates in total; 256 MiB
	Text    int   // bytes of one string; 16 MiB
	Items   int   // items of one list or dict; 200,000
	Output  int   // bytes of the result; 16 MiB
}

func (l Limits) withDefaults() Limits {
	l.Source = orDefault(l.Source, 512<<10)
	l.Nesting = orDefault(l.Nesting, 200)
	l.Depth = orDefault(l.Depth, 2_000)
	l.Steps = orDefault(l.Steps, 10_000_000)
	l.Memory = orDefault(l.Memory, 256<<20)
	l.Text = orDefault(l.Text, 16<<20)
	l.Items = orDefault(l.Items, 200_000)
	l.Output = orDefault(l.Output, 16<<20)
	return l
}

func orDefault[T int | int64](v, def T) T {
	if v <= 0 {
		return def
	}
	return v
}

// Template is a parsed template. It never changes, so it may be rendered from many goroutines at once.
type Template struct {
	tree    *syntax.Tree
	limits  Limits
	symbols map[string]int
	globals []value.Value // what a variable is, by symbol, where no one sets it; nil for unknown names
	loop    int           // the symbol of "loop", or -1
}

// Env is what a rendering takes from outside, beside its variables.
type Env struct {
	Now  time.Time   // what strftime_now shows, in its own time zone
	Stop func() bool // asked now and then; true ends the rendering. May be nil.
}

// Parse reads a template. Its errors are *value.Error with a line.
func Parse(src string, lim Limits) (*Template, error) {
	lim = lim.withDefaults()
	if len(src) > lim.Source {
		return nil, &value.Error{Kind: value.Limit, Message: "the template has " + strconv.Itoa(len(src)) + " bytes; at most " + strconv.Itoa(lim.Source) + " are allowed", Line: 1}
	}
	tree, err := syntax.Parse(src, lim.Nesting)
	if err != nil {
		return nil, err
	}
	for _, u := range tree.Uses {
		if err := checkUse(u); err != nil {
			return nil, err
		}
	}
	t := &Template{tree: tree, limits: lim, symbols: make(map[string]int, len(tree.Names)), globals: make([]value.Value, len(tree.Names)), loop: -1}
	for i, name := range tree.Names {
		t.symbols[name] = i
		t.globals[i] = global(name)
		if name == "loop" {
			t.loop = i
		}
	}
	return t, nil
}

func checkUse(u syntax.Use) error {
	if u.Test {
		if _, ok := lookupTest(u.Name); !ok {
			return &value.Error{Kind: value.Syntax, Message: "No test named '" + u.Name + "'.", Line: u.Line}
		}
		return nil
	}
	if _, ok := lookupFilter(u.Name); !ok {
		return &value.Error{Kind: value.Syntax, Message: "No filter named '" + u.Name + "'.", Line: u.Line}
	}
	return nil
}

// Render runs the template. The values in vars must not change while it runs. Its errors are *value.Error.
func (t *Template) Render(vars map[string]value.Value, env Env) (*value.Str, error) {
	l := t.limits
	r := &run{
		t:    t,
		line: 1, // where no node with a line was looked at
		env:  env,
		b:    value.Budget{Steps: l.Steps, Memory: l.Memory, Text: l.Text, Items: l.Items, Depth: l.Depth, Stop: env.Stop},
	}
	r.root.vals = append(make([]value.Value, 0, len(t.globals)), t.globals...)
	for name, v := range vars {
		if i, ok := t.symbols[name]; ok {
			r.root.vals[i] = v
		}
	}
	r.scope = &r.root
	r.out = value.NewOutput(&r.b, l.Output)
	_, err := r.exec(t.tree.Body)
	if err == nil {
		var out *value.Str
		if out, err = r.out.Str(); err == nil {
			return out, nil
		}
	}
	// The failure left everything as it was, so the last line looked at is where it happened.
	if e, ok := errors.AsType[*value.Error](err); ok && e.Line == 0 {
		e.Line = r.line
	}
	return nil, err
}
