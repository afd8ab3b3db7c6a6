package collect_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"ashatai/internal/cli"
)

// TestCommand asks a server that answers as the real one does, and says in a hash what it was asked.
func TestCommand(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/v1/collect", func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		if strings.Contains(string(b), ":60") {
			_, _ = io.WriteString(w, `{"files":[],"bytes":0}`)
			return
		}
		_, _ = io.WriteString(w, `{"files":[{"where":"home","sha256":"`+strings.ReplaceAll(string(b), `"`, "'")+`","size":2000000}],"bytes":2000000}`)
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	for _, c := range []struct {
		line string
		code int
		want []string
	}{
		{"--dry-run", 0, []string{"{'dry_run':true,'grace_seconds':0}", "1 file, 2 MB, would be removed."}},
		{"--grace 1h", 0, []string{"{'dry_run':false,'grace_seconds':3600}", "home", "1 file, 2 MB, removed."}},
		{"--grace 1m", 0, []string{"There is nothing to remove."}},
		{"--json", 0, []string{`"bytes": 2000000`}},
		{"--grace -1h", 2, nil},
		{"--grace 1ms", 2, nil},
		{"now", 2, nil},
	} {
		var out, errs bytes.Buffer
		args := append([]string{"gc"}, strings.Fields(c.line)...)
		code := cli.Main(t.Context(), append(args, "--server", s.URL), cli.Deps{Stdout: &out, Stderr: &errs})
		if code != c.code {
			t.Errorf("%s: exit code %d, want %d; %s", c.line, code, c.code, errs.String())
		}
		for _, w := range c.want {
			if !strings.Contains(out.String(), w) {
				t.Errorf("%s: %q lacks %q; %s", c.line, out.String(), w, errs.String())
			}
		}
	}
	var out, errs bytes.Buffer
	if code := cli.Main(t.Context(), []string{"gc", "--server", "http://127.0.0.1:1"}, cli.Deps{Stdout: &out, Stderr: &errs}); code != 5 {
		t.Errorf("no server: %d %s", code, errs.String())
	}
}
