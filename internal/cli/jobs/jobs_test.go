package jobs_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"ashatai/internal/cli"
)

const one = `{"id":"job_a","kind":"pull","state":"failed","title":"pull x","attempts":2,"completed":5,"total":10,"error":{"error":{"message":"It is broken."}}}`

// TestCommands asks a server that answers as the real one does.
func TestCommands(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	answer := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, strings.ReplaceAll(text, "QUERY", r.URL.RawQuery))
		}
	}
	mux.HandleFunc("GET /api/v1/jobs", answer(`{"jobs":[`+one+`,{"id":"job_b","state":"done","title":"QUERY"},{"id":"job_c","state":"queued"}]}`))
	mux.HandleFunc("GET /api/v1/jobs/job_a", answer(one))
	mux.HandleFunc("POST /api/v1/jobs/job_a/cancel", answer(one))
	mux.HandleFunc("GET /api/v1/jobs/job_a/events", answer("data: {\"data\":{\"state\":\"running\"}}\n\ndata: {\"data\":{\"status\":\"pulling\",\"completed\":1,\"total\":2}}\n\n"+
		"data: {\"data\":{\"status\":\"resolving\"}}\n\ndata: {\"data\":{\"text\":\"QUERY\"}}\n\ndata: {\"data\":{\"state\":\"failed\",\"error\":{\"message\":\"Bad.\"}}}\n\n"))
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	for line, want := range map[string][]string{
		"list --kind pull --state done": {"job_a", "50%", "100%", "kind=pull&state=done", "job_c"},
		"list --json":                   {`"attempts": 2`},
		"show job_a":                    {"failed", "It is broken."},
		"show job_a --json":             {`"id": "job_a"`},
		"cancel job_a":                  {"job_a"},
		"logs job_a":                    {"running", "pulling 1 of 2", "resolving", "follow=false", "failed: Bad."},
		"logs -f job_a":                 {"failed: Bad."},
	} {
		var out, errs bytes.Buffer
		args := append([]string{"job"}, strings.Fields(line)...)
		code := cli.Main(t.Context(), append(args, "--server", s.URL), cli.Deps{Stdout: &out, Stderr: &errs})
		for _, w := range want {
			if code != 0 || !strings.Contains(out.String(), w) {
				t.Errorf("%s: %d, %q lacks %q; %s", line, code, out.String(), w, errs.String())
			}
		}
	}
}
