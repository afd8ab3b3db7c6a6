package value

// Value is one value of a template. Apart from Namespace and Iter, values never change once made, so they may be shared.
type Value interface {
	// TypeName is Python's name of the type, as it stands in error messages.
	TypeName() string
}

// Attrs is a value with attributes of its own, beyond those of Python's built-in types.
type Attrs interface {
	Value
	// Attr returns the attribute, and false where there is none.
	Attr(b *Budget, name string) (Value, bool, error)
}

type (
	// None is Python's None.
	None struct{}
	// Bool is True or False.
	Bool bool
	// Int is a whole number; results beyond 64 bits are errors.
	Int int64
	// Float is a 64-bit floating point number.
	Float float64
	// List is a list; its items never change.
	List struct{ Items []Value }
	// Tuple is a tuple.
	Tuple struct{ Items []Value }
)

// Undefined is what a missing name, attribute or item gives: it prints as nothing and refuses nearly everything else.
type Undefined struct {
	hint  string // the whole message, where it is no plain missing name
	owner string // type of the object that lacks the attribute; empty for a variable
	name  string
}

// Range is the result of range(): whole numbers from start to stop, exclusive.
type Range struct{ start, stop, step, n int64 }

// Iter is a generator: its items can be walked once. Err is raised when the walk passes the last item.
type Iter struct {
	name  string
	items []Value
	err   error
}

// View is what a dict's items, keys and values methods return.
type View struct {
	kind string
	dict *Dict
}

// Namespace is the one object whose attributes a template may set.
type Namespace struct{ attrs Dict }

// Bound is a method of a built-in type together with its object.
type Bound struct {
	recv Value
	name string
}

// TypeName implements Value.
func (None) TypeName() string { return "NoneType" }

// TypeName implements Value.
func (Bool) TypeName() string { return "bool" }

// TypeName implements Value.
func (Int) TypeName() string { return "int" }

// TypeName implements Value.
func (Float) TypeName() string { return "float" }

// TypeName implements Value.
func (*Str) TypeName() string { return "str" }

// TypeName implements Value.
func (*List) TypeName() string { return "list" }

// TypeName implements Value.
func (*Tuple) TypeName() string { return "tuple" }

// TypeName implements Value.
func (*Dict) TypeName() string { return "dict" }

// TypeName implements Value.
func (*Undefined) TypeName() string { return "Undefined" }

// TypeName implements Value.
func (*Range) TypeName() string { return "range" }

// TypeName implements Value.
func (*Iter) TypeName() string { return "generator" }

// TypeName implements Value.
func (v *View) TypeName() string { return v.kind }

// TypeName implements Value.
func (*Namespace) TypeName() string { return "Namespace" }

// TypeName implements Value.
func (*Bound) TypeName() string { return "builtin_function_or_method" }

// Missing makes the Undefined of a variable that does not exist.
func Missing(name string) *Undefined { return &Undefined{name: name} }

// Hinted makes an Undefined with a message of its own.
func Hinted(hint string) *Undefined { return &Undefined{hint: hint} }

func missingAttr(owner Value, name string) *Undefined {
	return &Undefined{owner: owner.TypeName(), name: name}
}

// Err is the error of using the undefined value.
func (u *Undefined) Err() *Error {
	switch {
	case u.hint != "":
		return Fail(u.hint)
	case u.owner != "":
		return Fail("'", u.owner, " object' has no attribute '", u.name, "'")
	}
	return Fail("'", u.name, "' is undefined")
}

// NewIter makes a generator that gives items and then, when err is not nil, raises it.
func NewIter(name string, items []Value, err error) *Iter {
	return &Iter{name: name, items: items, err: err}
}

// NewRange makes range(start, stop, step). Like the sandbox of the original it refuses more than 100,000 items.
func NewRange(start, stop, step int64) (*Range, error) {
	const maxRange = 100_000
	if step == 0 {
		return nil, Fail("range() arg 3 must not be zero")
	}
	var n uint64
	switch {
	case step > 0 && stop > start:
		n = (uint64(stop)-uint64(start)-1)/uint64(step) + 1 //nolint:gosec // two's complement gives the exact distance
	case step < 0 && stop < start:
		n = (uint64(start)-uint64(stop)-1)/(-uint64(step)) + 1 //nolint:gosec // as above
	}
	if n > maxRange {
		return nil, &Error{Kind: Limit, Message: "Range too big. The sandbox blocks ranges larger than 100000."}
	}
	return &Range{start: start, stop: stop, step: step, n: int64(n)}, nil
}

// NewNamespace makes a namespace with d's entries as attributes.
func NewNamespace(d *Dict) *Namespace {
	ns := &Namespace{}
	ns.attrs.entries = append(ns.attrs.entries, d.entries...)
	return ns
}

// Set sets an attribute.
func (n *Namespace) Set(b *Budget, name string, v Value) error {
	if _, ok := n.attrs.Get(name); !ok {
		if err := b.NewItems(n.attrs.Len() + 1); err != nil {
			return err
		}
	}
	n.attrs.set(keyOfText(name), Text(name, true), v)
	return nil
}

// Truth is Python's bool(v).
func Truth(v Value) bool {
	switch x := v.(type) { //nolint:exhaustive // the other types share what follows
	case *Undefined, None:
		return false
	case Bool:
		return bool(x)
	case Int:
		return x != 0
	case Float:
		return x != 0
	case *Str:
		return x.s != ""
	case *List:
		return len(x.Items) > 0
	case *Tuple:
		return len(x.Items) > 0
	case *Dict:
		return x.Len() > 0
	case *Range:
		return x.n > 0
	case *View:
		return x.dict.Len() > 0
	}
	return true
}
