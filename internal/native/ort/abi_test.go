package ort

import (
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// TestBindingsMatchTheDeclaration audits every bound function: its place in the table, its name and how many arguments it has.
func TestBindingsMatchTheDeclaration(t *testing.T) {
	path := os.Getenv("ASHATAI_TEST_ORT_HEADER")
	if path == "" {
		t.Skip("ASHATAI_TEST_ORT_HEADER is not set; make test sets it where cargo is installed")
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	table := declared(t, string(b))
	if len(table) < 300 {
		t.Fatalf("%d functions were found", len(table))
	}
	typ := reflect.TypeFor[functions]()
	for f := range typ.Fields() {
		var place int
		var name string
		if _, err := fmt.Sscanf(strings.Replace(f.Tag.Get("ort"), ",", " ", 1), "%d %s", &place, &name); err != nil {
			t.Errorf("%s: %v", f.Name, err)
			continue
		}
		if place >= len(table) || table[place].name != name {
			t.Errorf("%s is bound at %d, where %v is", name, place, table[min(place, len(table)-1)])
			continue
		}
		if table[place].arguments != f.Type.NumIn() {
			t.Errorf("%s has %d arguments, bound with %d", name, table[place].arguments, f.Type.NumIn())
		}
		if want := table[place].status; want && (f.Type.NumOut() != 1 || f.Type.Out(0) != reflect.TypeFor[status]()) {
			t.Errorf("%s gives a status", name)
		}
	}
}

type declaration struct {
	name      string
	arguments int
	status    bool
}

// declared reads the table in order. Entries that are for browsers alone stand twice and are skipped.
func declared(t *testing.T, source string) []declaration {
	t.Helper()
	_, body, ok := strings.Cut(source, "pub struct OrtApi {")
	if !ok {
		t.Fatal("the table is not there")
	}
	body, _, _ = strings.Cut(body, "\n}")
	body = regexp.MustCompile(`//[^\n]*|#\[cfg\([^\n]*\)\]|#\[doc[^\n]*`).ReplaceAllString(body, "")
	var table []declaration
	for _, entry := range strings.Split(body, "pub ")[1:] {
		name, typ, _ := strings.Cut(entry, ":")
		typ = strings.Join(strings.Fields(typ), " ")
		if strings.Contains(typ, "unsafe fn(") { // not `unsafe extern "system" fn(`
			continue
		}
		_, arguments, _ := strings.Cut(typ, "fn(")
		arguments = regexp.MustCompile(`fn\([^)]*\)`).ReplaceAllString(arguments, "fn")
		inner, result, _ := strings.Cut(arguments, ")")
		n := len(strings.Split(strings.Trim(strings.TrimSpace(inner), ","), ","))
		if strings.TrimSpace(inner) == "" {
			n = 0
		}
		table = append(table, declaration{name: name, arguments: n, status: strings.Contains(result, "OrtStatusPtr")})
	}
	return table
}
