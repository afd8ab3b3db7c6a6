package config

import (
	"bytes"
	"flag"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

var update = flag.Bool("update", false, "rewrite docs/settings.md")

func TestDocIsCurrent(t *testing.T) {
	const path = "../../docs/settings.md"
	if *update {
		if err := os.WriteFile(path, []byte(Doc()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(have), Doc()); diff != "" {
		t.Errorf("docs/settings.md is not what the program says; run go test ./internal/config -update\n%s", diff)
	}
}

func TestDocNamesEverySetting(t *testing.T) {
	doc := Doc()
	walk(reflect.TypeFor[Settings](), "", func(path string, f reflect.StructField) {
		if f.Tag.Get("doc") == "" {
			t.Errorf("%s has no doc", path)
		}
		if k := f.Type.Kind(); k != reflect.Struct && k != reflect.Map && !strings.Contains(doc, "| `"+path+"` |") {
			t.Errorf("the page lacks %s", path)
		}
	})
}

func TestEveryNumberIsBounded(t *testing.T) {
	walk(reflect.TypeFor[Settings](), "", func(path string, f reflect.StructField) {
		switch valueType(f).Kind() { //nolint:exhaustive // the numbers among the settings
		case reflect.Int, reflect.Int64, reflect.Float64:
			if f.Tag.Get("min") == "" || f.Tag.Get("max") == "" {
				t.Errorf("%s has no bounds", path)
			}
			// The bounds themselves must parse, or every value would be refused.
			v := reflect.New(valueType(f)).Elem()
			for _, b := range []string{"min", "max"} {
				if err := setScalar(v, f, f.Tag.Get(b)); err != nil {
					t.Errorf("%s: %v", path, err)
				}
				if err := checkBounds(v, f); err != nil {
					t.Errorf("%s: its own %s is refused: %v", path, b, err)
				}
			}
		}
	})
}

func TestSchema(t *testing.T) {
	text, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("settings.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("settings.json")
	if err != nil {
		t.Fatal(err)
	}
	examples := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindStringSubmatch(Doc())
	for _, good := range []string{full, examples[1]} {
		var v any
		if err := yaml.Unmarshal([]byte(good), &v); err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(v); err != nil {
			t.Errorf("the schema refuses what the server reads: %v", err)
		}
		mustLoad(t, map[string]string{"ashatai.yaml": good}, nil, nil)
	}
	for _, bad := range []string{"servr: {}", "engine: {context: 1}", "logs: {level: loud}", "models: {m: {ctx: 1}}"} {
		var v any
		if err := yaml.Unmarshal([]byte(bad), &v); err != nil {
			t.Fatal(err)
		}
		if schema.Validate(v) == nil {
			t.Errorf("the schema takes %s", bad)
		}
	}
}
