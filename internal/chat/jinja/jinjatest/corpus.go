package jinjatest

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// corpusSize is how many templates the corpus has at least.
const corpusSize = 80

// Templates are the chat templates that set-up took out of packages, by name, each text once. They belong to others, so
// they stay outside of this repository. Without the folder the test is skipped; with too few in it, it fails.
func Templates(tb testing.TB) map[string]string {
	tb.Helper()
	dir := os.Getenv("ASHATAI_TEST_TEMPLATES")
	if dir == "" {
		tb.Skip("ASHATAI_TEST_TEMPLATES names no folder of chat templates; make setup-test makes one")
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.jinja"))
	if err != nil {
		tb.Fatal(err)
	}
	slices.Sort(files)
	out, seen := map[string]string{}, map[string]bool{}
	for _, f := range files {
		src, err := os.ReadFile(f)
		if err != nil {
			tb.Fatal(err)
		}
		if text := string(src); !seen[text] {
			seen[text] = true
			out[strings.TrimSuffix(filepath.Base(f), ".jinja")] = text
		}
	}
	if len(out) < corpusSize {
		tb.Fatalf("%s has %d different templates; there should be %d or more. Run make setup-test.", dir, len(out), corpusSize)
	}
	return out
}
