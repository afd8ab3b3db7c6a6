package value

import "unicode/utf8"

// Iterate returns the items of anything that Python can iterate. A generator is used up; an error that it holds back is
// returned at once.
func Iterate(b *Budget, v Value) ([]Value, error) {
	items, later, err := IterateLate(b, v)
	if err == nil {
		err = later
	}
	return items, err
}

// IterateLate is Iterate, except that an error which a generator would raise after its last item is returned apart.
func IterateLate(b *Budget, v Value) (items []Value, later, err error) {
	switch x := v.(type) { //nolint:exhaustive // the other types share what follows
	case *List:
		return x.Items, nil, nil
	case *Tuple:
		return x.Items, nil, nil
	case *Undefined:
		return nil, nil, nil
	case *Iter:
		items, later = x.items, x.err
		x.items, x.err = nil, nil
		return items, later, nil
	case *Str:
		items, err = x.chars(b)
	case *Dict:
		items, err = (&View{kind: "dict_keys", dict: x}).list(b)
	case *View:
		items, err = x.list(b)
	case *Range:
		items, err = x.list(b)
	default:
		err = Fail("'", v.TypeName(), "' object is not iterable")
	}
	return items, nil, err
}

func (r *Range) list(b *Budget) ([]Value, error) {
	if err := b.NewItems(int(r.n)); err != nil {
		return nil, err
	}
	out := make([]Value, r.n)
	for i := range out {
		out[i] = Int(r.start + int64(i)*r.step)
	}
	return out, nil
}

func (v *View) list(b *Budget) ([]Value, error) {
	if err := b.NewItems(v.dict.Len()); err != nil {
		return nil, err
	}
	out := make([]Value, 0, v.dict.Len())
	for _, e := range v.dict.entries {
		switch v.kind {
		case "dict_keys":
			out = append(out, e.name)
		case "dict_values":
			out = append(out, e.val)
		default:
			out = append(out, &Tuple{[]Value{e.name, e.val}})
		}
	}
	return out, nil
}

// Length is Python's len(v).
func Length(b *Budget, v Value) (int, error) {
	switch x := v.(type) { //nolint:exhaustive // the other types share what follows
	case *Str:
		return x.Len(), b.Scan(len(x.s))
	case *List:
		return len(x.Items), nil
	case *Tuple:
		return len(x.Items), nil
	case *Dict:
		return x.Len(), nil
	case *View:
		return x.dict.Len(), nil
	case *Range:
		return int(x.n), nil
	case *Undefined:
		return 0, nil
	}
	return 0, Fail("object of type '", v.TypeName(), "' has no len()")
}

// GetItem is v[k] by the rules of templates: the item first, then the attribute of that name, else Undefined.
func GetItem(b *Budget, v, k Value) (Value, error) {
	switch x := v.(type) { //nolint:exhaustive // the other types share what follows
	case *Undefined:
		return nil, x.Err()
	case *Dict:
		if hk, err := keyOf(b, k); err == nil {
			if out, ok := x.lookup(hk); ok {
				return out, nil
			}
		}
	default:
		if out, err := itemAt(b, v, k); out != nil || err != nil {
			return out, err
		}
	}
	name, ok := k.(*Str)
	if !ok {
		r, err := Repr(b, k)
		if err != nil {
			return nil, err
		}
		return Hinted(v.TypeName() + " object has no element " + r.s), nil
	}
	if _, ok := v.(*Dict); ok {
		if hasMethod(v, name.s) {
			return GetAttr(b, v, name.s)
		}
		return missingAttr(v, name.s), nil
	}
	return GetAttr(b, v, name.s)
}

// itemAt is the item at a whole-number index, or nil where there is none.
func itemAt(b *Budget, v, k Value) (Value, error) {
	n, ok := toNumber(k)
	if !ok || n.float {
		return nil, nil //nolint:nilnil // no such item is not an error in a template
	}
	pick := func(items []Value) (Value, error) {
		i := n.i
		if i < 0 {
			i += int64(len(items))
		}
		if i < 0 || i >= int64(len(items)) {
			return nil, nil //nolint:nilnil // as above
		}
		return items[i], nil
	}
	switch x := v.(type) { //nolint:exhaustive // the other types share what follows
	case *List:
		return pick(x.Items)
	case *Tuple:
		return pick(x.Items)
	case *Range:
		items, err := x.list(b)
		if err != nil {
			return nil, err
		}
		return pick(items)
	case *Str:
		size, err := Length(b, x)
		if err != nil {
			return nil, err
		}
		i := int(max(min(n.i, int64(size)), -int64(size)-1))
		if i < 0 {
			i += size
		}
		if i < 0 || i >= size {
			return nil, nil //nolint:nilnil // as above
		}
		if err := decoding(b, x, size); err != nil {
			return nil, err
		}
		at := byteOffset(x.s, i, size)
		_, w := utf8.DecodeRuneInString(x.s[at:])
		return x.slice(at, at+w), nil
	}
	return nil, nil //nolint:nilnil // as above
}

// decoding spends the work of finding a place in text of n code points, which must be counted off where it is not ASCII.
func decoding(b *Budget, x *Str, n int) error {
	if n == len(x.s) {
		return nil
	}
	return b.Step(n / 8)
}

// byteOffset is where the i-th of n code points starts.
func byteOffset(s string, i, n int) int {
	if n == len(s) {
		return i
	}
	at := 0
	for range i {
		_, w := utf8.DecodeRuneInString(s[at:])
		at += w
	}
	return at
}

// Slice is v[lo:hi:step]; nil stands for a bound that is left out.
func Slice(b *Budget, v, lo, hi, step Value) (Value, error) {
	if u, ok := v.(*Undefined); ok {
		return nil, u.Err()
	}
	switch v.(type) { //nolint:exhaustive // the other types share what follows
	case *Str, *List, *Tuple, *Range:
	case *Dict:
		return nil, Fail("unhashable type: 'slice'")
	default:
		return nil, Fail("'", v.TypeName(), "' object is not subscriptable")
	}
	n, err := Length(b, v)
	if err != nil {
		return nil, err
	}
	st, err := sliceBound(step, 1)
	if err != nil {
		return nil, err
	}
	if st == 0 {
		return nil, Fail("slice step cannot be zero")
	}
	from, to, err := sliceRange(lo, hi, st, int64(n))
	if err != nil {
		return nil, err
	}
	count := 0
	switch {
	case st > 0 && to > from:
		count = int((to-from-1)/st) + 1
	case st < 0 && to < from:
		count = int((from-to-1)/-st) + 1
	}
	if x, ok := v.(*Str); ok {
		return sliceStr(b, x, n, int(from), int(st), count)
	}
	return sliceItems(b, v, int(from), int(to), int(st), count)
}

func sliceBound(v Value, def int64) (int64, error) {
	if v == nil {
		return def, nil
	}
	if _, ok := v.(None); ok {
		return def, nil
	}
	n, ok := toNumber(v)
	if !ok || n.float {
		return 0, Fail("slice indices must be integers or None or have an __index__ method")
	}
	return max(min(n.i, 1<<40), -(1 << 40)), nil
}

func sliceRange(lo, hi Value, step, n int64) (from, to int64, err error) {
	first, last := int64(0), n // bounds of a position, and the defaults of a forward slice
	if step < 0 {
		first, last = -1, n-1
	}
	clamp := func(v Value, def int64) (int64, error) {
		const absent = -(1 << 41)
		i, err := sliceBound(v, absent)
		switch {
		case err != nil:
			return 0, err
		case i == absent:
			return def, nil
		case i < 0:
			i += n
		}
		return max(min(i, last), first), nil
	}
	defFrom, defTo := first, last
	if step < 0 {
		defFrom, defTo = last, first
	}
	if from, err = clamp(lo, defFrom); err != nil {
		return 0, 0, err
	}
	to, err = clamp(hi, defTo)
	return from, to, err
}

func sliceStr(b *Budget, x *Str, n, from, step, count int) (Value, error) {
	if count == 0 {
		return x.slice(0, 0), nil
	}
	if step == 1 {
		if err := decoding(b, x, n); err != nil {
			return nil, err
		}
		i := byteOffset(x.s, from, n)
		j := i + byteOffset(x.s[i:], count, n-from)
		return x.slice(i, j), nil
	}
	chars, err := x.chars(b)
	if err != nil {
		return nil, err
	}
	w := NewBuilder(b)
	for i := range count {
		if c, ok := chars[from+i*step].(*Str); ok {
			w.AddStr(c)
		}
	}
	return w.Str()
}

func sliceItems(b *Budget, v Value, from, to, step, count int) (Value, error) {
	if r, ok := v.(*Range); ok {
		start, stop := r.start+int64(from)*r.step, r.start+int64(to)*r.step
		return &Range{start: start, stop: stop, step: r.step * int64(step), n: int64(count)}, nil
	}
	items, err := Iterate(b, v)
	if err != nil {
		return nil, err
	}
	if err := b.NewItems(count); err != nil {
		return nil, err
	}
	out := make([]Value, count)
	for i := range out {
		out[i] = items[from+i*step]
	}
	if _, ok := v.(*Tuple); ok {
		return &Tuple{out}, nil
	}
	return &List{out}, nil
}
