package jinja

import (
	"ashatai/internal/chat/jinja/format"
	"ashatai/internal/chat/jinja/syntax"
	"ashatai/internal/chat/jinja/value"
)

// filter is a filter: its parameters by name, how many are required, and either run or, where it takes any arguments, raw.
type filter struct {
	params   string
	required int
	run      func(r *run, in value.Value, a []value.Value) (value.Value, error)
	raw      func(r *run, in value.Value, a value.Args) (value.Value, error)
}

func lookupFilter(name string) (filter, bool) {
	if f, ok := textFilter(name); ok {
		return f, true
	}
	if f, ok := itemFilter(name); ok {
		return f, true
	}
	switch name {
	case "default", "d":
		return filter{params: "default_value boolean", run: defaultTo}, true
	case "tojson":
		return filter{params: "ensure_ascii indent separators sort_keys", run: toJSON}, true
	case "int":
		return filter{params: "default base", run: toInt}, true
	case "float":
		return filter{params: "default", run: toFloat}, true
	case "abs":
		return filter{run: absolute}, true
	case "round":
		return filter{params: "precision method", run: round}, true
	case "attr":
		return filter{params: "name", required: 1, run: attribute}, true
	}
	return filter{}, false
}

// filter applies a filter of the template to in.
func (r *run) filter(n *syntax.Filter, in value.Value) (value.Value, error) {
	a, err := r.args(&n.Args)
	if err != nil {
		return nil, err
	}
	r.line = n.Line
	return r.applyFilter(n.Name, in, a)
}

func (r *run) applyFilter(name string, in value.Value, a value.Args) (value.Value, error) {
	f, ok := lookupFilter(name)
	if !ok {
		return nil, value.Fail("No filter named '", name, "'.")
	}
	if f.raw != nil {
		return f.raw(r, in, a)
	}
	args, err := a.Bind(name, f.params, f.required)
	if err != nil {
		return nil, err
	}
	return f.run(r, in, args)
}

func isUndefined(v value.Value) bool {
	_, ok := v.(*value.Undefined)
	return ok
}

// flag is the truth of an optional argument.
func flag(v value.Value) bool { return v != nil && value.Truth(v) }

func defaultTo(_ *run, in value.Value, a []value.Value) (value.Value, error) {
	if !isUndefined(in) && (!flag(a[1]) || value.Truth(in)) {
		return in, nil
	}
	if a[0] == nil {
		return value.Text("", true), nil
	}
	return a[0], nil
}

func attribute(r *run, in value.Value, a []value.Value) (value.Value, error) {
	name, err := value.StrArg(a[0], nil)
	if err != nil {
		return nil, err
	}
	has, err := value.HasAttr(&r.b, in, name.String())
	if err != nil {
		return nil, err
	}
	if !has && !isUndefined(in) {
		return value.Hinted("'" + in.TypeName() + " object' has no attribute '" + name.String() + "'"), nil
	}
	return value.GetAttr(&r.b, in, name.String())
}

// toJSON has the signature of transformers' own tojson.
func toJSON(r *run, in value.Value, a []value.Value) (value.Value, error) {
	o := format.JSON{ASCII: flag(a[0]), Item: ", ", Key: ": ", Sort: flag(a[3])}
	if _, none := a[1].(value.None); a[1] != nil && !none {
		o.Item = ","
		width := a[1]
		if s, ok := width.(*value.Str); ok {
			o.Indent = s
		} else {
			if _, err := value.IntArg(width, 0); err != nil {
				return nil, err
			}
			s, err := value.Binary(&r.b, "*", value.Text(" ", true), width)
			if err != nil {
				return nil, err
			}
			o.Indent, _ = s.(*value.Str)
		}
	}
	if _, none := a[2].(value.None); a[2] != nil && !none {
		seps, err := value.Iterate(&r.b, a[2])
		if err != nil {
			return nil, err
		}
		if len(seps) != 2 {
			return nil, value.Fail("separators must be a pair of strings")
		}
		item, err := value.StrArg(seps[0], nil)
		if err != nil {
			return nil, err
		}
		key, err := value.StrArg(seps[1], nil)
		if err != nil {
			return nil, err
		}
		o.Item, o.Key = item.String(), key.String()
	}
	return format.ToJSON(&r.b, in, o)
}
