package jinjatest

import (
	"io/fs"
	"path"
	"strings"
	"testing"
)

// corpusSize is how many templates the corpus has at least.
const corpusSize = 80

// Templates are the chat templates of a folder that set-up filled out of packages, by name, each text once. They belong
// to others, so they stay outside of this repository. With too few in the folder the test fails.
func Templates(tb testing.TB, folder fs.FS) map[string]string {
	tb.Helper()
	files, err := fs.Glob(folder, "*.jinja") // in order
	if err != nil {
		tb.Fatal(err)
	}
	out, seen := map[string]string{}, map[string]bool{}
	for _, f := range files {
		src, err := fs.ReadFile(folder, f)
		if err != nil {
			tb.Fatal(err)
		}
		if text := string(src); !seen[text] {
			seen[text] = true
			out[strings.TrimSuffix(path.Base(f), ".jinja")] = text
		}
	}
	if len(out) < corpusSize {
		tb.Fatalf("there are %d different chat templates; there should be %d or more. Run make setup-test.", len(out), corpusSize)
	}
	return out
}
