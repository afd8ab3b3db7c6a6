package jobs_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
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
		"list --kind pull --state done": {"job_a", "50%", "100%", "kind=pull&limit=50&state=done", "job_c"},
		"ls --limit 3":                  {"job_a", "limit=3"},
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

// TestFollowGoesOn: the line of a follower breaks twice, once in the middle and once because the server is gone for a moment;
// it goes on after the last event until the job has ended.
func TestFollowGoesOn(t *testing.T) {
	var mu sync.Mutex
	var asked []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		asked = append(asked, r.URL.RawQuery)
		n := len(asked)
		mu.Unlock()
		switch n {
		case 1:
			_, _ = io.WriteString(w, "id: 3\nevent: state\ndata: {\"data\":{\"state\":\"running\"}}\n\nid: 4\ndata: {\"data\"")
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		case 2:
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = io.WriteString(w, `{"error":{"code":"draining","message":"It stops."}}`)
		case 3:
			_, _ = io.WriteString(w, "id: 4\ndata: {\"data\":{\"state\":\"queued\"}}\n\n")
		default:
			_, _ = io.WriteString(w, "id: 5\ndata: {\"data\":{\"state\":\"done\"}}\n\n")
		}
	}))
	t.Cleanup(s.Close)
	var out, errs bytes.Buffer
	code := cli.Main(t.Context(), []string{"job", "logs", "-f", "job_a", "--server", s.URL}, cli.Deps{Stdout: &out, Stderr: &errs})
	if code != 0 || strings.Count(out.String(), "\n") != 3 || !strings.HasSuffix(out.String(), "done\n") {
		t.Errorf("%d, %q, %s", code, out.String(), errs.String())
	}
	if want := []string{"after=0", "after=3", "after=3", "after=4"}; !slices.Equal(asked, want) {
		t.Errorf("asked %v, want %v", asked, want)
	}
}

// TestFollowOfNothing: what is wrong from the start is told at once.
func TestFollowOfNothing(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	gone := s.URL
	s.Close()
	var out, errs bytes.Buffer
	if code := cli.Main(t.Context(), []string{"job", "logs", "-f", "x", "--server", gone}, cli.Deps{Stdout: &out, Stderr: &errs}); code != 5 {
		t.Errorf("%d, %s", code, errs.String())
	}
}
