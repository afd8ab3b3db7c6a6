package client

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"ashatai/internal/cli/progress"
	"ashatai/internal/cli/screen"
	"ashatai/internal/core"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestURL(t *testing.T) {
	for in, want := range map[string]string{
		"localhost:7077": "http://localhost:7077", "http://h/": "http://h", "https://h:1/base/": "https://h:1/base", "[::1]:7": "http://[::1]:7",
	} {
		if got, err := URL(in); err != nil || got != want {
			t.Errorf("%s: %q, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "http://", "ftp://x", "http://u:p@h", "http://h?x=1", "http://h#x", "http://[x", "unix:///s"} {
		if got, err := URL(in); err == nil {
			t.Errorf("%q became %q", in, got)
		}
	}
	for base, want := range map[string]bool{"http://localhost:1": true, "http://127.0.0.2": true, "http://[::1]:1": true, "http://h": false, "http://192.0.2.1": false, "%": false} {
		if got := (&Client{Base: base}).Local(); got != want {
			t.Errorf("%s is local: %v", base, got)
		}
	}
}

// to calls a server that answers by handle.
func to(t *testing.T, key string, handle http.HandlerFunc) *Client {
	t.Helper()
	s := httptest.NewServer(handle)
	tr := NewTransport()
	t.Cleanup(func() { tr.CloseIdleConnections(); s.Close() })
	return New(s.URL, key, tr)
}

func TestCall(t *testing.T) {
	c := to(t, "secret", func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		_ = json.NewEncoder(w).Encode(map[string]string{"got": r.Method + " " + r.URL.Path + " " + string(b) + " " + r.Header.Get("Authorization")})
	})
	var out struct{ Got string }
	raw, err := c.Call(t.Context(), http.MethodPost, "/x", map[string]int{"a": 1}, &out)
	if want := `POST /x {"a":1} Bearer secret`; err != nil || out.Got != want || !strings.Contains(string(raw), "POST") {
		t.Errorf("%q, %v", out.Got, err)
	}
	body, err := c.Read(t.Context(), "/y")
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(body)
	if err != nil || !strings.Contains(string(b), "GET /y") {
		t.Errorf("%s, %v", b, err)
	}
	if err := body.Close(); err != nil {
		t.Error(err)
	}
	if _, err := c.Call(t.Context(), http.MethodPost, "/x", func() {}, &out); core.CodeOf(err) != core.CodeInternal {
		t.Errorf("a body that is no JSON: %v", err)
	}
}

// TestFailures: each way to fail has its words and its code.
func TestFailures(t *testing.T) {
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
	}
	for name, c := range map[string]struct {
		handle http.HandlerFunc
		code   core.Code
		want   string
	}{
		"large": {func(w http.ResponseWriter, _ *http.Request) {
			for range maxAnswer/1024 + 1 {
				_, _ = w.Write([]byte(strings.Repeat(" ", 1024)))
			}
		}, core.CodeUnavailable, "is larger than 16.8 MB"},
		"cut": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = w.Write([]byte("{"))
		}, core.CodeUnavailable, "ended its answer in the middle"},
		"redirect": {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) }, core.CodeUnavailable, "status 302"},
		"hangs up": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, core.CodeUnavailable, "it does not answer"},
		"no JSON":  {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<p>") }, core.CodeUnavailable, "status 200, text/html"},
		"teapot": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Content-Type"] = nil
			w.WriteHeader(http.StatusTeapot)
		}, core.CodeUnavailable, "no content type"},
		"unavailable": {status(http.StatusServiceUnavailable), core.CodeUnavailable, "status 503"},
		"forbidden":   {status(http.StatusForbidden), core.CodeForbidden, "without saying why"},
		"told": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, `{"error":{"code":"model_not_found","message":"There is none."}}`)
		}, core.CodeModelNotFound, "There is none."},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := to(t, "", c.handle).Call(t.Context(), http.MethodGet, "/x", nil, &struct{}{})
			if core.CodeOf(err) != c.code || !strings.Contains(core.AsError(err).Message, c.want) {
				t.Errorf("%v: %v; want %s with %q", core.CodeOf(err), core.AsError(err).Message, c.code, c.want)
			}
		})
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := New("http://127.0.0.1:1", "", NewTransport()).Call(ended, http.MethodGet, "/x", nil, nil); err == nil || core.CodeOf(err) == core.CodeUnavailable {
		t.Errorf("a call that was interrupted: %v", err)
	}
	if _, err := New("http://127.0.0.1:1", "", NewTransport()).Call(t.Context(), http.MethodGet, "/x", nil, nil); !strings.Contains(core.AsError(err).Message, "connection refused") {
		t.Errorf("nothing listens: %v", core.AsError(err).Message)
	}
}

// TestUpload sends a file once, and follows what is made of it.
func TestUpload(t *testing.T) {
	kept := map[string]string{}
	c := to(t, "k", func(w http.ResponseWriter, r *http.Request) {
		switch _, have := kept[r.URL.Path]; {
		case r.URL.Path == "/make":
			_, _ = io.WriteString(w, "{\"status\":\"writing\"}\n{\"status\":\"success\",\"model\":{\"name\":\"mine\",\"size\":4}}\n")
		case r.URL.Path == "/cut":
			_, _ = io.WriteString(w, "{\"status\":\"writing\"}\n")
		case r.Method == http.MethodHead && !have:
			w.WriteHeader(http.StatusNotFound)
		case r.Method == http.MethodPost:
			b, _ := io.ReadAll(r.Body)
			kept[r.URL.Path] = string(b)
			w.WriteHeader(http.StatusCreated)
		}
	})
	file := filepath.Join(t.TempDir(), "x.gguf")
	if err := os.WriteFile(file, []byte("GGUF"), 0o600); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte("GGUF"))
	var told strings.Builder
	show := progress.Of(screen.New(&told, false), screen.New(&told, false))
	for range 2 { // the second time it is there
		sha, err := c.Upload(t.Context(), file, show)
		if err != nil || sha != hex.EncodeToString(sum[:]) || kept["/api/blobs/sha256:"+sha] != "GGUF" {
			t.Fatalf("%s, %v, %v", sha, kept, err)
		}
	}
	if err := c.Follow(t.Context(), "/make", nil, show); err != nil {
		t.Error(err)
	}
	if got := told.String(); strings.Count(got, "uploading") != 1 || !strings.Contains(got, "Installed mine (4 B).") {
		t.Error(got)
	}
	if err := c.Follow(t.Context(), "/cut", nil, show); !strings.Contains(core.AsError(err).Message, "in the middle") {
		t.Error(err)
	}
	if _, err := c.Upload(t.Context(), file+"x", show); core.CodeOf(err) != core.CodeInvalidRequest {
		t.Errorf("a file that is not there: %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Upload(ended, file, show); err == nil || core.CodeOf(err) == core.CodeInvalidRequest {
		t.Errorf("an upload that was interrupted: %v", err)
	}
}
