package jsontext

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// PythonArguments is a JSON object as named arguments of a call in Python.
func PythonArguments(object string) string {
	d := json.NewDecoder(strings.NewReader(object))
	d.UseNumber()
	var b strings.Builder
	if _, err := d.Token(); err != nil {
		return ""
	}
	for d.More() {
		key, err := d.Token()
		var v any
		if err != nil || d.Decode(&v) != nil {
			return b.String()
		}
		name, _ := key.(string)
		if b.Len() > 0 {
			b.WriteString(", ")
		}
		b.WriteString(name + "=")
		pythonValue(&b, v)
	}
	return b.String()
}

func pythonValue(b *strings.Builder, v any) {
	switch v := v.(type) {
	case nil:
		b.WriteString("None")
	case bool:
		b.WriteString(map[bool]string{true: "True", false: "False"}[v])
	case string:
		b.WriteString(Quoted(v))
	case json.Number:
		b.WriteString(v.String())
	case []any:
		b.WriteByte('[')
		for i, e := range v {
			if i > 0 {
				b.WriteString(", ")
			}
			pythonValue(b, e)
		}
		b.WriteByte(']')
	case map[string]any:
		b.WriteByte('{')
		for i, k := range slices.Sorted(maps.Keys(v)) {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(Quoted(k) + ": ")
			pythonValue(b, v[k])
		}
		b.WriteByte('}')
	}
}
