package api_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"ashatai/internal/api"
	"ashatai/internal/api/ops"
	"ashatai/internal/api/v1"
	"ashatai/internal/core"
)

var update = flag.Bool("update", false, "rewrite golden files")

type node struct {
	Name     string            `json:"name" required:"true" doc:"what it is called"`
	Kind     string            `json:"kind" enum:"leaf,branch"`
	Weight   float64           `json:"weight" min:"0" max:"2"`
	Count    uint              `json:"count"`
	Children []node            `json:"children,omitempty"`
	Labels   map[string]string `json:"labels,omitempty"`
	Next     *node             `json:"next"`
	When     time.Time         `json:"when"`
	Raw      json.RawMessage   `json:"raw,omitempty"`
	Data     []byte            `json:"data,omitempty"`
	Wait     v1.Duration       `json:"wait"`
	Any      any               `json:"any,omitempty"`
	Flag     bool              `json:"flag"`
	Inline   struct {
		X int `json:"x"`
	} `json:"inline"`
	Text textual `json:"text"`
	Func func()  `json:"-"`
	Odd  chan int
}

type textual struct{ s string }

func (t *textual) UnmarshalText(b []byte) error { t.s = string(b); return nil }

func sampleDialect() api.Dialect {
	h := func(http.ResponseWriter, *http.Request) error { return nil }
	return api.Dialect{Name: "sample", WriteError: api.WriteError, Routes: []api.Route{
		{
			Method: "POST", Path: "/x/{id...}", Summary: "Does it.", Scope: core.ScopeInfer,
			Request: node{}, Response: node{}, Stream: node{}, Statuses: []int{202, 404}, Handle: h,
		},
		{Method: "GET", Path: "/x/{id...}", Summary: "Reads it.", Scope: core.ScopePublic, Produces: "text/plain", Handle: h, Fields: api.Fields{api.Honours("limit", "How many.")}.In(api.InQuery)},
		{Method: "GET", Path: "/{$}", Summary: "Front.", Handle: h},
	}}
}

func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s differs; run with -update when the change is meant\n%s", path, diff)
	}
}

func TestOpenAPIOfASample(t *testing.T) {
	got, err := api.OpenAPI("1.2.3", []api.Dialect{sampleDialect()})
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/sample.golden.json", got)
	checkOpenAPI(t, got)
}

func ownDialects() []api.Dialect {
	return []api.Dialect{v1.Dialect(v1.Config{}), ops.Dialect(ops.Config{Health: noHealth{}, Metrics: http.NotFoundHandler(), Page: http.NotFoundHandler()})}
}

type noHealth struct{ ops.Health }

func TestOpenAPIOfTheOwnDialects(t *testing.T) {
	got, err := api.OpenAPI("1.2.3", ownDialects())
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/own.golden.json", got)
	checkOpenAPI(t, got)
	again, err := api.OpenAPI("1.2.3", ownDialects())
	if err != nil || !bytes.Equal(got, again) {
		t.Error("the document changes from one call to the next")
	}
}

// meta is what OpenAPI 3.1 demands of the parts that this server uses.
const meta = `{
	"$schema": "https://json-schema.org/draft/2020-12/schema",
	"type": "object", "required": ["openapi", "info", "paths", "components"],
	"properties": {
		"openapi": {"pattern": "^3\\.1\\.\\d+$"},
		"info": {"type": "object", "required": ["title", "version"]},
		"paths": {
			"type": "object", "minProperties": 1,
			"propertyNames": {"pattern": "^/[^?#*]*$"},
			"additionalProperties": {
				"type": "object",
				"propertyNames": {"enum": ["get", "put", "post", "delete", "head", "patch", "options"]},
				"additionalProperties": {"$ref": "#/$defs/operation"}
			}
		},
		"components": {"type": "object", "required": ["schemas", "securitySchemes"], "properties": {
			"schemas": {"type": "object", "propertyNames": {"pattern": "^[a-zA-Z0-9._-]+$"}, "additionalProperties": {"$ref": "https://json-schema.org/draft/2020-12/schema"}}
		}}
	},
	"$defs": {
		"operation": {
			"type": "object", "required": ["operationId", "summary", "responses", "security"],
			"properties": {
				"operationId": {"pattern": "^[A-Za-z0-9_]+$"},
				"parameters": {"type": "array", "items": {
					"type": "object", "required": ["name", "in", "schema"],
					"properties": {"in": {"enum": ["path", "query"]}}, "if": {"properties": {"in": {"const": "path"}}}, "then": {"properties": {"required": {"const": true}}, "required": ["required"]}
				}},
				"requestBody": {"type": "object", "required": ["content"], "properties": {"content": {"$ref": "#/$defs/content"}}},
				"responses": {"type": "object", "required": ["200", "500", "503"], "additionalProperties": {
					"type": "object", "required": ["description"], "properties": {
						"description": {"type": "string", "minLength": 1}, "content": {"$ref": "#/$defs/content"}
					}
				}}
			}
		},
		"content": {"type": "object", "minProperties": 1, "additionalProperties": {
			"type": "object", "required": ["schema"], "properties": {"schema": {"$ref": "https://json-schema.org/draft/2020-12/schema"}}
		}}
	}
}`

// checkOpenAPI holds a document against the meta schema, and checks that references, parameters and ids fit.
func checkOpenAPI(t *testing.T, text []byte) {
	t.Helper()
	compiler := jsonschema.NewCompiler()
	for name, body := range map[string]string{"meta.json": meta, "doc.json": string(text)} {
		v, err := jsonschema.UnmarshalJSON(strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if err := compiler.AddResource(name, v); err != nil {
			t.Fatal(err)
		}
	}
	schema, err := compiler.Compile("meta.json")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(doc); err != nil {
		t.Fatal(err)
	}
	var parsed struct {
		Paths map[string]map[string]struct {
			OperationID string `json:"operationId"` //nolint:tagliatelle // OpenAPI's own name
			Parameters  []struct {
				Name string `json:"name"`
				In   string `json:"in"`
			} `json:"parameters"`
		} `json:"paths"`
		Components struct {
			Schemas map[string]any `json:"schemas"`
		} `json:"components"`
	}
	if err := json.Unmarshal(text, &parsed); err != nil {
		t.Fatal(err)
	}
	for name := range parsed.Components.Schemas {
		if _, err := compiler.Compile("doc.json#/components/schemas/" + name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	seen := map[string]bool{}
	for path, item := range parsed.Paths {
		for method, op := range item {
			if seen[op.OperationID] {
				t.Errorf("%s is the id of two operations", op.OperationID)
			}
			seen[op.OperationID] = true
			n := 0
			for _, p := range op.Parameters {
				if p.In != "path" {
					continue
				}
				n++
				if !strings.Contains(path, "{"+p.Name+"}") {
					t.Errorf("%s %s: no parameter %s", method, path, p.Name)
				}
			}
			if strings.Count(path, "{") != n {
				t.Errorf("%s %s: %d parameters of the path", method, path, n)
			}
		}
	}
}
