package quotas_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"ashatai/internal/cli"
)

// TestCommands asks a server that answers as the real one does, and says in the name what it was asked.
func TestCommands(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v1/quotas", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, `{"quotas":[{"id":"quo_1","kind":"user","subject":"usr_1","name":"`+r.URL.RawQuery+`","unit":"tokens","window":"day","limit":10,"remaining":3},`+
			`{"id":"quo_2","kind":"group","subject":"*","name":"*","model":"big:latest","unit":"concurrent","limit":2},{"id":"quo_3","kind":"user","subject":"u","name":"u","unit":"weight","limit":5}]}`)
	})
	mux.HandleFunc("PUT /api/v1/quotas", func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		_, _ = io.WriteString(w, `{"id":"quo_1","kind":"user","name":"`+strings.ReplaceAll(string(b), `"`, "'")+`","unit":"requests","window":"minute","limit":7}`)
	})
	mux.HandleFunc("DELETE /api/v1/quotas/quo_1", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"ok":true}`) })
	mux.HandleFunc("DELETE /api/v1/quotas/quo_2", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, `{"error":{"code":"not_found","message":"There is no quota."}}`)
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	for _, c := range []struct {
		line string
		code int
		want []string
	}{
		{"list --kind user --subject ann", 0, []string{"10 tokens/day", "  3", "kind=user&subject=ann", "2 at once", "big:latest", "weight 5"}},
		{"list --json", 0, []string{`"remaining": 3`}},
		{"set user ann 7", 0, []string{"'kind':'user'", "'limit':7", "'window':'day'", "'unit':'tokens'", "has 7 requests/minute."}},
		{"set user ann 7 --unit requests --window minute", 0, []string{"'window':'minute'"}},
		{"set key k 7 --unit concurrent --model big", 0, []string{"'kind':'key','limit':7,'model':'big','subject':'k','unit':'concurrent'"}},
		{"set user ann 7 --json", 0, []string{`"id": "quo_1"`}},
		{"set user ann", 2, nil},
		{"set user ann many", 2, nil},
		{"remove quo_1", 0, []string{"The quota quo_1 is removed."}},
		{"remove quo_1 --json", 0, []string{`"ok": true`}},
		{"remove", 2, nil},
		{"remove quo_2", 3, nil},
	} {
		var out, errs bytes.Buffer
		args := append([]string{"quota"}, strings.Fields(c.line)...)
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
