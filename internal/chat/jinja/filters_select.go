package jinja

import (
	"errors"

	"ashatai/internal/chat/jinja/value"
)

// each makes the generator of what f keeps or makes of every item. Like Python's it raises an error only when the walk
// gets there; a budget's end is raised at once.
func (r *run) each(name string, in value.Value, f func(v value.Value) (value.Value, error)) (value.Value, error) {
	items, later, err := value.IterateLate(&r.b, in)
	if err != nil {
		return nil, err
	}
	out := make([]value.Value, 0, len(items))
	for _, it := range items {
		v, err := f(it)
		if err == nil {
			err = r.b.NewItems(1)
		}
		if err != nil {
			if e, ok := errors.AsType[*value.Error](err); ok && (e.Kind == value.Limit || e.Kind == value.Stopped) {
				return nil, err
			}
			later = err
			break
		}
		if v != nil {
			out = append(out, v)
		}
	}
	return value.NewIter(name, out, later), nil
}

func mapItems(r *run, in value.Value, a value.Args) (value.Value, error) {
	if !value.Truth(in) {
		return value.NewIter("sync_do_map", nil, nil), nil
	}
	attr, byAttr := keyword(a.Kw, "attribute")
	if len(a.Pos) == 0 && byAttr {
		def, has := keyword(a.Kw, "default")
		for _, kw := range a.Kw {
			if kw.Name != "attribute" && kw.Name != "default" {
				return nil, value.Fail("Unexpected keyword argument '", kw.Name, "'")
			}
		}
		return r.each("sync_do_map", in, func(v value.Value) (value.Value, error) {
			v, err := r.path(v, attr)
			if err == nil && has && isUndefined(v) {
				return def, nil
			}
			return v, err
		})
	}
	if len(a.Pos) == 0 {
		return nil, value.Fail("map requires a filter argument")
	}
	name, err := wantText(a.Pos[0])
	if err != nil {
		return nil, err
	}
	rest := value.Args{Pos: a.Pos[1:], Kw: a.Kw}
	return r.each("sync_do_map", in, func(v value.Value) (value.Value, error) {
		return r.applyFilter(name.String(), v, rest)
	})
}

// selectItems is select, reject, selectattr and rejectattr.
func selectItems(r *run, in value.Value, a value.Args, how string) (value.Value, error) {
	gen := "sync_do_" + how
	if !value.Truth(in) {
		return value.NewIter(gen, nil, nil), nil
	}
	keep := how == "select" || how == "selectattr"
	var attr value.Value
	if how == "selectattr" || how == "rejectattr" {
		if len(a.Pos) == 0 {
			return nil, value.Fail("Missing parameter for attribute name")
		}
		attr, a.Pos = a.Pos[0], a.Pos[1:]
	}
	var name *value.Str
	if len(a.Pos) > 0 {
		var err error
		if name, err = wantText(a.Pos[0]); err != nil {
			return nil, err
		}
		a.Pos = a.Pos[1:]
	}
	return r.each(gen, in, func(it value.Value) (value.Value, error) {
		v := it
		var err error
		if attr != nil {
			if v, err = r.path(it, attr); err != nil {
				return nil, err
			}
		}
		yes := value.Truth(v)
		if name != nil {
			if yes, err = r.applyTest(name.String(), v, a); err != nil {
				return nil, err
			}
		}
		if yes != keep {
			return nil, nil //nolint:nilnil // the item is left out
		}
		return it, nil
	})
}
