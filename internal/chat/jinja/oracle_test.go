package jinja_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ashatai/internal/chat/jinja/jinjatest"
)

// askPython renders the cases with Python's jinja2, or skips the test where there is none.
func askPython(t *testing.T, cases []jinjatest.Case) []jinjatest.Answer {
	t.Helper()
	python := os.Getenv("ASHATAI_TEST_PYTHON")
	if python == "" {
		t.Skip("ASHATAI_TEST_PYTHON names no python3 with jinja2 3.1; the checked-in answers are still asserted")
	}
	var in bytes.Buffer
	enc := json.NewEncoder(&in)
	for _, c := range cases {
		if err := enc.Encode(c); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), python, filepath.Join("testdata", "oracle.py"))
	cmd.Stdin = &in
	cmd.Stderr = os.Stderr
	raw, err := cmd.Output()
	if err != nil {
		t.Fatalf("the oracle failed: %v", err)
	}
	var out []jinjatest.Answer
	lines := bufio.NewScanner(bytes.NewReader(raw))
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var a jinjatest.Answer
		if err := json.Unmarshal(lines.Bytes(), &a); err != nil {
			t.Fatal(err)
		}
		out = append(out, a)
	}
	if len(out) != len(cases) {
		t.Fatalf("the oracle answered %d of %d cases", len(out), len(cases))
	}
	return out
}

// TestGolden holds the engine to the answers that Python's jinja2 gave.
func TestGolden(t *testing.T) {
	t.Parallel()
	jinjatest.Golden(t)
}

// TestGoldenIsCurrent asks Python again for the checked-in answers.
func TestGoldenIsCurrent(t *testing.T) {
	vars, rows := jinjatest.Rows(t)
	cases := make([]jinjatest.Case, len(rows))
	for i, row := range rows {
		cases[i] = jinjatest.Case{Template: row.Template, Vars: vars}
	}
	for i, now := range askPython(t, cases) {
		jinjatest.Compare(t, rows[i].Template, now, jinjatest.Answer{Text: rows[i].Text, Error: strings.TrimPrefix(rows[i].Error, "TemplateError: ")})
	}
}
