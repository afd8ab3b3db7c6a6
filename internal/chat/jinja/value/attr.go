package value

import "strings"

// method is a method of a built-in type T: its parameters by name and how many of them are required.
type method[T Value] struct {
	params   string
	required int
	call     func(b *Budget, self T, a []Value) (Value, error)
}

// GetAttr is v.name by the rules of templates: the attribute first, then the item of that name, else Undefined.
func GetAttr(b *Budget, v Value, name string) (Value, error) {
	switch x := v.(type) { //nolint:exhaustive // the other types share what follows
	case *Undefined:
		return nil, x.Err()
	case *Namespace:
		if strings.HasPrefix(name, "_") {
			return unsafeAttr(v, name), nil
		}
		if out, ok := x.attrs.Get(name); ok {
			return out, nil
		}
		return missingAttr(v, name), nil
	case Attrs:
		out, ok, err := x.Attr(b, name)
		if err != nil || ok {
			return out, err
		}
		return missingAttr(v, name), nil
	}
	switch {
	case mutates(v, name):
		return unsafeAttr(v, name), nil
	case hasMethod(v, name):
		return &Bound{v, name}, nil
	}
	if d, ok := v.(*Dict); ok {
		if out, ok := d.Get(name); ok {
			return out, nil
		}
	}
	if strings.HasPrefix(name, "__") {
		return unsafeAttr(v, name), nil
	}
	return missingAttr(v, name), nil
}

// HasAttr reports whether v has an attribute of that name, items not counted.
func HasAttr(b *Budget, v Value, name string) (bool, error) {
	switch x := v.(type) { //nolint:exhaustive // the other types share what follows
	case *Namespace:
		_, ok := x.attrs.Get(name)
		return ok, nil
	case Attrs:
		_, ok, err := x.Attr(b, name)
		return ok, err
	}
	return hasMethod(v, name) || mutates(v, name), nil
}

func unsafeAttr(v Value, name string) *Undefined {
	return Hinted("access to attribute '" + name + "' of '" + v.TypeName() + "' object is unsafe.")
}

// mutates names the methods that the immutable sandbox keeps away from templates.
func mutates(v Value, name string) bool {
	switch v.(type) { //nolint:exhaustive // the other types share what follows
	case *List:
		switch name {
		case "append", "clear", "pop", "reverse", "insert", "sort", "extend", "remove":
			return true
		}
	case *Dict:
		switch name {
		case "clear", "pop", "popitem", "setdefault", "update":
			return true
		}
	}
	return false
}

func hasMethod(v Value, name string) bool {
	ok := false
	switch v.(type) { //nolint:exhaustive // the other types share what follows
	case *Str:
		_, ok = strMethod(name)
		ok = ok || name == "format"
	case *Dict:
		_, ok = dictMethod(name)
	case *List, *Tuple, *Range:
		_, ok = seqMethod(name)
		ok = ok || name == "copy" && v.TypeName() == "list"
	case Float:
		ok = name == "is_integer"
	}
	return ok
}

// Parts are the object and the method's name.
func (m *Bound) Parts() (recv Value, name string) { return m.recv, m.name }

// Call calls a bound method.
func (m *Bound) Call(b *Budget, a Args) (Value, error) {
	v, ok, err := CallMethod(b, m.recv, m.name, a)
	if err == nil && !ok {
		return nil, Fail("'", m.recv.TypeName(), "' object has no method '", m.name, "'")
	}
	return v, err
}

// CallMethod calls the method of a built-in type. It reports false, without an error, where v has no such method.
func CallMethod(b *Budget, v Value, name string, a Args) (Value, bool, error) {
	var out Value
	var err error
	switch x := v.(type) { //nolint:exhaustive // the other types share what follows
	case *Str:
		m, ok := strMethod(name)
		if !ok {
			return nil, false, nil
		}
		out, err = invoke(b, name, x, m, a)
	case *Dict:
		m, ok := dictMethod(name)
		if !ok {
			return nil, false, nil
		}
		out, err = invoke(b, name, x, m, a)
	case *List, *Tuple, *Range:
		if name == "copy" {
			_, err = a.Bind(name, "", 0)
			return v, v.TypeName() == "list", err
		}
		m, ok := seqMethod(name)
		if !ok {
			return nil, false, nil
		}
		out, err = invoke(b, name, v, m, a)
	case Float:
		if name != "is_integer" {
			return nil, false, nil
		}
		_, err = a.Bind(name, "", 0)
		out = Bool(x == Float(int64(x)))
	default:
		return nil, false, nil
	}
	return out, true, err
}

func invoke[T Value](b *Budget, name string, self T, m method[T], a Args) (Value, error) {
	args, err := a.Bind(name, m.params, m.required)
	if err != nil {
		return nil, err
	}
	if err := b.Step(1); err != nil {
		return nil, err
	}
	return m.call(b, self, args)
}

func dictMethod(name string) (method[*Dict], bool) {
	view := func(kind string) method[*Dict] {
		return method[*Dict]{"", 0, func(_ *Budget, d *Dict, _ []Value) (Value, error) { return &View{kind, d}, nil }}
	}
	switch name {
	case "get":
		return method[*Dict]{"key default", 1, dictGet}, true
	case "items":
		return view("dict_items"), true
	case "keys":
		return view("dict_keys"), true
	case "values":
		return view("dict_values"), true
	case "copy":
		return method[*Dict]{"", 0, func(_ *Budget, d *Dict, _ []Value) (Value, error) { return d, nil }}, true
	}
	return method[*Dict]{}, false
}

func dictGet(b *Budget, d *Dict, a []Value) (Value, error) {
	k, err := keyOf(b, a[0])
	if err != nil {
		return nil, err
	}
	if v, ok := d.lookup(k); ok {
		return v, nil
	}
	if a[1] != nil {
		return a[1], nil
	}
	return None{}, nil
}

func seqMethod(name string) (method[Value], bool) {
	switch name {
	case "index":
		return method[Value]{"value", 1, seqIndex}, true
	case "count":
		return method[Value]{"value", 1, seqCount}, true
	}
	return method[Value]{}, false
}

func seqIndex(b *Budget, v Value, a []Value) (Value, error) {
	items, err := Iterate(b, v)
	if err != nil {
		return nil, err
	}
	for i, it := range items {
		if err := b.Step(1); err != nil {
			return nil, err
		}
		if eq, err := Equal(b, it, a[0]); err != nil || eq {
			return Int(i), err
		}
	}
	return nil, Fail("the value is not in the ", v.TypeName())
}

func seqCount(b *Budget, v Value, a []Value) (Value, error) {
	items, err := Iterate(b, v)
	if err != nil {
		return nil, err
	}
	n := 0
	for _, it := range items {
		if err := b.Step(1); err != nil {
			return nil, err
		}
		eq, err := Equal(b, it, a[0])
		if err != nil {
			return nil, err
		}
		if eq {
			n++
		}
	}
	return Int(n), nil
}
