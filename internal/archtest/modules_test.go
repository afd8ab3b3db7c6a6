package archtest

import (
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const maxDirectModules = 60

var update = flag.Bool("update", false, "write modules.txt from go.mod")

// TestDirectModules makes a new dependency a visible line: `go test ./internal/archtest -update` writes the list.
func TestDirectModules(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "go", "mod", "edit", "-json")
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var mod struct {
		Require []struct {
			Path     string
			Indirect bool
		}
	}
	if err := json.Unmarshal(out, &mod); err != nil {
		t.Fatal(err)
	}
	var direct []string
	for _, r := range mod.Require {
		if !r.Indirect {
			direct = append(direct, r.Path)
		}
	}
	slices.Sort(direct)
	if *update {
		if err := os.WriteFile("modules.txt", []byte(strings.Join(direct, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile("modules.txt")
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Fields(string(b))
	for _, m := range direct {
		if !slices.Contains(want, m) {
			t.Errorf("go.mod requires %s, which is not in modules.txt: say in RATIONALE.md why it is needed, then run go test ./internal/archtest -update", m)
		}
	}
	for _, m := range want {
		if !slices.Contains(direct, m) {
			t.Errorf("modules.txt lists %s, which go.mod does not require: run go test ./internal/archtest -update", m)
		}
	}
	if len(direct) > maxDirectModules {
		t.Errorf("%d direct modules; at most %d", len(direct), maxDirectModules)
	}
}
