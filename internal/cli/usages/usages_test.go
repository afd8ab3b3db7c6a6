package usages_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"ashatai/internal/cli"
)

// TestExport asks a server that answers as the real one does, and says in a name what it was asked.
func TestExport(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v1/usage/export", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, `{"rows":[{"date":"2026-03-01","kind":"user","id":"usr_1","name":"=1+2, ann","model":"m:latest","requests":2,"prompt_tokens":3,"completion_tokens":4},`+
			`{"date":"2026-03-02","kind":"key","id":"key_1","name":"`+r.URL.RawQuery+`","model":"","requests":1,"prompt_tokens":5,"completion_tokens":6}]}`)
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	for _, c := range []struct {
		line string
		code int
		want []string
	}{
		{"export --csv", 0, []string{
			"date,kind,id,name,model,requests,prompt_tokens,completion_tokens\n", "2026-03-01,user,usr_1,\"'=1+2, ann\",m:latest,2,3,4\n", "2026-03-02,key,key_1,,,1,5,6\n",
		}},
		{"export --json --from 2026-03-01 --to 2026-03-02 --kind key", 0, []string{`"name": "from=2026-03-01&kind=key&to=2026-03-02"`}},
		{"export", 0, []string{"DATE", "=1+2, ann", "m:latest"}},
		{"export --csv --json", 2, nil},
		{"export now", 2, nil},
	} {
		var out, errs bytes.Buffer
		args := append([]string{"usage"}, strings.Fields(c.line)...)
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
}
