package guide

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"ashatai/internal/core"
)

type entry struct {
	Name   string          `json:"name"`
	Schema json.RawMessage `json:"schema"`
}

// corpus is the schemas that people use, one keyword or one habit each.
func corpus(t *testing.T) []entry {
	t.Helper()
	b, err := os.ReadFile("testdata/schemas.json")
	if err != nil {
		t.Fatal(err)
	}
	var out []entry
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// judge is a schema for the independent validator, with formats asserted.
func judge(t *testing.T, source json.RawMessage) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(string(source)))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestEveryCompletedTextIsValid lets a strange model write under each schema and asks an independent validator.
func TestEveryCompletedTextIsValid(t *testing.T) {
	m, v := maker(t)
	const limit = 512
	rounds := 1
	if os.Getenv("ASHATAI_TEST_SOAK") != "" {
		rounds = 10
	}
	texts, complete := 0, 0
	list := corpus(t)
	if len(list) < 150 {
		t.Fatalf("the corpus has %d schemas", len(list))
	}
	for _, e := range list {
		s := judge(t, e.Schema)
		g := start(t, m, core.FormatSchema, string(e.Schema))
		for seed := range uint64(rounds) {
			c := g.Clone()
			text, done := write(t, c, v, seed, limit)
			c.Close()
			texts++
			if !done {
				continue
			}
			complete++
			x, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
			if err != nil {
				t.Errorf("%s: %q is not JSON: %v", e.Name, text, err)
				continue
			}
			if err := s.Validate(x); err != nil {
				t.Errorf("%s: %s\n%v", e.Name, text, err)
			}
		}
	}
	t.Logf("%d of %d texts of %d schemas are complete within %d tokens", complete, texts, len(list), limit)
	if complete*10 < texts*9 {
		t.Errorf("only %d of %d texts are complete", complete, texts)
	}
}
