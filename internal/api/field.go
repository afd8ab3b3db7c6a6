package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

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

// Place is where a field stands in a request.
type Place string

// The places.
const (
	InBody   Place = ""
	InQuery  Place = "query"
	InHeader Place = "header"
)

// Field is one field of a request and what becomes of it. A nested field's name has its parent's before a dot. Null counts
// as absent everywhere, and a field of the body that is not listed is refused.
type Field struct {
	Name     string
	In       Place
	Decision Decision
	Accepts  []string // compact JSON values of a refused field that ask for nothing, and so pass
	Note     string
}

// Honours is a field that shapes the answer.
func Honours(name, note string) Field { return Field{Name: name, Decision: Honoured, Note: note} }

// Ignores is a field that is accepted and has no effect; the note says why.
func Ignores(name, note string) Field { return Field{Name: name, Decision: Ignored, Note: note} }

// Refuses is a field whose presence is a 400, unless its value is one of accepts; the note says why.
func Refuses(name, note string, accepts ...string) Field {
	return Field{Name: name, Decision: Refused, Note: note, Accepts: accepts}
}

// Fields are what a request may hold, in the order of the documentation.
type Fields []Field

// In is the fields at another place than the body.
func (f Fields) In(p Place) Fields {
	out := slices.Clone(f)
	for i := range out {
		out[i].In = p
	}
	return out
}

// Under is the fields as those of the object name, which is one itself.
func (f Fields) Under(name string) Fields {
	out := slices.Clone(f)
	for i := range out {
		out[i].Name = name + "." + out[i].Name
	}
	return out
}

// Table finds the fields of a body by their names.
func (f Fields) Table() Table {
	t := Table{}
	for _, one := range f {
		if one.In == InBody {
			t[one.Name] = one
		}
	}
	return t
}

// Table finds a field by its name.
type Table map[string]Field

// Screen looks at the raw fields of the struct v, those of embedded structs too, whose names begin with prefix in the table,
// and refuses the first one that the table refuses. where is put before the name in the error: "messages.0." for
// "messages.".
func (t Table) Screen(prefix, where string, v any) error {
	return t.screen(prefix, where, reflect.ValueOf(v))
}

func (t Table) screen(prefix, where string, v reflect.Value) error {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if f.Anonymous && f.Type.Kind() == reflect.Struct {
			if err := t.screen(prefix, where, v.Field(i)); err != nil {
				return err
			}
			continue
		}
		value, ok := reflect.TypeAssert[json.RawMessage](v.Field(i))
		if !ok || !Present(value) {
			continue
		}
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		row := t[prefix+name]
		if row.Decision == Refused && !slices.Contains(row.Accepts, Compact(value)) {
			return row.Refuse(where + name)
		}
	}
	return nil
}

// Refuse is the error for a refused field, which the request calls name.
func (f Field) Refuse(name string) *core.Error {
	except := " Leave it out."
	if len(f.Accepts) > 0 {
		except = " Leave it out, or send " + strings.Join(f.Accepts, " or ") + "."
	}
	return core.Invalid(name, "%s is not supported with this value. %s.%s", name, strings.TrimSuffix(f.Note, "."), except)
}

// Present reports whether a raw field was given; null counts as absent.
func Present(v json.RawMessage) bool { return len(v) > 0 && string(v) != "null" }

// Compact is a JSON value without the spaces between its parts.
func Compact(v json.RawMessage) string {
	var b bytes.Buffer
	if json.Compact(&b, v) != nil {
		return string(v)
	}
	return b.String()
}

// maxShown is how many characters of a caller's text an error repeats.
const maxShown = 64

// Show quotes a caller's text for a message and cuts it where it is long.
func Show(s string) string {
	if r := []rune(s); len(r) > maxShown {
		s = string(r[:maxShown]) + "…"
	}
	return fmt.Sprintf("%q", s)
}

// AllFields are the fields of a row: those of its table, or all that its request's type has, honoured.
func (row Route) AllFields() Fields {
	if row.Fields != nil || row.Request == nil {
		return row.Fields
	}
	t := reflect.TypeOf(row.Request)
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return nil
	}
	var out Fields
	for name, f := range jsonFields(t) {
		out = append(out, Honours(name, sentence(f.Tag.Get("doc"))))
	}
	return out
}

// sentence writes a schema's description as a note.
func sentence(s string) string {
	first, size := utf8.DecodeRuneInString(s)
	if size == 0 {
		return ""
	}
	return string(unicode.ToUpper(first)) + s[size:] + "."
}
