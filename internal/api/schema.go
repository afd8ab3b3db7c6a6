package api

import (
	"encoding/json"
	"maps"
	"path"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Schemaer is a type that describes its own JSON, for those that read or write it themselves. The schema is JSON Schema
// 2020-12 without references.
type Schemaer interface {
	JSONSchema() map[string]any
}

// schemas derives JSON Schemas from Go types and collects the named ones as components. Struct tags add what a type
// cannot say: doc, required:"true", enum:"a,b", min, max.
type schemas struct {
	components map[string]any
	names      map[shape]string
}

// shape tells a type's schema as a request from its schema as an answer: they require different fields.
type shape struct {
	of     reflect.Type
	output bool
}

func newSchemas() *schemas {
	return &schemas{components: map[string]any{}, names: map[shape]string{}}
}

// of is the schema of t. Output types always carry the fields that are not omitempty, so those are required, and null
// where they are pointers; an input's are required only by tag, and null counts as absent.
func (s *schemas) of(t reflect.Type, output bool) map[string]any {
	if own, ok := reflect.TypeAssert[Schemaer](reflect.New(t)); ok {
		return maps.Clone(own.JSONSchema())
	}
	switch t {
	case reflect.TypeFor[time.Time]():
		return map[string]any{"type": "string", "format": "date-time"}
	case reflect.TypeFor[json.RawMessage]():
		return map[string]any{}
	}
	switch t.Kind() { //nolint:exhaustive // the kinds that JSON has; the rest is any value
	case reflect.Pointer:
		return s.of(t.Elem(), output)
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.String:
		return map[string]any{"type": "string"}
	case reflect.Float32, reflect.Float64:
		return map[string]any{"type": "number"}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return map[string]any{"type": "integer"}
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return map[string]any{"type": "integer", "minimum": 0}
	case reflect.Slice, reflect.Array:
		if t.Elem().Kind() == reflect.Uint8 {
			return map[string]any{"type": "string", "contentEncoding": "base64"}
		}
		return map[string]any{"type": "array", "items": s.of(t.Elem(), output)}
	case reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": s.of(t.Elem(), output)}
	case reflect.Struct:
		if readsItself(t) {
			return map[string]any{}
		}
		return s.object(t, output)
	}
	return map[string]any{}
}

func (s *schemas) object(t reflect.Type, output bool) map[string]any {
	if t.Name() == "" {
		return s.properties(t, output)
	}
	key := shape{t, output}
	name, known := s.names[key]
	if !known {
		name = s.name(t, output)
		s.names[key] = name
		s.components[name] = map[string]any{} // ends a recursive type's recursion
		s.components[name] = s.properties(t, output)
	}
	return map[string]any{"$ref": "#/components/schemas/" + name}
}

// name is package_Type, with Input for a request, and a number where two types would share it.
func (s *schemas) name(t reflect.Type, output bool) string {
	base := path.Base(t.PkgPath()) + "_" + strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, t.Name())
	if !output {
		base += "Input"
	}
	name := base
	for i := 2; s.components[name] != nil; i++ {
		name = base + strconv.Itoa(i)
	}
	return name
}

func (s *schemas) properties(t reflect.Type, output bool) map[string]any {
	props, required := map[string]map[string]any{}, []string{}
	for name, f := range jsonFields(t) {
		props[name] = tagged(s.of(f.Type, output), f)
		needed := f.Tag.Get("required") == "true" || output && !strings.Contains(f.Tag.Get("json"), ",omit")
		if needed {
			required = append(required, name)
		}
		if output && needed && f.Type.Kind() == reflect.Pointer || !output && !needed {
			props[name] = orNull(props[name])
		}
	}
	out := map[string]any{"type": "object", "properties": props}
	if len(required) > 0 {
		out["required"] = required
	}
	if !output && !reflect.PointerTo(t).Implements(reflect.TypeFor[Open]()) {
		out["additionalProperties"] = false
	}
	return out
}

// Open marks the type of a request whose handler lets fields pass that the type does not have.
type Open interface{ Open() }

// orNull is the schema of a field that can be null.
func orNull(schema map[string]any) map[string]any {
	if kind, ok := schema["type"].(string); ok && schema["enum"] == nil {
		schema["type"] = []string{kind, "null"}
		return schema
	}
	if kinds, ok := schema["type"].([]string); ok {
		schema["type"] = append(slices.Clone(kinds), "null")
		return schema
	}
	if schema["type"] == nil && schema["$ref"] == nil {
		return schema // any value
	}
	out := map[string]any{"anyOf": []any{schema, map[string]any{"type": "null"}}}
	if doc, ok := schema["description"]; ok {
		out["description"] = doc
		delete(schema, "description")
	}
	return out
}

// tagged adds a field's tags to its schema. Beside a $ref they are allowed since JSON Schema 2019-09.
func tagged(schema map[string]any, f reflect.StructField) map[string]any {
	if doc := f.Tag.Get("doc"); doc != "" {
		schema["description"] = doc
	}
	if enum := f.Tag.Get("enum"); enum != "" {
		schema["enum"] = strings.Split(enum, ",")
	}
	for tag, word := range map[string]string{"min": "minimum", "max": "maximum"} {
		if n, err := strconv.ParseFloat(f.Tag.Get(tag), 64); err == nil {
			schema[word] = n
		}
	}
	return schema
}
