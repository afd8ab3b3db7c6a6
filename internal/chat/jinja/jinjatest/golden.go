// Package jinjatest holds the template engine to the answers of Python's jinja2: those checked in as testdata, and fresh
// ones where the machine has a Python. It is test code only, shared by the engine's packages.
package jinjatest

import (
	"bytes"
	_ "embed" // for the answers
	"encoding/json"
	"strings"
	"testing"
	"time"

	"ashatai/internal/chat/jinja"
	"ashatai/internal/chat/jinja/value"
)

// Now is the moment that the oracle shows too.
func Now() time.Time { return time.Date(2024, 7, 9, 5, 4, 3, 12_000_000, time.UTC) }

// Case is a template with its variables as a JSON object.
type Case struct {
	Name     string          `json:"-"`
	Template string          `json:"template"`
	Vars     json.RawMessage `json:"vars,omitempty"`
}

// Answer is what rendering a case gave: text, or an error.
type Answer struct {
	Text  *string `json:"text,omitempty"`
	Error string  `json:"error,omitempty"`
}

// Decode reads JSON with the order of its keys.
func Decode(tb testing.TB, raw []byte) value.Value {
	tb.Helper()
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	return decodeNext(tb, dec)
}

func decodeNext(tb testing.TB, dec *json.Decoder) value.Value {
	tb.Helper()
	tok, err := dec.Token()
	if err != nil {
		tb.Fatal(err)
	}
	switch x := tok.(type) {
	case json.Delim:
		if x == '[' {
			var items []value.Value
			for dec.More() {
				items = append(items, decodeNext(tb, dec))
			}
			_, _ = dec.Token()
			return &value.List{Items: items}
		}
		d := &value.Dict{}
		for dec.More() {
			k, err := dec.Token()
			if err != nil {
				tb.Fatal(err)
			}
			name, _ := k.(string)
			d.PutText(value.Text(name, false), decodeNext(tb, dec))
		}
		_, _ = dec.Token()
		return d
	case string:
		return value.Text(x, false)
	case json.Number:
		if n, err := x.Int64(); err == nil {
			return value.Int(n)
		}
		f, _ := x.Float64()
		return value.Float(f)
	case bool:
		return value.Bool(x)
	}
	return value.None{}
}

// Vars are the variables of a JSON object.
func Vars(tb testing.TB, raw json.RawMessage) map[string]value.Value {
	tb.Helper()
	vars := map[string]value.Value{}
	if len(raw) == 0 {
		return vars
	}
	d, ok := Decode(tb, raw).(*value.Dict)
	if !ok {
		tb.Fatal("the variables are no object")
	}
	for k, v := range d.All() {
		if name, ok := k.(*value.Str); ok {
			vars[name.String()] = v
		}
	}
	return vars
}

// Render renders a case with this engine.
func Render(tb testing.TB, c Case) Answer {
	tb.Helper()
	tpl, err := jinja.Parse(c.Template, jinja.Limits{})
	if err != nil {
		return Answer{Error: err.Error()}
	}
	out, err := tpl.Render(Vars(tb, c.Vars), jinja.Env{Now: Now()})
	if err != nil {
		return Answer{Error: err.Error()}
	}
	s := out.String()
	return Answer{Text: &s}
}

// Compare fails the test where the answers differ; of two errors only what the template itself raised is compared.
func Compare(t *testing.T, name string, want, got Answer) bool {
	t.Helper()
	switch {
	case want.Text == nil && got.Text == nil:
		// What the template itself raises must be the same to the letter; the words of other errors are our own.
		raised, ok := strings.CutPrefix(want.Error, "TemplateError: ")
		if ok && !strings.HasPrefix(got.Error, raised) {
			t.Errorf("%s: got the error %s, want %s", name, got.Error, raised)
			return false
		}
		return true
	case want.Text == nil:
		t.Errorf("%s: got %q, want the error %s", name, clipText(*got.Text), want.Error)
	case got.Text == nil:
		t.Errorf("%s: got the error %s, want %q", name, got.Error, clipText(*want.Text))
	case *want.Text != *got.Text:
		i := 0
		for i < len(*want.Text) && i < len(*got.Text) && (*want.Text)[i] == (*got.Text)[i] {
			i++
		}
		i = max(0, i-30)
		t.Errorf("%s: from byte %d\n got %q\nwant %q", name, i, clipText((*got.Text)[i:]), clipText((*want.Text)[i:]))
	default:
		return true
	}
	return false
}

func clipText(s string) string {
	if len(s) > 300 {
		return strings.ToValidUTF8(s[:300], "") + "…"
	}
	return s
}

// differs are the templates whose answer is another one here, on purpose.
func differs(template string) bool {
	switch template {
	case "{{ 9223372036854775807 + 1 > 0 }}": // numbers end at 64 bits
	case "{{ n.real }}": // numbers have no attributes
	case "{{ (-8) ** 0.5 }}": // no complex numbers
	case "{{ '\\ud83d\\ude00' }}": // two halves of a pair make a character
	case "{{ '{}'.format('inf'|float) }}", "{{ '{:f}'.format('inf'|float) }}", "{{ '{:f}'.format('nan'|float) }}": // a fault of jinja2's compiler
	case "{% for x in l recursive %}a{% endfor %}": // no recursive loops
	default:
		return false
	}
	return true
}

// Row is a template with the answer that Python gave.
type Row struct {
	Template string  `json:"template"`
	Text     *string `json:"text"`
	Error    string  `json:"error"`
}

// answers are what testdata/oracle.py gave: the variables that all rows share, and the rows.
//
//go:embed expressions.json
var answers []byte

// Rows are the checked-in answers, and the variables that all of them share.
func Rows(tb testing.TB) (json.RawMessage, []Row) {
	tb.Helper()
	var file struct {
		Vars json.RawMessage `json:"vars"`
		Rows []Row           `json:"rows"`
	}
	if err := json.Unmarshal(answers, &file); err != nil {
		tb.Fatal(err)
	}
	if len(file.Rows) < 600 {
		tb.Fatalf("only %d golden rows", len(file.Rows))
	}
	return file.Vars, file.Rows
}

// Golden holds the engine to the checked-in answers.
func Golden(t *testing.T) {
	t.Helper()
	vars, rows := Rows(t)
	for _, row := range rows {
		got := Render(t, Case{Template: row.Template, Vars: vars})
		if !differs(row.Template) {
			Compare(t, row.Template, Answer{row.Text, row.Error}, got)
		}
	}
}
