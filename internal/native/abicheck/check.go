package abicheck

import (
	"fmt"
	"reflect"
)

// Functions compares the fields of a struct of Go functions, each tagged `c:"name"`, with the prototypes in the headers.
// structs maps C struct names to the Go types that mirror them. It returns one sentence per difference.
func (h *Headers) Functions(fns reflect.Type, structs map[string]reflect.Type) []string {
	var out []string
	for f := range fns.Fields() {
		name := f.Tag.Get("c")
		result, params, err := h.prototype(name)
		if err != nil {
			out = append(out, err.Error())
			continue
		}
		if f.Type.NumIn() != len(params) {
			out = append(out, fmt.Sprintf("%s: bound with %d parameters, declared with %d", name, f.Type.NumIn(), len(params)))
			continue
		}
		for k, p := range params {
			if msg := differs(f.Type.In(k), p, structs); msg != "" {
				out = append(out, fmt.Sprintf("%s: parameter %d is %s", name, k, msg))
			}
		}
		switch {
		case f.Type.NumOut() == 0 && result.kind != kindVoid:
			// A result that is not looked at is safe in every calling convention, unless it is a struct in memory.
			if result.strct != "" {
				out = append(out, name+": the struct it returns is not bound")
			}
		case f.Type.NumOut() == 1:
			if msg := differs(f.Type.Out(0), result, structs); msg != "" {
				out = append(out, fmt.Sprintf("%s: result is %s", name, msg))
			}
		}
	}
	return out
}

func times(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(" × %d", n)
}

// differs says how a Go type and a C type disagree; "" when they travel alike.
func differs(g reflect.Type, c cType, structs map[string]reflect.Type) string {
	if c.strct != "" {
		if structs[c.strct] != g {
			return fmt.Sprintf("bound as %s, declared as %s", g, c)
		}
		return ""
	}
	if want := kindOf(g); want != c.kind {
		return fmt.Sprintf("bound as %s (%s), declared as %s", g, want, c)
	}
	return ""
}

// kindOf is how a Go type travels through the calling convention.
func kindOf(g reflect.Type) kind {
	switch g.Kind() { //nolint:exhaustive // every other kind cannot cross the border and is reported by its name
	case reflect.Bool:
		return kindBool
	case reflect.Int8, reflect.Uint8:
		return kindI8
	case reflect.Int16, reflect.Uint16:
		return kindI16
	case reflect.Int32:
		return kindI32
	case reflect.Uint32:
		return kindU32
	case reflect.Int64:
		return kindI64
	case reflect.Uint64:
		return kindU64
	case reflect.Float32:
		return kindFloat
	case reflect.Float64:
		return kindDouble
	case reflect.Uintptr, reflect.Pointer, reflect.UnsafePointer, reflect.String:
		return kindPointer
	}
	return kind("a Go " + g.Kind().String())
}

// Structs compares the layout of each Go type with the C struct of that name. Blank fields are padding.
func (h *Headers) Structs(structs map[string]reflect.Type) []string {
	var out []string
	for name, g := range structs {
		want, size, err := h.layout(name)
		if err != nil {
			out = append(out, err.Error())
			continue
		}
		if g.Size() != size {
			out = append(out, fmt.Sprintf("struct %s: mirrored with %d bytes, declared with %d", name, g.Size(), size))
		}
		var have []reflect.StructField
		for f := range g.Fields() {
			if f.Name != "_" {
				have = append(have, f)
			}
		}
		if len(have) != len(want) {
			out = append(out, fmt.Sprintf("struct %s: mirrored with %d members, declared with %d", name, len(have), len(want)))
			continue
		}
		for i, w := range want {
			f, typ, many := have[i], have[i].Type, 0
			if typ.Kind() == reflect.Array {
				typ, many = typ.Elem(), typ.Len()
			}
			if f.Offset != w.offset || differs(typ, w.t, structs) != "" || many != w.many {
				out = append(out, fmt.Sprintf("struct %s: %s is a %s%s at offset %d, declared is %s, a %s%s at %d",
					name, f.Name, kindOf(typ), times(many), f.Offset, w.name, w.t, times(w.many), w.offset))
			}
		}
	}
	return out
}
