package reply

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ashatai/internal/core"
)

// demands are the ways in which answers are constrained.
func demands() map[string]Demand {
	strict := tools()
	strict[0].Strict = true
	return map[string]Demand{
		"required":        {Tools: tools(), Exact: true},
		"named":           {Tools: tools()[:1], Exact: true, Single: true},
		"strict":          {Tools: strict, Free: true},
		"strict single":   {Tools: strict, Free: true, Single: true},
		"answer":          {Answer: `{"type":"object"}`, Thinks: true},
		"answer or call":  {Tools: tools(), Answer: `{"type":"object","properties":{"a":{"const":1}},"required":["a"]}`},
		"thinks required": {Tools: tools(), Exact: true, Thinks: true},
		"opened required": {Tools: tools(), Exact: true, Thinks: true, Opened: true},
		"thinks strict":   {Tools: strict, Free: true, Thinks: true},
	}
}

// TestGrammars looks at what can be seen without the library that reads them. Where the environment names a folder, the
// grammars are written there for that library to try.
func TestGrammars(t *testing.T) {
	t.Parallel()
	for _, s := range allSamples() {
		for name, d := range demands() {
			for _, tokens := range []bool{false, true} {
				markers := s.form.Markers(true)
				d.Token = func(marker string) (int, bool) { return 300 + slices.Index(markers, marker), tokens }
				g := s.form.Grammar(d)
				if !strings.HasPrefix(g, "start: ") {
					t.Errorf("%s, %s: no start rule in %s", s.name, name, g)
				}
				if named := strings.Contains(g, "weather"); named != (len(d.Tools) > 0) {
					t.Errorf("%s, %s: %s", s.name, name, g)
				}
				if dir := os.Getenv("ASHATAI_TEST_GRAMMARS"); dir != "" {
					b, err := json.Marshal(map[string]any{"sample": s.name, "demand": name, "tokens": tokens, "markers": markers, "text": s.in, "want": s.want, "grammar": g})
					if err != nil {
						t.Fatal(err)
					}
					file := strings.NewReplacer(" ", "_", "/", "_").Replace(s.name + "-" + name)
					if tokens {
						file += "-tokens"
					}
					if err := os.WriteFile(filepath.Join(dir, file+".json"), b, 0o600); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
	}
}

func TestHermesGrammar(t *testing.T) {
	t.Parallel()
	d := Demand{Tools: []core.Tool{{Name: "f", Parameters: json.RawMessage(`{"properties":{"a":{}},"x-guidance":{"lenient":true}}`)}}, Exact: true}
	d.Token = func(string) (int, bool) { return 0, false }
	want := `start: body
body: calls
calls: "<tool_call>" call ("\n" "<tool_call>" call)*
call: call_0
call_0: "\n{\"name\": \"f\", \"arguments\": " %json {"properties":{"a":{}},"type":"object","x-guidance":{"item_separator":", ","key_separator":": ","whitespace_flexible":false}} "}\n" "</tool_call>"
`
	if got := Plain().Grammar(d); got != want {
		t.Errorf("got %s want %s", got, want)
	}
}
