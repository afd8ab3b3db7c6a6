package keep_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"ashatai/internal/cli"
	"ashatai/internal/cli/keep"
	"ashatai/internal/core"
)

// run runs one command line and returns its exit code and what it wrote.
func run(t *testing.T, deps keep.Deps, args ...string) (code int, out, errs string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = cli.Main(t.Context(), args, cli.Deps{Stdout: &stdout, Stderr: &stderr, Keep: deps})
	return code, stdout.String(), stderr.String()
}

func TestCommands(t *testing.T) {
	t.Parallel()
	var got []string
	report := keep.Report{File: "f", Tables: []keep.Table{{Name: "t", Rows: 2, Hash: "0123456789abcdef0123"}, {Name: "u", Rows: 1}}, Files: 1, Missing: []string{"models/w.gguf"}}
	deps := keep.Deps{
		Migrate: func(_ context.Context, home, config, to string) ([]keep.Table, error) {
			got = []string{home, config, to}
			return report.Tables, nil
		},
		Backup: func(_ context.Context, home, config, to string, o keep.BackupOptions) (keep.Report, error) {
			got = []string{home, config, to}
			if o.WithKey {
				got = append(got, "key")
			}
			if o.Weights {
				return keep.Report{File: "g"}, nil
			}
			return report, nil
		},
		Restore: func(_ context.Context, home, config, from, to string) (keep.Report, error) {
			got = []string{home, config, from, to}
			return report, nil
		},
	}
	for line, want := range map[string]struct {
		code      int
		out, errs string
		got       string
	}{
		"backup x --home h --config c":         {0, "Wrote f: 3 rows and 1 file.\nnot in it: models/w.gguf\n", "", "h c x"},
		"backup x --weights --json":            {0, `"missing": []`, "", "  x"},
		"backup x --with-key":                  {0, "Wrote f", "", "  x key"},
		"backup":                               {2, "", "file or folder", ""},
		"restore x --to postgres://h/d":        {0, "Restored f: 3 rows and 1 file.\nmissing: models/w.gguf\n", "", "  x postgres://h/d"},
		"restore x --json":                     {0, `"rows": 2`, "", "  x "},
		"db migrate --to postgres://h/d":       {0, "t      2     0123456789abcdef\n", "", "  postgres://h/d"},
		"db migrate --to postgres://h --json":  {0, `"hash": "0123456789abcdef0123"`, "", "  postgres://h"},
		"db migrate":                           {2, "", "--to", ""},
		"db":                                   {0, "migrate", "", ""},
		"db nothing":                           {2, "", "nothing", ""},
		"db migrate --to postgres://h/d extra": {2, "", "extra", ""},
	} {
		got = nil
		code, out, errs := run(t, deps, strings.Fields(line)...)
		if code != want.code || !strings.Contains(out, want.out) || !strings.Contains(errs, want.errs) || strings.Join(got, " ") != want.got {
			t.Errorf("%s: %d, %q, %q, %q", line, code, out, errs, got)
		}
	}
}

func TestFailures(t *testing.T) {
	t.Parallel()
	for _, line := range []string{"backup x", "restore x", "db migrate --to postgres://h/d"} {
		if code, _, errs := run(t, keep.Deps{}, strings.Fields(line)...); code != 1 || !strings.Contains(errs, "without a server") {
			t.Errorf("%s: %d, %q", line, code, errs)
		}
	}
	failing := keep.Deps{
		Migrate: func(context.Context, string, string, string) ([]keep.Table, error) {
			return nil, core.Errorf(core.CodeConflict, "It is full.")
		},
		Backup: func(context.Context, string, string, string, keep.BackupOptions) (keep.Report, error) {
			return keep.Report{}, errors.New("x")
		},
		Restore: func(context.Context, string, string, string, string) (keep.Report, error) {
			return keep.Report{}, core.Errorf(core.CodeNotFound, "It is gone.")
		},
	}
	for line, want := range map[string]int{"backup x": 1, "restore x": 3, "db migrate --to postgres://h/d": 4} {
		if code, out, _ := run(t, failing, strings.Fields(line)...); code != want || out != "" {
			t.Errorf("%s: %d, %q", line, code, out)
		}
	}
}
