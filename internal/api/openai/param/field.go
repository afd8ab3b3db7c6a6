package param

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"strings"

	"ashatai/internal/core"
)

// Decision says what the server does with a field of a request.
type Decision string

// The decisions.
const (
	Honoured Decision = "honoured" // it shapes the answer
	Refused  Decision = "refused"  // 400 that names the field, except for the values in Accepts
	Ignored  Decision = "ignored"  // accepted with any value and without effect
)

// Field is one field of one endpoint's request and what becomes of it. A nested field's name has its parent's before a
// dot. Null counts as absent everywhere, and a field that is not listed is refused.
type Field struct {
	Endpoint string
	Name     string
	Decision Decision
	Accepts  []string // compact JSON values of a refused field that ask for nothing, and so pass
	Note     string
}

// At returns a maker of an endpoint's fields, whose arguments are a Field's in order.
func At(endpoint string) func(name string, d Decision, accepts []string, note string) Field {
	return func(name string, d Decision, accepts []string, note string) Field {
		return Field{Endpoint: endpoint, Name: name, Decision: d, Accepts: accepts, Note: note}
	}
}

// Table finds a field by its endpoint and name.
type Table map[[2]string]Field

// NewTable makes a table of a list.
func NewTable(fields []Field) Table {
	t := Table{}
	for _, f := range fields {
		t[[2]string{f.Endpoint, f.Name}] = f
	}
	return t
}

// Screen looks at the raw fields of the struct v, whose names begin with prefix in the table, and refuses the first one
// that the table refuses. where is put before the name in the error.
func (t Table) Screen(endpoint, prefix, where string, v any) error {
	rv := reflect.ValueOf(v)
	for i := range rv.NumField() {
		value, ok := reflect.TypeAssert[json.RawMessage](rv.Field(i))
		if !ok || !Present(value) {
			continue
		}
		name, _, _ := strings.Cut(rv.Type().Field(i).Tag.Get("json"), ",")
		f := t[[2]string{endpoint, prefix + name}]
		if f.Decision == Refused && !slices.Contains(f.Accepts, compact(value)) {
			return Refuse(where+name, f)
		}
	}
	return nil
}

// Refuse is the error for a field that the table refuses.
func Refuse(name string, f Field) *core.Error {
	except := " Leave it out."
	if len(f.Accepts) > 0 {
		except = " Leave it out, or send " + strings.Join(f.Accepts, " or ") + "."
	}
	return core.Invalid(name, "%s is not supported with this value. %s.%s", name, strings.TrimSuffix(f.Note, "."), except)
}

// Present reports whether a raw field was given; null counts as absent.
func Present(v json.RawMessage) bool { return len(v) > 0 && string(v) != "null" }

func compact(v json.RawMessage) string {
	var b bytes.Buffer
	if json.Compact(&b, v) != nil {
		return string(v)
	}
	return b.String()
}
