package value

import (
	"iter"
	"math"
)

// linearMax is the size up to which a dict is searched without an index.
const linearMax = 8

// key is a hashable form of a value under which Python's equal keys are equal.
type key struct {
	kind byte
	num  uint64
	text string
}

type entry struct {
	k    key
	name Value
	val  Value
}

// Dict is a dict in insertion order.
type Dict struct {
	entries []entry
	index   map[key]int // nil while small
}

// Len is the number of entries.
func (d *Dict) Len() int { return len(d.entries) }

// All walks the entries in order.
func (d *Dict) All() iter.Seq2[Value, Value] {
	return func(yield func(Value, Value) bool) {
		for _, e := range d.entries {
			if !yield(e.name, e.val) {
				return
			}
		}
	}
}

// Get looks up a text key.
func (d *Dict) Get(name string) (Value, bool) { return d.lookup(keyOfText(name)) }

func (d *Dict) find(k key) int {
	if d.index != nil {
		if i, ok := d.index[k]; ok {
			return i
		}
		return -1
	}
	for i := range d.entries {
		if d.entries[i].k == k {
			return i
		}
	}
	return -1
}

func (d *Dict) lookup(k key) (Value, bool) {
	if i := d.find(k); i >= 0 {
		return d.entries[i].val, true
	}
	return nil, false
}

func (d *Dict) set(k key, name, v Value) {
	if i := d.find(k); i >= 0 {
		d.entries[i].val = v
		return
	}
	d.entries = append(d.entries, entry{k, name, v})
	switch {
	case d.index != nil:
		d.index[k] = len(d.entries) - 1
	case len(d.entries) > linearMax:
		d.index = make(map[key]int, 2*len(d.entries))
		for i, e := range d.entries {
			d.index[e.k] = i
		}
	}
}

// Put sets a key while the dict is being made; afterwards it is shared and must not be called. It refuses values that
// Python cannot hash.
func (d *Dict) Put(b *Budget, name, v Value) error {
	k, err := keyOf(b, name)
	if err != nil {
		return err
	}
	if err := b.NewItems(1); err != nil {
		return err
	}
	if len(d.entries) >= b.Items {
		return b.NewItems(len(d.entries) + 1)
	}
	d.set(k, name, v)
	return nil
}

// PutText sets a text key while the dict is being made from data.
func (d *Dict) PutText(name *Str, v Value) { d.set(keyOfText(name.s), name, v) }

func keyOfText(s string) key { return key{kind: 's', text: s} }

func keyOf(b *Budget, v Value) (key, error) {
	switch x := v.(type) { //nolint:exhaustive // the other types share what follows
	case *Str:
		return keyOfText(x.s), nil
	case Int:
		return key{kind: 'n', num: uint64(x)}, nil //nolint:gosec // any one-to-one mapping will do
	case Bool:
		if x {
			return key{kind: 'n', num: 1}, nil
		}
		return key{kind: 'n'}, nil
	case Float:
		if i := int64(x); Float(i) == x && math.Abs(float64(x)) < 1<<62 {
			return key{kind: 'n', num: uint64(i)}, nil //nolint:gosec // as above
		}
		return key{kind: 'f', num: math.Float64bits(float64(x))}, nil
	case None:
		return key{kind: '0'}, nil
	case *Tuple:
		// Python hashes the items; the text form tells tuples apart just as well where every item is hashable.
		for _, it := range x.Items {
			if _, err := keyOf(b, it); err != nil {
				return key{}, err
			}
		}
		r, err := Repr(b, v)
		if err != nil {
			return key{}, err
		}
		return key{kind: 't', text: r.s}, nil
	}
	return key{}, Fail("unhashable type: '", v.TypeName(), "'")
}
