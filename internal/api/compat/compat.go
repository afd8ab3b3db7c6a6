// Package compat writes the table of routes as the page that tells what becomes of each call and of each field. It decides
// nothing and knows no dialect.
package compat

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"ashatai/internal/api"
)

const head = `# Compatibility

This page is made from the program; do not edit it. It lists every call that the server answers and every field that a request may
hold.

- **honoured**: the field shapes the answer.
- **refused**: a request with the field is answered with 400 and an error that names it. The values behind "except" ask for
  nothing and pass.
- **ignored**: the field is accepted with any value and has no effect, for the reason beside it.

A field that is not listed is refused too, and so are names in another case, names that are given twice, wrong types and text that is
not UTF-8. ` + "`null`" + ` counts as absent. Parameters of a query that are not listed are not looked at.
`

// Markdown is the page about all dialects.
func Markdown(dialects []api.Dialect) string {
	w := &writer{seen: map[string]string{}}
	_, _ = w.WriteString(head)
	for _, d := range dialects {
		w.dialect(d)
	}
	return w.String()
}

type writer struct {
	strings.Builder

	seen map[string]string // groups of nested fields, with where they stand
}

func (w *writer) line(format string, args ...any) {
	_, _ = fmt.Fprintf(w, format+"\n", args...) // a Builder never fails
}

func (w *writer) dialect(d api.Dialect) {
	title := cmp.Or(d.Title, d.Name)
	w.line("\n## %s", title)
	if d.About != "" {
		w.line("\n%s", d.About)
	}
	w.line("\n| call | |\n| --- | --- |")
	for _, row := range d.Routes {
		w.line("| `%s %s` | %s |", row.Method, row.Path, sentence(row.Summary))
	}
	if len(d.Absent) > 0 {
		w.line("\nNot served; these answer 404, as does everything below them (405 where the path is served for another method):\n\n| path | |\n| --- | --- |")
		for _, a := range d.Absent {
			w.line("| `%s` | %s |", a.Path, sentence(a.Note))
		}
	}
	if len(d.Fields) > 0 {
		w.line("\n### %s: every call\n", title)
		w.fields("every call", d.Fields)
	}
	for _, row := range d.Routes {
		if f := row.AllFields(); len(f) > 0 {
			w.line("\n### %s %s\n", row.Method, row.Path)
			w.fields(row.Method+" "+row.Path, f)
		}
	}
}

// few is how many nested fields are worth repeating.
const few = 4

// fields writes a table. Where the fields below one are those of an earlier table, it says so in their place.
func (w *writer) fields(at string, list api.Fields) {
	w.line("| field | | |\n| --- | --- | --- |")
	told := ""
	for _, f := range list {
		if told != "" && strings.HasPrefix(f.Name, told) {
			continue
		}
		told = ""
		if parent, below := group(f.Name, list); len(below) > few {
			key := fmt.Sprint(strip(below, parent))
			first := w.seen[key]
			if first == "" {
				w.seen[key] = "`" + parent + "*` of `" + at + "`"
			} else if below[0].Name == f.Name {
				told = parent
				w.line("| `%s*` | | As %s. |", parent, first)
				continue
			}
		}
		w.line("| `%s` | %s | %s |", f.Name, state(f), sentence(f.Note))
	}
}

// group is the fields beside one that have the same outermost parent.
func group(name string, list api.Fields) (parent string, below api.Fields) {
	outer, _, nested := strings.Cut(name, ".")
	if !nested {
		return "", nil
	}
	parent = outer + "."
	for _, f := range list {
		if strings.HasPrefix(f.Name, parent) {
			below = append(below, f)
		}
	}
	return parent, below
}

func strip(list api.Fields, parent string) api.Fields {
	out := slices.Clone(list)
	for i := range out {
		out[i].Name = strings.TrimPrefix(out[i].Name, parent)
	}
	return out
}

func state(f api.Field) string {
	s := string(f.Decision)
	if f.In != api.InBody {
		s += " (" + string(f.In) + ")"
	}
	if len(f.Accepts) > 0 {
		s += ", except `" + strings.Join(f.Accepts, "` `") + "`"
	}
	return cell(s)
}

// sentence is a note within a table; those of refused fields have no full stop.
func sentence(s string) string {
	if s == "" {
		return ""
	}
	return cell(strings.TrimSuffix(s, ".") + ".")
}

// cell is a text within a table.
func cell(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(s, "|", `\|`), "\n", " ")
}
