package audit_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ashatai/internal/cli"
)

const whole = `{"ok":true,"rows":12,"last":12,"signed_row":11,"signed_at":"2027-01-02T03:04:05Z","bad_row":null,"problem":"","public_key":"abc"}`

// server answers as the real one does.
func server(t *testing.T, verify, export string) string {
	t.Helper()
	mux := http.NewServeMux()
	answer := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, strings.ReplaceAll(text, "QUERY", r.URL.RawQuery))
		}
	}
	mux.HandleFunc("GET /api/v1/audit", answer(`{"entries":[
		{"seq":9,"time":"2027-01-02T03:04:05Z","user_id":"usr_a","user_name":"ann","action":"QUERY","object":"o","detail":"d `+strings.Repeat("x", 200)+`","outcome":"refused","status":403,"remote":"192.0.2.1"},
		{"seq":7,"user_id":"usr_gone","outcome":"open"},{"seq":6,"outcome":"done","status":200}],"more":true,"next":6}`))
	mux.HandleFunc("GET /api/v1/audit/verify", answer(verify))
	mux.HandleFunc("GET /api/v1/audit/export", answer(export))
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s.URL
}

func run(t *testing.T, url, line string) (int, string, string) {
	t.Helper()
	var out, errs bytes.Buffer
	code := cli.Main(t.Context(), append(strings.Fields("audit "+line), "--server", url), cli.Deps{Stdout: &out, Stderr: &errs})
	return code, out.String(), errs.String()
}

func TestCommands(t *testing.T) {
	t.Parallel()
	url := server(t, whole, `{"row":{"seq":1,"action":"QUERY"}}`+"\n\n"+`{"checkpoint":{"seq":1}}`+"\n")
	for line, want := range map[string][]string{
		"list": {"limit=50", "ann", "o d", "refused 403", "192.0.2.1", "usr_gone", "open", "o d " + strings.Repeat("x", 96) + "…"},
		"list --user ann --outcome done --since 2027-01-31 --before 9 --action x --kind y --object z --until 2028-01-01 --limit 3": {
			"action=x&before=9&kind=y&limit=3&object=z&outcome=done&since=2027-01-31&until=2028-01-01&user=ann",
		},
		"list --json":        {`"next": 6`},
		"verify":             {"12 rows", "signed up to row 11", "abc"},
		"verify --json":      {`"signed_row": 11`},
		"export --after 4":   {`"action":"after=4"`, `"checkpoint"`},
		"export --after=0":   {`after=0`},
		"ls --kind=user":     {"kind=user"},
		"list --help":        {"--outcome"},
		"export -h":          {"--output"},
		"verify --api-key k": {"12 rows"},
	} {
		code, out, errs := run(t, url, line)
		for _, w := range want {
			if code != 0 || !strings.Contains(out, w) {
				t.Errorf("%s: %d, %q lacks %q; %s", line, code, out, w, errs)
			}
		}
	}
	if _, _, errs := run(t, url, "list"); !strings.Contains(errs, "--before 6") {
		t.Errorf("how to go on: %q", errs)
	}
	file := filepath.Join(t.TempDir(), "acts.jsonl")
	if code, out, errs := run(t, url, "export -o "+file); code != 0 || out != "" {
		t.Fatalf("%d, %q, %q", code, out, errs)
	}
	b, err := os.ReadFile(file)
	if err != nil || strings.Count(string(b), "\n") != 2 {
		t.Errorf("%q, %v", b, err)
	}
	if code, _, errs := run(t, url, "export -o "+file); code != 4 || !strings.Contains(errs, "not there yet") {
		t.Errorf("over a file: %d, %s", code, errs)
	}
}

func TestBadRecord(t *testing.T) {
	t.Parallel()
	broken := `{"ok":false,"rows":5,"last":4,"bad_row":5,"problem":"Row 5 was changed."}`
	url := server(t, broken, `{"row":{"seq":1}}`+"\n"+`{"error":{"message":"The disk is gone."}}`+"\n")
	for line, says := range map[string]string{"verify": "Row 5 was changed.", "verify --json": "Row 5 was changed.", "export": "The disk is gone."} {
		if code, _, errs := run(t, url, line); code == 0 || !strings.Contains(errs, says) {
			t.Errorf("%s: %d, %s", line, code, errs)
		}
	}
	for _, export := range []string{"no JSON\n", `{"other":1}` + "\n", `{"row":"` + strings.Repeat("x", 2<<20) + `"}`} {
		if code, _, errs := run(t, server(t, broken, export), "export"); code != 5 {
			t.Errorf("%.20s: %d, %s", export, code, errs)
		}
	}
	if code, _, _ := run(t, "http://127.0.0.1:1", "export"); code != 5 {
		t.Errorf("without a server: %d", code)
	}
	if code, _, _ := run(t, url, "list extra"); code != 2 {
		t.Errorf("wrong use: %d", code)
	}
}
