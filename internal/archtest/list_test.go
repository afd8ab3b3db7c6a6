package archtest

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
)

const prefix = "ashatai/internal/"

// pkg is what `go list` says of one package.
type pkg struct {
	ImportPath   string
	Dir          string
	Doc          string
	GoFiles      []string
	TestGoFiles  []string
	XTestGoFiles []string
	IgnoredFiles []string `json:"IgnoredGoFiles"` // built on another system
	Imports      []string
	Deps         []string
	Standard     bool
}

// sources are the package's files on every system, without tests.
func (p pkg) sources() []string {
	var out []string
	for _, f := range append(append([]string(nil), p.GoFiles...), p.IgnoredFiles...) {
		if !strings.HasSuffix(f, "_test.go") {
			out = append(out, f)
		}
	}
	return out
}

// list runs `go list` for one system, so that files of other systems are seen as well.
func list(t *testing.T, goos string, patterns ...string) []pkg {
	t.Helper()
	args := append([]string{"list", "-e", "-json=ImportPath,Dir,Doc,GoFiles,TestGoFiles,XTestGoFiles,IgnoredGoFiles,Imports,Deps,Standard"}, patterns...)
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Env = append(cmd.Environ(), "GOOS="+goos, "CGO_ENABLED=0")
	cmd.Dir = "../.."
	var msg strings.Builder
	cmd.Stderr = &msg
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v: %s", err, msg.String())
	}
	var ps []pkg
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			return ps
		}
		if err != nil {
			t.Fatal(err)
		}
		ps = append(ps, p)
	}
}

// systems are those that the product is built for.
func systems() []string { return []string{"linux", "darwin", "windows"} }
