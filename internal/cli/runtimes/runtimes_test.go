package runtimes_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"ashatai/internal/cli"
)

// TestCommands asks a server that answers as the real one does.
func TestCommands(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v1/runtimes", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"runtimes":[{"name":"llamacpp","formats":["gguf"],"devices":["cpu","cuda"],"ready":true,"version":"b1","device":"cpu"},`+
			`{"name":"onnx","formats":["onnx"],"devices":["cpu"],"ready":false,"missing":"Run it."}]}`)
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	none := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(none.Close)
	for _, c := range []struct {
		line, server string
		code         int
		want         []string
	}{
		{"list", s.URL, 0, []string{"llamacpp", "ready", "cpu, cuda", "onnx", "missing", "Run it.", "-"}},
		{"list --json", s.URL, 0, []string{`"version": "b1"`}},
		{"", s.URL, 0, []string{"list"}},
		{"list more", s.URL, 2, nil},
		{"lsit", s.URL, 2, nil},
		{"list", none.URL, 5, nil},
	} {
		var out, errs bytes.Buffer
		args := append([]string{"runtime"}, strings.Fields(c.line)...)
		if c.line != "" {
			args = append(args, "--server", c.server)
		}
		code := cli.Main(t.Context(), args, cli.Deps{Stdout: &out, Stderr: &errs})
		if code != c.code {
			t.Errorf("%q: exit code %d, want %d; %s", c.line, code, c.code, errs.String())
		}
		for _, w := range c.want {
			if !strings.Contains(out.String(), w) {
				t.Errorf("%q: %q lacks %q; %s", c.line, out.String(), w, errs.String())
			}
		}
	}
}
