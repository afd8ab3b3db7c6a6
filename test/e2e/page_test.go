package e2e_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestPage drives the chat page in Chromium; the checks are in page.mjs.
func TestPage(t *testing.T) {
	chromium := given(t, "ASHATAI_TEST_CHROMIUM")
	if _, err := os.Stat(given(t, "ASHATAI_TEST_NODE_MODULES")); err != nil {
		t.Fatalf("the browser driver is not installed (%v); run make setup-test", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", "page.mjs")
	cmd.Env = append(cmd.Environ(), "ASHATAI_SERVER="+site(t), "ASHATAI_TEST_CHROMIUM="+chromium)
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Errorf("page.mjs: %v", err)
	}
	if !strings.Contains(string(out), "passed, 0 failed") {
		t.Error("not every check ran")
	}
}

// TestREADME runs each example of the README against a real server, as a reader would type it. A block that has a
// comment `<!-- prints: REGEXP -->` before it is an example.
func TestREADME(t *testing.T) {
	b, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	found := examples(string(b))
	if len(found) < 3 {
		t.Fatalf("README.md has %d examples; at least 3 are promised", len(found))
	}
	bin, python := given(t, "ASHATAI_TEST_BIN"), given(t, "ASHATAI_TEST_PYTHON")
	addr := site(t)
	for _, e := range found {
		t.Run(e.language, func(t *testing.T) { e.run(t, addr, bin, python) })
	}
}

// run carries out one example; only the address of the server is another than the README's.
func (e example) run(t *testing.T, addr, bin, python string) {
	t.Helper()
	code := strings.ReplaceAll(e.code, "http://127.0.0.1:7077", addr)
	var cmd *exec.Cmd
	switch e.language {
	case "sh":
		cmd = exec.CommandContext(t.Context(), "bash", "-e", "-o", "pipefail", "-c", code)
	case "python":
		cmd = exec.CommandContext(t.Context(), python, "-c", code)
	default:
		t.Fatalf("an example in %q; sh and python can be run", e.language)
	}
	cmd.Dir = filepath.Dir(bin)
	cmd.Env = append(cmd.Environ(), "ASHATAI_SERVER="+addr)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s\n%s", err, code, out)
	}
	if !e.prints.Match(out) {
		t.Errorf("the README promises /%s/; this printed\n%s", e.prints, out)
	}
}
