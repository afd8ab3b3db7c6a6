package archtest

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const (
	maxFileLines    = 600
	maxPackageLines = 3000
)

// lines counts plain lines: what a reader scrolls through, comments and blank lines as well.
func lines(t *testing.T, file string) (n int, generated bool) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	head, _, _ := bytes.Cut(b, []byte("\npackage "))
	return bytes.Count(b, []byte("\n")), bytes.Contains(head, []byte("// Code generated ")) && bytes.Contains(head, []byte(" DO NOT EDIT."))
}

func TestFilesAndPackagesStaySmall(t *testing.T) {
	for _, p := range list(t, "linux", "./...") {
		sum := 0
		for _, f := range p.sources() {
			n, generated := lines(t, filepath.Join(p.Dir, f))
			if generated {
				continue
			}
			sum += n
			if n > maxFileLines {
				t.Errorf("%s/%s has %d lines; at most %d: split it by subject", p.ImportPath, f, n, maxFileLines)
			}
		}
		if sum > maxPackageLines {
			t.Errorf("%s has %d lines; at most %d: split it by duty", p.ImportPath, sum, maxPackageLines)
		}
		for _, f := range append(append([]string(nil), p.TestGoFiles...), p.XTestGoFiles...) {
			if n, _ := lines(t, filepath.Join(p.Dir, f)); n > maxFileLines {
				t.Errorf("%s/%s has %d lines; at most %d: split it by subject", p.ImportPath, f, n, maxFileLines)
			}
		}
	}
}

func TestEveryPackageSaysWhatItIsFor(t *testing.T) {
	for _, p := range list(t, "linux", "./...") {
		if len(p.GoFiles) == 0 {
			continue // tests alone
		}
		name := filepath.Base(p.ImportPath)
		if !strings.HasPrefix(p.Doc, "Package "+name+" ") && !strings.HasPrefix(p.Doc, "Command "+name+" ") {
			t.Errorf("%s has no doc comment that starts with its name (it has %q)", p.ImportPath, p.Doc)
		}
	}
}

// TestNamesOfFilesAndPackages refuses the names under which anything can be put.
func TestNamesOfFilesAndPackages(t *testing.T) {
	empty := map[string]bool{"util": true, "utils": true, "helper": true, "helpers": true, "common": true, "misc": true, "shared": true}
	for _, p := range list(t, "linux", "./...") {
		if empty[filepath.Base(p.ImportPath)] {
			t.Errorf("%s: a package is named by its duty", p.ImportPath)
		}
		for _, f := range p.sources() {
			if empty[strings.TrimSuffix(f, ".go")] {
				t.Errorf("%s/%s: a file is named by its subject", p.ImportPath, f)
			}
		}
	}
}
