// Package fieldtest holds a dialect's tables of fields to its types and to its handlers: what a table says of a field is
// tried with real requests. It knows no dialect.
package fieldtest

import (
	"encoding/json"
	"maps"
	"net/http/httptest"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"ashatai/internal/api"
)

// Case says how the fields of one row are tried.
type Case struct {
	Base    string            // a body that is answered well
	OK      int               // the status of such an answer; 0: 200
	Path    string            // where the row's path has a wildcard
	Samples map[string]string // a value of each honoured field that Base does not have
	Beside  map[string]string // what a field needs beside it: an object with more fields of the body
	Strange map[string]string // a value that a field cannot have, where it can be any object

	// Blocks are the types that stand in raw fields, by the field's name and a dot before their own name.
	Blocks map[string]reflect.Type
	// Whole reports whether a field is a value and not a name, such as the type of a block.
	Whole func(name string) bool
	// Put puts a value into a body and returns the place of the field in it; nil: Put of this package.
	Put func(body map[string]any, name string, value json.RawMessage) (where string)
}

// Send sends a request to the dialect's own rows, and writes errors in its own shape.
type Send func(t *testing.T, method, path, body string) *httptest.ResponseRecorder

// Run tries every row that has a table of fields. Cases are by method and path: "POST /v1/messages".
func Run(t *testing.T, d api.Dialect, cases map[string]Case, send Send) {
	t.Helper()
	for _, row := range d.Routes {
		if row.Fields == nil {
			continue // its fields are those of its type, and all are honoured
		}
		name := row.Method + " " + row.Path
		c, ok := cases[name]
		if !ok {
			t.Errorf("%s has no case", name)
			continue
		}
		if c.OK == 0 {
			c.OK = 200
		}
		if c.Path == "" {
			c.Path = row.Path
		}
		if c.Put == nil {
			c.Put = Put
		}
		t.Run(name, func(t *testing.T) {
			tr := &trial{t: t, c: c, row: row, send: send}
			for _, f := range row.Fields {
				switch f.In {
				case api.InBody:
					tr.field(f)
				case api.InQuery:
					tr.query(f)
				case api.InHeader:
				}
			}
			if row.Request == nil {
				return
			}
			tr.names()
			if code, body, _ := tr.with("wibble", "1"); code != 400 || !strings.Contains(body, "wibble") {
				t.Errorf("an unknown field gives %d %s", code, body)
			}
		})
	}
}

type trial struct {
	t    *testing.T
	c    Case
	row  api.Route
	send Send
}

// names holds the table to the request's type.
func (tr *trial) names() {
	tr.t.Helper()
	var listed []string
	for _, f := range tr.row.Fields {
		if f.Decision != api.Honoured && f.Note == "" {
			tr.t.Errorf("%s: no reason is given", f.Name)
		}
		if f.In == api.InBody && (tr.c.Whole == nil || !tr.c.Whole(f.Name)) {
			listed = append(listed, f.Name)
		}
	}
	have := tr.of(reflect.TypeOf(tr.row.Request), "", listed)
	slices.Sort(listed)
	slices.Sort(have)
	for _, n := range have {
		if !slices.Contains(listed, n) {
			tr.t.Errorf("%s is in the type and not in the table", n)
		}
	}
	for _, n := range listed {
		if !slices.Contains(have, n) {
			tr.t.Errorf("%s is in the table and not in the type", n)
		}
	}
	if len(listed) != len(have) {
		tr.t.Errorf("the table has %d names, the type %d", len(listed), len(have))
	}
}

// of lists the names of a type's fields. It goes into those that the table goes into.
func (tr *trial) of(t reflect.Type, prefix string, listed []string) []string {
	var out []string
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return nil
	}
	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous && name == "" {
			out = append(out, tr.of(f.Type, prefix, listed)...)
			continue
		}
		out = append(out, prefix+name)
		below := prefix + name + "."
		blocks := false
		for at, inner := range tr.c.Blocks {
			if kind, ok := strings.CutPrefix(at, below); ok && !strings.Contains(strings.TrimSuffix(kind, "."), ".") {
				blocks = true
				out = append(out, slices.DeleteFunc(tr.of(inner, at, listed), func(n string) bool {
					return n == at+"type" && !slices.Contains(listed, n) // it stands in the names
				})...)
			}
		}
		if !blocks && slices.ContainsFunc(listed, func(n string) bool { return strings.HasPrefix(n, below) }) {
			out = append(out, tr.of(f.Type, below, listed)...)
		}
	}
	return out
}

// field tries one field: null, every value that is accepted, a strange one, and one that is honoured.
func (tr *trial) field(f api.Field) {
	t := tr.t
	t.Helper()
	whole := tr.c.Whole != nil && tr.c.Whole(f.Name)
	fine := slices.Clone(f.Accepts)
	if f.Decision != api.Honoured && !whole {
		fine = append(fine, "null")
	}
	if f.Decision == api.Honoured {
		sample, given := tr.c.Samples[f.Name]
		switch {
		case given:
			fine = append(fine, sample)
		case !tr.has(f.Name):
			t.Errorf("%s has no sample", f.Name)
		}
	}
	for _, v := range fine {
		if code, body, _ := tr.with(f.Name, v); code != tr.c.OK {
			t.Errorf("%s: %s gives %d %s", f.Name, v, code, body)
		}
	}
	strange := `{"strange":[1]}`
	if s, ok := tr.c.Strange[f.Name]; ok {
		strange = s
	}
	code, body, where := tr.with(f.Name, strange)
	last := where[strings.LastIndexByte(where, '.')+1:]
	switch f.Decision {
	case api.Refused:
		if code != 400 || !strings.Contains(body, where) {
			t.Errorf("%s is refused with %d %s; want %s named", f.Name, code, body, where)
		}
	case api.Ignored:
		if code != tr.c.OK {
			t.Errorf("%s is ignored with %d %s", f.Name, code, body)
		}
	case api.Honoured:
		if code != 400 || !strings.Contains(body, last) && !strings.Contains(body, "strange") {
			t.Errorf("%s: %s gives %d %s; want %s named", f.Name, strange, code, body, last)
		}
	}
}

// query tries a parameter of the query. A strange value that is empty stands for one that takes any.
func (tr *trial) query(f api.Field) {
	t := tr.t
	t.Helper()
	send := func(v string) (int, string) {
		q := url.Values{f.Name: {v}}
		if more, err := url.ParseQuery(tr.c.Beside[f.Name]); err == nil {
			maps.Copy(q, more)
		}
		w := tr.send(t, tr.row.Method, tr.c.Path+"?"+q.Encode(), tr.c.Base)
		return w.Code, w.Body.String()
	}
	fine := slices.Clone(f.Accepts)
	if f.Decision == api.Honoured {
		sample, ok := tr.c.Samples[f.Name]
		if !ok {
			t.Errorf("%s has no sample", f.Name)
		}
		fine = append(fine, sample)
	}
	for _, v := range fine {
		if code, body := send(v); code != tr.c.OK {
			t.Errorf("%s=%s gives %d %s", f.Name, v, code, body)
		}
	}
	strange, given := tr.c.Strange[f.Name]
	if given && strange == "" {
		return
	}
	if strange == "" {
		strange = "wibble"
	}
	if code, body := send(strange); code != 400 || !strings.Contains(body, f.Name) {
		t.Errorf("%s=%s gives %d %s", f.Name, strange, code, body)
	}
}

// has reports whether the base has a field.
func (tr *trial) has(name string) bool {
	var at any
	if json.Unmarshal([]byte(tr.c.Base), &at) != nil {
		return false
	}
	for part := range strings.SplitSeq(name, ".") {
		if list, ok := at.([]any); ok && len(list) > 0 {
			at = list[0]
		}
		object, ok := at.(map[string]any)
		if !ok {
			return false
		}
		if at, ok = object[part]; !ok {
			return false
		}
	}
	return true
}

// with sends the base with one more field.
func (tr *trial) with(name, value string) (code int, body, where string) {
	tr.t.Helper()
	var all map[string]any
	if err := json.Unmarshal([]byte(tr.c.Base), &all); err != nil {
		tr.t.Fatal(err)
	}
	outer, _, _ := strings.Cut(name, ".")
	for _, n := range []string{outer, name} {
		if more := tr.c.Beside[n]; more != "" {
			if err := json.Unmarshal([]byte(more), &all); err != nil {
				tr.t.Fatal(err)
			}
		}
	}
	where = tr.c.Put(all, name, json.RawMessage(value))
	text, err := json.Marshal(all)
	if err != nil {
		tr.t.Fatal(err)
	}
	w := tr.send(tr.t, tr.row.Method, tr.c.Path, string(text))
	return w.Code, w.Body.String(), where
}

// Put puts a value into a body: into the first entry where the body has a list, else into an object of its own.
func Put(body map[string]any, name string, value json.RawMessage) (where string) {
	outer, inner, nested := strings.Cut(name, ".")
	if !nested {
		body[outer] = value
		return name
	}
	switch in := body[outer].(type) {
	case []any:
		if first, ok := in[0].(map[string]any); ok {
			return outer + "." + strconv.Itoa(0) + "." + Put(first, inner, value)
		}
	case map[string]any:
		return outer + "." + Put(in, inner, value)
	}
	object := map[string]any{}
	body[outer] = object
	return outer + "." + Put(object, inner, value)
}
