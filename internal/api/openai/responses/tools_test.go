package responses

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ashatai/internal/core"
)

// TestNamespaces: the model sees a function of a namespace under one name, and its calls come back with both; a search of the web, which
// Codex sends along, is not offered.
func TestNamespaces(t *testing.T) {
	f := open(t)
	f.events = play(
		core.Event{ToolCall: &core.ToolDelta{ID: "c", Name: "agents__stop"}}, core.Event{ToolCall: &core.ToolDelta{Arguments: `{"x":1}`}},
		core.Event{ToolCall: &core.ToolDelta{Index: 1, ID: "d", Name: "other__stop", Arguments: "{}"}}, core.Event{Finish: core.FinishTools}, usageEvent(),
	)
	const tools = `"tools":[{"type":"namespace","name":"agents","description":"all","tools":[{"type":"function","name":"stop"}]},` +
		`{"type":"function","name":"other__stop"},{"type":"web_search","external_web_access":false}],"client_metadata":{"a":"b"}`
	a := f.make1(t, `{"input":"a",`+tools+`}`)
	want := []core.Tool{{Name: "agents__stop"}, {Name: "other__stop"}}
	if diff := cmp.Diff(want, f.last().Tools); diff != "" {
		t.Error(diff)
	}
	var calls []call
	for _, raw := range a.Output {
		var c call
		if err := json.Unmarshal(raw, &c); err != nil {
			t.Fatal(err)
		}
		c.ID = ""
		calls = append(calls, c)
	}
	if diff := cmp.Diff([]call{
		{Type: typeCall, Status: completed, CallID: "c", Name: "stop", Namespace: "agents", Arguments: `{"x":1}`},
		{Type: typeCall, Status: completed, CallID: "d", Name: "other__stop", Arguments: "{}"},
	}, calls); diff != "" {
		t.Error(diff)
	}
	shown, err := json.Marshal(a.Tools)
	if err != nil || strings.Contains(string(shown), "web_search") || !strings.Contains(string(shown), `"name":"agents","description":"all","tools":[{"type":"function","name":"stop","description":null,"parameters":null,"strict":false}]`) {
		t.Errorf("%s, %v", shown, err)
	}
	// The whole name is held to what names may be.
	for _, space := range []string{"a b", strings.Repeat("x", core.MaxToolNameBytes-4)} {
		w := f.call(t, "POST", "/v1/responses", `{"input":"a","tools":[{"type":"namespace","name":"`+space+`","tools":[{"type":"function","name":"stop"}]}]}`)
		if got := w.Header().Get("X-Param"); w.Code != 400 || got != "tools.0.tools.0.name" {
			t.Errorf("%s: %d %q %s", space, w.Code, got, w.Body)
		}
	}
	// The calls go back as they came.
	f.events = hello()
	f.make1(t, `{"input":[{"role":"user","content":"a"},{"type":"function_call","call_id":"c","namespace":"agents","name":"stop","arguments":"{}"},`+
		`{"type":"function_call_output","call_id":"c","output":"r"}],`+tools+`}`)
	if m := f.last().Messages; len(m) != 3 || m[1].ToolCalls[0].Name != "agents__stop" || m[2].Name != "agents__stop" {
		t.Errorf("%+v", m)
	}
}
