package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const printed = `ok  	ashatai/internal/core	0.012s	coverage: 91.2% of statements
ok  	ashatai/internal/blob	(cached)	coverage: 79.9% of statements
	ashatai/cmd/ashatai		coverage: 0.0% of statements
ok  	ashatai/internal/archtest	1.1s	coverage: [no statements]
--- FAIL: TestX (0.00s)
?   	ashatai/internal/x	[no test files]
coverage: 12.0% of statements
FAIL	ashatai/internal/y	0.1s
`

func TestTable(t *testing.T) {
	name := filepath.Join(t.TempDir(), "out")
	if err := os.WriteFile(name, []byte(printed), 0o600); err != nil {
		t.Fatal(err)
	}
	var sb strings.Builder
	low, err := run(&sb, []string{name}, 80, "^ashatai/cmd/", "ashatai/")
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(low, []string{"internal/blob"}) {
		t.Errorf("below the minimum: %v", low)
	}
	for _, want := range []string{"internal/core  91.2 %", "internal/blob  79.9 %    TOO LOW", "cmd/ashatai    0.0 %     not held"} {
		if !strings.Contains(sb.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, sb.String())
		}
	}
}

func TestNothingToRead(t *testing.T) {
	name := filepath.Join(t.TempDir(), "out")
	if err := os.WriteFile(name, []byte("FAIL\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ file, skip string }{{name, ""}, {name + "x", ""}, {name, "("}} {
		if _, err := run(&strings.Builder{}, []string{c.file}, 80, c.skip, ""); err == nil {
			t.Errorf("%+v: no error", c)
		}
	}
}
