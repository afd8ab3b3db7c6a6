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

// TestCorpus renders every template of a folder that the environment names, against conversations of many shapes. The
// templates of other people stay outside of this repository.
func TestCorpus(t *testing.T) {
	dir := os.Getenv("ASHATAI_TEST_TEMPLATES")
	if dir == "" {
		t.Skip("ASHATAI_TEST_TEMPLATES names no folder of *.jinja files")
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.jinja"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no templates in %s: %v", dir, err)
	}
	raw, err := os.ReadFile(filepath.Join("testdata", "conversations.json"))
	if err != nil {
		t.Fatal(err)
	}
	var conversations map[string]json.RawMessage
	if err := json.Unmarshal(raw, &conversations); err != nil {
		t.Fatal(err)
	}
	var cases []jinjatest.Case
	for _, f := range files {
		src, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for name, vars := range conversations {
			cases = append(cases, jinjatest.Case{Name: filepath.Base(f) + "/" + name, Template: string(src), Vars: vars})
		}
	}
	same, refused := 0, 0
	for i, want := range askPython(t, cases) {
		got := jinjatest.Render(t, cases[i])
		if jinjatest.Compare(t, cases[i].Name, want, got) {
			same++
		}
		if want.Text == nil {
			refused++
		}
	}
	t.Logf("%d templates, %d cases: %d equal, %d of them refused by both", len(files), len(cases), same, refused)
}
