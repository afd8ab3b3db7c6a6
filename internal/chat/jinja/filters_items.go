package jinja

import (
	"slices"
	"strings"

	"ashatai/internal/chat/jinja/value"
)

// itemFilter finds the filters whose input is a list, a dict or a generator.
func itemFilter(name string) (filter, bool) {
	switch name {
	case "length", "count":
		return filter{run: length}, true
	case "first":
		return filter{run: first}, true
	case "last":
		return filter{run: last}, true
	case "join":
		return filter{params: "d attribute", run: join}, true
	case "list":
		return filter{run: list}, true
	case "items":
		return filter{run: items}, true
	case "dictsort":
		return filter{params: "case_sensitive by reverse", run: dictSort}, true
	case "sort":
		return filter{params: "reverse case_sensitive attribute", run: sorted}, true
	case "unique":
		return filter{params: "case_sensitive attribute", run: unique}, true
	case "reverse":
		return filter{run: reverse}, true
	case "sum":
		return filter{params: "attribute start", run: sum}, true
	case "min", "max":
		return filter{params: "case_sensitive attribute", run: func(r *run, in value.Value, a []value.Value) (value.Value, error) {
			return extreme(r, in, a, name == "max")
		}}, true
	case "batch":
		return filter{params: "linecount fill_with", required: 1, run: batch}, true
	case "slice":
		return filter{params: "slices fill_with", required: 1, run: sliceIn}, true
	case "map":
		return filter{raw: mapItems}, true
	case "select", "reject", "selectattr", "rejectattr":
		return filter{raw: func(r *run, in value.Value, a value.Args) (value.Value, error) {
			return selectItems(r, in, a, name)
		}}, true
	}
	return filter{}, false
}

func length(r *run, in value.Value, _ []value.Value) (value.Value, error) {
	n, err := value.Length(&r.b, in)
	return value.Int(n), err
}

func first(r *run, in value.Value, _ []value.Value) (value.Value, error) {
	items, later, err := value.IterateLate(&r.b, in)
	switch {
	case err != nil:
		return nil, err
	case len(items) > 0:
		return items[0], nil
	case later != nil:
		return nil, later
	}
	return value.Hinted("No first item, sequence was empty."), nil
}

func last(r *run, in value.Value, _ []value.Value) (value.Value, error) {
	if _, ok := in.(*value.Iter); ok {
		return nil, value.Fail("'generator' object is not reversible")
	}
	items, err := value.Iterate(&r.b, in)
	if err != nil {
		return nil, err
	}
	if len(items) == 0 {
		return value.Hinted("No last item, sequence was empty."), nil
	}
	return items[len(items)-1], nil
}

func join(r *run, in value.Value, a []value.Value) (value.Value, error) {
	sep := value.Text("", true)
	var err error
	if a[0] != nil {
		if sep, err = value.ToStr(&r.b, a[0]); err != nil {
			return nil, err
		}
	}
	items, err := value.Iterate(&r.b, in)
	if err != nil {
		return nil, err
	}
	w := value.NewBuilder(&r.b)
	for i, it := range items {
		if a[1] != nil {
			if it, err = r.path(it, a[1]); err != nil {
				return nil, err
			}
		}
		s, err := value.ToStr(&r.b, it)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			w.AddStr(sep)
		}
		w.AddStr(s)
		if err := r.b.Step(1); err != nil {
			return nil, err
		}
	}
	return w.Str()
}

func list(r *run, in value.Value, _ []value.Value) (value.Value, error) {
	items, err := value.Iterate(&r.b, in)
	return &value.List{Items: items}, err
}

func items(r *run, in value.Value, _ []value.Value) (value.Value, error) {
	switch d := in.(type) { //nolint:exhaustive // the other types share what follows
	case *value.Undefined:
		return value.NewIter("do_items", nil, nil), nil
	case *value.Dict:
		pairs, err := r.pairs(d)
		return value.NewIter("do_items", pairs, nil), err
	}
	return nil, value.Fail("Can only get item pairs from a mapping.")
}

func (r *run) pairs(d *value.Dict) ([]value.Value, error) {
	if err := r.b.NewItems(d.Len()); err != nil {
		return nil, err
	}
	out := make([]value.Value, 0, d.Len())
	for k, v := range d.All() {
		out = append(out, &value.Tuple{Items: []value.Value{k, v}})
	}
	return out, nil
}

// path looks up an attribute such as "a.b.0" by the rules of [].
func (r *run) path(v, attr value.Value) (value.Value, error) {
	name, ok := attr.(*value.Str)
	if !ok {
		if _, none := attr.(value.None); none {
			return v, nil
		}
		return value.GetItem(&r.b, v, attr)
	}
	for part := range strings.SplitSeq(name.String(), ".") {
		var key value.Value = value.Text(part, true)
		if value.IsClass(part, "isdigit") {
			n, err := toInt(r, key, []value.Value{nil, nil})
			if err != nil {
				return nil, err
			}
			key = n
		}
		var err error
		if v, err = value.GetItem(&r.b, v, key); err != nil {
			return nil, err
		}
	}
	return v, nil
}

// fold is a sort key that ignores case.
func (r *run) fold(v value.Value, sensitive bool) (value.Value, error) {
	s, ok := v.(*value.Str)
	if !ok || sensitive {
		return v, nil
	}
	return value.ChangeCase(&r.b, s, "lower")
}

type keyed struct{ key, val value.Value }

// sortKeyed sorts as Python does: stable, and backwards with equal items still in their order.
func (r *run) sortKeyed(pairs []keyed, backwards bool) error {
	var failed error
	slices.SortStableFunc(pairs, func(x, y keyed) int {
		if failed != nil {
			return 0
		}
		c, err := value.Compare(&r.b, "<", x.key, y.key)
		if err == nil {
			err = r.b.Step(1)
		}
		failed = err
		if backwards {
			return -c
		}
		return c
	})
	return failed
}

func vals(pairs []keyed) []value.Value {
	out := make([]value.Value, len(pairs))
	for i, p := range pairs {
		out[i] = p.val
	}
	return out
}

func dictSort(r *run, in value.Value, a []value.Value) (value.Value, error) {
	d, ok := in.(*value.Dict)
	if !ok {
		return nil, value.Fail("'", in.TypeName(), " object' has no attribute 'items'")
	}
	at := 0
	if a[1] != nil {
		by, err := value.StrArg(a[1], nil)
		switch {
		case err != nil:
			return nil, err
		case by.String() == "value":
			at = 1
		case by.String() != "key":
			return nil, value.Fail(`You can only sort by either "key" or "value"`)
		}
	}
	if err := r.b.NewItems(2 * d.Len()); err != nil {
		return nil, err
	}
	pairs := make([]keyed, 0, d.Len())
	for k, v := range d.All() {
		both := []value.Value{k, v}
		key, err := r.fold(both[at], flag(a[0]))
		if err != nil {
			return nil, err
		}
		pairs = append(pairs, keyed{key, &value.Tuple{Items: both}})
	}
	if err := r.sortKeyed(pairs, flag(a[2])); err != nil {
		return nil, err
	}
	return &value.List{Items: vals(pairs)}, nil
}

func sorted(r *run, in value.Value, a []value.Value) (value.Value, error) {
	items, err := value.Iterate(&r.b, in)
	if err != nil {
		return nil, err
	}
	if err := r.b.NewItems(2 * len(items)); err != nil {
		return nil, err
	}
	pairs := make([]keyed, len(items))
	for i, it := range items {
		key, err := r.sortKey(it, a[2], flag(a[1]))
		if err != nil {
			return nil, err
		}
		pairs[i] = keyed{key, it}
	}
	if err := r.sortKeyed(pairs, flag(a[0])); err != nil {
		return nil, err
	}
	return &value.List{Items: vals(pairs)}, nil
}

// sortKey is the list of attributes that attr names, separated by commas, or the item itself.
func (r *run) sortKey(it, attr value.Value, sensitive bool) (value.Value, error) {
	name, ok := attr.(*value.Str)
	if !ok {
		if attr != nil {
			var err error
			if it, err = r.path(it, attr); err != nil {
				return nil, err
			}
		}
		return r.fold(it, sensitive)
	}
	var out []value.Value
	for part := range strings.SplitSeq(name.String(), ",") {
		v, err := r.path(it, value.Text(part, true))
		if err != nil {
			return nil, err
		}
		if v, err = r.fold(v, sensitive); err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return &value.List{Items: out}, nil
}

// attrKey is one attribute of an item, or the item itself, as unique, min and max compare it.
func (r *run) attrKey(it, attr value.Value, sensitive bool) (value.Value, error) {
	if attr != nil {
		var err error
		if it, err = r.path(it, attr); err != nil {
			return nil, err
		}
	}
	return r.fold(it, sensitive)
}

func unique(r *run, in value.Value, a []value.Value) (value.Value, error) {
	items, err := value.Iterate(&r.b, in)
	if err != nil {
		return nil, err
	}
	seen := &value.Dict{}
	var out []value.Value
	for _, it := range items {
		key, err := r.attrKey(it, a[1], flag(a[0]))
		if err != nil {
			return nil, err
		}
		if isUndefined(key) {
			key = &value.Tuple{} // all undefined values are alike, and like nothing else
		}
		known, err := value.Contains(&r.b, seen, key)
		if err != nil {
			return nil, err
		}
		if known {
			continue
		}
		if err := seen.Put(&r.b, key, value.None{}); err != nil {
			return nil, err
		}
		out = append(out, it)
	}
	return value.NewIter("do_unique", out, nil), nil
}

func extreme(r *run, in value.Value, a []value.Value, most bool) (value.Value, error) {
	items, err := value.Iterate(&r.b, in)
	if err != nil {
		return nil, err
	}
	if len(items) == 0 {
		return value.Hinted("No aggregated item, sequence was empty."), nil
	}
	op := "<"
	if most {
		op = ">"
	}
	var best, bestKey value.Value
	for _, it := range items {
		key, err := r.attrKey(it, a[1], flag(a[0]))
		if err != nil {
			return nil, err
		}
		if best != nil {
			better, err := r.holds(op, key, bestKey)
			if err != nil {
				return nil, err
			}
			if !better {
				continue
			}
		}
		best, bestKey = it, key
	}
	return best, nil
}

func reverse(r *run, in value.Value, _ []value.Value) (value.Value, error) {
	if s, ok := in.(*value.Str); ok {
		return value.Slice(&r.b, s, nil, nil, value.Int(-1))
	}
	items, err := value.Iterate(&r.b, in)
	if err != nil {
		return nil, err
	}
	if err := r.b.NewItems(len(items)); err != nil {
		return nil, err
	}
	out := slices.Clone(items)
	slices.Reverse(out)
	if _, ok := in.(*value.Iter); ok {
		return &value.List{Items: out}, nil
	}
	return value.NewIter("list_reverseiterator", out, nil), nil
}

func sum(r *run, in value.Value, a []value.Value) (value.Value, error) {
	items, err := value.Iterate(&r.b, in)
	if err != nil {
		return nil, err
	}
	var total value.Value = value.Int(0)
	if a[1] != nil {
		total = a[1]
	}
	if _, ok := total.(*value.Str); ok {
		return nil, value.Fail("sum() can't sum strings [use ''.join(seq) instead]")
	}
	for _, it := range items {
		if a[0] != nil {
			if it, err = r.path(it, a[0]); err != nil {
				return nil, err
			}
		}
		if total, err = value.Binary(&r.b, "+", total, it); err != nil {
			return nil, err
		}
		if err := r.b.Step(1); err != nil {
			return nil, err
		}
	}
	return total, nil
}

func batch(r *run, in value.Value, a []value.Value) (value.Value, error) {
	n, err := value.IntArg(a[0], 0)
	if err != nil {
		return nil, err
	}
	items, err := value.Iterate(&r.b, in)
	if err != nil {
		return nil, err
	}
	var rows []value.Value
	if n < 1 {
		// Python never fills a row of that size: everything lands in one, behind an empty one where the size is 0.
		if n == 0 && len(items) > 0 {
			rows = append(rows, &value.List{})
		}
		n = int64(len(items)) + 1
		a[1] = nil
	}
	for len(items) > 0 {
		size := min(int(min(n, int64(r.b.Items)+1)), len(items))
		row := slices.Clone(items[:size])
		items = items[size:]
		if a[1] != nil && !isNone(a[1]) && int64(size) < n {
			if err := r.b.NewItems(int(min(n, int64(r.b.Items)+1))); err != nil {
				return nil, err
			}
			for int64(len(row)) < n {
				row = append(row, a[1])
			}
		}
		if err := r.b.NewItems(len(row)); err != nil {
			return nil, err
		}
		rows = append(rows, &value.List{Items: row})
	}
	return value.NewIter("do_batch", rows, nil), nil
}

func isNone(v value.Value) bool {
	_, ok := v.(value.None)
	return ok
}

func sliceIn(r *run, in value.Value, a []value.Value) (value.Value, error) {
	n, err := value.IntArg(a[0], 0)
	if err != nil {
		return nil, err
	}
	items, err := value.Iterate(&r.b, in)
	if err != nil {
		return nil, err
	}
	if n == 0 {
		return nil, value.Fail("integer division or modulo by zero")
	}
	if n < 0 {
		return value.NewIter("sync_do_slice", nil, nil), nil
	}
	if err := r.b.NewItems(int(min(n, int64(r.b.Items)+1)) + len(items)); err != nil {
		return nil, err
	}
	rows := make([]value.Value, n)
	each, extra := len(items)/int(n), len(items)%int(n)
	at := 0
	for i := range rows {
		size := each
		if i < extra {
			size++
		}
		row := slices.Clone(items[at : at+size])
		at += size
		if a[1] != nil && !isNone(a[1]) && i >= extra {
			row = append(row, a[1])
		}
		rows[i] = &value.List{Items: row}
	}
	return value.NewIter("sync_do_slice", rows, nil), nil
}
