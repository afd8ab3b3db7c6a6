package jinja_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"ashatai/internal/chat/jinja/jinjatest"
)

// TestCorpus renders the chat templates of other people's models, against conversations of many shapes, and wants what
// Python's jinja2 gives. There are no exceptions.
func TestCorpus(t *testing.T) {
	templates := jinjatest.Templates(t)
	raw, err := os.ReadFile(filepath.Join("testdata", "conversations.json"))
	if err != nil {
		t.Fatal(err)
	}
	var conversations map[string]json.RawMessage
	if err := json.Unmarshal(raw, &conversations); err != nil {
		t.Fatal(err)
	}
	if len(conversations) < 12 {
		t.Fatalf("only %d conversations", len(conversations))
	}
	var cases []jinjatest.Case
	for _, name := range slices.Sorted(maps.Keys(templates)) {
		for _, talk := range slices.Sorted(maps.Keys(conversations)) {
			cases = append(cases, jinjatest.Case{Name: name + "/" + talk, Template: templates[name], Vars: conversations[talk]})
		}
	}
	equal, refused := 0, 0
	for i, want := range askPython(t, cases) {
		if jinjatest.Compare(t, cases[i].Name, want, jinjatest.Render(t, cases[i])) {
			equal++
		}
		if want.Text == nil {
			refused++
		}
	}
	// Where both refuse, little is compared; a corpus of which most is refused would show nothing.
	if refused > len(cases)/4 {
		t.Errorf("%d of %d cases are refused", refused, len(cases))
	}
	t.Logf("%d templates, %d cases: %d equal, %d of them refused by both", len(templates), len(cases), equal, refused)
}
