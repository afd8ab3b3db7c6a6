package lark

import (
	"encoding/json"
	"testing"

	"ashatai/internal/core"
)

// A model that is free to add arguments makes some up; a schema that combines others may name more than its top shows.
func TestArgumentsAreThoseThatTheSchemaNames(t *testing.T) {
	t.Parallel()
	for schema, want := range map[string]string{
		`{}`: `false`,
		`{"type":"object","properties":{"a":{"type":"string"}},"required":["a"]}`: `false`,
		`{"properties":{},"additionalProperties":true}`:                           `true`,
		`{"properties":{},"additionalProperties":{"type":"number"}}`:              `{"type":"number"}`,
		`{"allOf":[{"properties":{"a":{}}}]}`:                                     ``,
		`{"$ref":"#/$defs/x","$defs":{"x":{}}}`:                                   ``,
	} {
		g := Grammar{Demand: Demand{Exact: true}}
		var got struct {
			Additional json.RawMessage `json:"additionalProperties"` //nolint:tagliatelle // JSON Schema's own name
		}
		if err := json.Unmarshal([]byte(g.schema(core.Tool{Name: "f", Parameters: json.RawMessage(schema)})), &got); err != nil {
			t.Fatal(err)
		}
		if string(got.Additional) != want {
			t.Errorf("%s: additionalProperties is %s, not %s", schema, got.Additional, want)
		}
	}
}
