package runtimes_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"ashatai/internal/cli"
	"ashatai/internal/cli/runtimes"
	"ashatai/internal/core"
)

// TestCommands asks a server that answers as the real one does.
func TestCommands(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v1/runtimes", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"runtimes":[{"name":"llamacpp","formats":["gguf"],"devices":["cpu","cuda"],"ready":true,"version":"b1","device":"cpu"},`+
			`{"name":"onnx","formats":["onnx"],"devices":["cpu"],"ready":false,"missing":"Run it."}]}`)
	})
	mux.HandleFunc("GET /api/v1/devices", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"devices":[{"id":"vulkan0","name":"llvmpipe","ready":true,"runtimes":["llamacpp"],"memory":{"total":4194304,"free":3145728,"models":{"used":1048576}}},`+
			`{"id":"nvidia0","name":"H200","driver":"nvidia 580","ready":false,"runtimes":[],"missing":"Install it."}],"notes":["The driver hangs."]}`)
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
		{"devices", s.URL, 0, []string{"vulkan0", "ready", "4 MiB", "3 MiB", "1 MiB", "nvidia 580", "Install it.", "The driver hangs."}},
		{"devices --json", s.URL, 0, []string{`"id": "vulkan0"`}},
		{"devices more", s.URL, 2, nil},
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

// TestInstall hands the work to what the program brings.
func TestInstall(t *testing.T) {
	t.Parallel()
	deps := runtimes.Deps{
		Items: []runtimes.Item{{Name: "thing", Title: "a thing (1 MB)"}},
		Install: func(_ context.Context, name string, o runtimes.Options, tell func(string)) (runtimes.Installed, error) {
			if name == "none" {
				return runtimes.Installed{}, core.Invalid("name", "There is nothing named none.")
			}
			tell("working with " + o.Python + o.Home)
			return runtimes.Installed{Name: name, Folder: "/share/" + name, There: name == "there"}, nil
		},
	}
	for _, c := range []struct {
		line string
		code int
		want string
	}{
		{"install thing --python /p", 0, "working with /p\nInstalled thing in /share/thing."},
		{"install thing --home /h", 0, "working with /h\n"},
		{"install there", 0, "Nothing to do: there is installed in /share/there."},
		{"install thing --json", 0, `"folder": "/share/thing"`},
		{"install none", 2, "There is nothing named none."},
		{"install", 2, "wants the name"},
		{"install --help", 0, "a thing (1 MB)"},
	} {
		var out, errs bytes.Buffer
		code := cli.Main(t.Context(), append([]string{"runtime"}, strings.Fields(c.line)...), cli.Deps{Stdout: &out, Stderr: &errs, Runtimes: deps})
		if all := out.String() + errs.String(); code != c.code || !strings.Contains(all, c.want) {
			t.Errorf("%q: exit code %d, %q", c.line, code, all)
		}
	}
	if code := cli.Main(t.Context(), []string{"runtime", "install", "x"}, cli.Deps{Stdout: io.Discard, Stderr: io.Discard}); code != 1 {
		t.Errorf("without an installer: exit code %d", code)
	}
}
