package api

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ashatai/internal/core"
)

func TestScreen(t *testing.T) {
	type inner struct {
		C json.RawMessage `json:"c"`
	}
	type fields struct {
		inner

		A json.RawMessage `json:"a,omitempty"`
		B json.RawMessage `json:"b"`
		D int             `json:"d"`
	}
	table := Fields{Refuses("x.a", "No a.", `{"off":true}`), Ignores("x.b", "No matter."), Refuses("x.c", "No c"), Refuses("x.d", "Not raw.")}.Table()
	for a, ok := range map[string]bool{``: true, `null`: true, `{"off": true}`: true, `{"off":false}`: false, `1`: false} {
		err := table.Screen("x.", "place.", fields{A: json.RawMessage(a), B: json.RawMessage("7"), D: 3})
		if (err == nil) != ok || err != nil && core.AsError(err).Param != "place.a" {
			t.Errorf("%q: %v", a, err)
		}
	}
	err := table.Screen("x.", "", fields{inner: inner{json.RawMessage("1")}})
	if want := "c is not supported with this value. No c. Leave it out."; core.AsError(err) == nil || core.AsError(err).Message != want {
		t.Error(err)
	}
	err = table.Screen("x.", "", fields{A: json.RawMessage("[1")})
	if want := `a is not supported with this value. No a. Leave it out, or send {"off":true}.`; core.AsError(err) == nil || core.AsError(err).Message != want {
		t.Error(err)
	}
}

func TestFieldsOfARow(t *testing.T) {
	type request struct {
		One string `json:"one" doc:"être"`
		Two int    `json:"two,omitempty"`
	}
	want := Fields{Honours("one", "Être."), Honours("two", "")}
	for _, r := range []any{request{}, &request{}} {
		if d := cmp.Diff(want, Route{Request: r}.AllFields()); d != "" {
			t.Error(d)
		}
	}
	own := Fields{Ignores("x", "So.")}
	if d := cmp.Diff(own, Route{Request: request{}, Fields: own}.AllFields()); d != "" {
		t.Error(d)
	}
	if got := (Route{Request: ""}).AllFields(); got != nil {
		t.Error(got)
	}
	moved := append(own.Under("o"), own.In(InQuery)...)
	if d := cmp.Diff(Fields{{Name: "o.x", Decision: Ignored, Note: "So."}, {Name: "x", In: InQuery, Decision: Ignored, Note: "So."}}, moved); d != "" {
		t.Error(d)
	}
	if table := moved.Table(); len(table) != 1 || table["o.x"].Note != "So." {
		t.Error(table)
	}
}

func TestShow(t *testing.T) {
	if got := Show(strings.Repeat("é", 100)); got != `"`+strings.Repeat("é", 64)+`…"` {
		t.Error(got)
	}
}
