package api

import (
	"encoding"
	"iter"
	"reflect"
	"strings"
)

//nolint:gochecknoglobals // a type, computed once
var textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()

// jsonFields yields the fields that encoding/json would use for a struct, with their JSON names, in order. Embedded
// structs without a name are flattened.
func jsonFields(t reflect.Type) iter.Seq2[string, reflect.StructField] {
	return func(yield func(string, reflect.StructField) bool) { walkFields(t, yield) }
}

func walkFields(t reflect.Type, yield func(string, reflect.StructField) bool) bool {
	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Tag.Get("json") == "-" {
			continue
		}
		if inner := f.Type; f.Anonymous && name == "" {
			if inner.Kind() == reflect.Pointer {
				inner = inner.Elem()
			}
			if inner.Kind() == reflect.Struct {
				if !walkFields(inner, yield) {
					return false
				}
				continue
			}
		}
		if !f.IsExported() {
			continue
		}
		if name == "" {
			name = f.Name
		}
		if !yield(name, f) {
			return false
		}
	}
	return true
}
