package web

import (
	"bytes"
	"compress/gzip"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
)

func get(t *testing.T, h http.Handler, method, path string, headers ...string) (*httptest.ResponseRecorder, string) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w, w.Body.String()
}

// small is a page as the build would make it, for what does not depend on the real one.
func small() *handler {
	return newHandler(fstest.MapFS{
		"index.html":           {Data: []byte(`<!doctype html><script src="/assets/a-1.js"></script>`)},
		"assets/a-1.js":        {Data: []byte(strings.Repeat("let a = 1;\n", 100))},
		"assets/short-2.css":   {Data: []byte("a{}")},
		"assets/picture-3.svg": {Data: []byte("<svg/>")},
		".gitignore":           {Data: []byte("*")},
	})
}

// built is the real page; a test that needs it is skipped where make build has not made it.
func built(t *testing.T) *handler {
	t.Helper()
	h, ok := Handler().(*handler)
	if !ok {
		t.Fatal("another type")
	}
	if h.page == nil {
		t.Skip("the page is not built; run make build")
	}
	return h
}

func TestWithoutThePage(t *testing.T) {
	h := newHandler(fstest.MapFS{".gitignore": {Data: []byte("*")}})
	res, body := get(t, h, http.MethodGet, "/")
	if res.Code != http.StatusOK || !strings.Contains(body, "make build") || res.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("status %d: %s", res.Code, body)
	}
	if res, _ := get(t, h, http.MethodGet, "/assets/a-1.js"); res.Code != http.StatusNotFound {
		t.Errorf("status %d", res.Code)
	}
}

var link = regexp.MustCompile(`(?:src|href)="(/assets/[^"]+)"`)

func TestPageAndItsFiles(t *testing.T) {
	h := built(t)
	res, page := get(t, h, http.MethodGet, "/")
	if res.Code != http.StatusOK || res.Header().Get("Content-Type") != "text/html; charset=utf-8" || res.Header().Get("Cache-Control") != "no-cache" {
		t.Fatalf("status %d, headers %v", res.Code, res.Header())
	}
	links := link.FindAllStringSubmatch(page, -1)
	if len(links) < 4 {
		t.Fatalf("the page names %d files", len(links))
	}
	hashed := regexp.MustCompile(`-[\w-]{8}\.[a-z]+$`)
	for _, m := range links {
		res, body := get(t, h, http.MethodGet, m[1])
		if res.Code != http.StatusOK || body == "" || res.Header().Get("Content-Type") == "" {
			t.Errorf("%s: status %d, type %q, %d bytes", m[1], res.Code, res.Header().Get("Content-Type"), len(body))
		}
		if c := res.Header().Get("Cache-Control"); !strings.Contains(c, "immutable") {
			t.Errorf("%s: Cache-Control %q", m[1], c)
		}
		if !hashed.MatchString(m[1]) {
			t.Errorf("%s has no hash in its name, and would be kept for ever", m[1])
		}
	}
	if m := regexp.MustCompile(`<script src="(/assets/theme-[^"]+)"`).FindStringIndex(page); m == nil || m[0] > strings.Index(page, "module") {
		t.Error("the theme is not set before the page is drawn")
	}
}

// maxFirstLoad is what a first visit may bring over the wire, compressed.
const maxFirstLoad = 200 << 10

func TestFirstLoad(t *testing.T) {
	h := built(t)
	total := 0
	for _, p := range append([]string{"/"}, links(h)...) {
		res, body := get(t, h, http.MethodGet, p, "Accept-Encoding", "gzip, br")
		if res.Header().Get("Content-Encoding") != "gzip" && len(body) > 1000 {
			t.Errorf("%s is sent as it is", p)
		}
		total += len(body)
	}
	t.Logf("the first load is %.1f KiB compressed", float64(total)/1024)
	if total > maxFirstLoad {
		t.Errorf("the first load has %d bytes; at most %d are allowed", total, maxFirstLoad)
	}
}

// links are the files that the page asks for by itself.
func links(h *handler) []string {
	var out []string
	for _, m := range link.FindAllStringSubmatch(string(h.page.body), -1) {
		out = append(out, m[1])
	}
	return out
}

// TestImportsExist follows the modules' own imports, which the page's links do not name.
func TestImportsExist(t *testing.T) {
	h := built(t)
	imports := regexp.MustCompile("(?:from|import\\()[\"'`]\\./([\\w.-]+\\.(?:js|css))[\"'`]")
	n := 0
	for name, f := range h.files {
		for _, m := range imports.FindAllStringSubmatch(string(f.body), -1) {
			n++
			if _, ok := h.files["assets/"+m[1]]; !ok {
				t.Errorf("%s imports %s, which is not there", name, m[1])
			}
		}
	}
	if n == 0 {
		t.Error("no import was found")
	}
}

func TestGzip(t *testing.T) {
	h := small()
	plain, whole := get(t, h, http.MethodGet, "/assets/a-1.js")
	packed, body := get(t, h, http.MethodGet, "/assets/a-1.js", "Accept-Encoding", "br;q=1, GZIP;q=0.5")
	if packed.Header().Get("Content-Encoding") != "gzip" || plain.Header().Get("ETag") == packed.Header().Get("ETag") || packed.Header().Get("Vary") != "Accept-Encoding" {
		t.Errorf("headers %v", packed.Header())
	}
	r, err := gzip.NewReader(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(r); err != nil || string(b) != whole {
		t.Errorf("another file comes out: %v", err)
	}
	for _, accept := range []string{"", "br", "gzip;q=0", "identity, gzip; q=0.0"} {
		if res, body := get(t, h, http.MethodGet, "/assets/a-1.js", "Accept-Encoding", accept); res.Header().Get("Content-Encoding") != "" || body != whole {
			t.Errorf("%q got %v", accept, res.Header())
		}
	}
	if res, body := get(t, h, http.MethodGet, "/assets/a-1.js", "Accept-Encoding", "gzip", "Range", "bytes=0-2"); res.Code != http.StatusPartialContent || body != "let" {
		t.Errorf("status %d, %q", res.Code, body)
	}
	if res, body := get(t, h, http.MethodGet, "/assets/short-2.css", "Accept-Encoding", "gzip"); res.Header().Get("Content-Encoding") != "" || body != "a{}" {
		t.Errorf("%v %q", res.Header(), body)
	}
}

func TestSecurityHeaders(t *testing.T) {
	h := small()
	for _, path := range []string{"/", "/assets/none.js"} {
		res, _ := get(t, h, http.MethodGet, path)
		csp := res.Header().Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "trusted-types 'none'"} {
			if !strings.Contains(csp, want) {
				t.Errorf("%s: the policy lacks %s: %s", path, want, csp)
			}
		}
		if strings.Contains(csp, "unsafe") || strings.Contains(csp, "http:") || strings.Contains(csp, "*") {
			t.Errorf("%s: the policy is open: %s", path, csp)
		}
		if res.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: the type may be guessed", path)
		}
	}
}

// TestNothingInlineOrForeign keeps the files such that the policy never has to be widened.
func TestNothingInlineOrForeign(t *testing.T) {
	h := built(t)
	page := string(h.page.body)
	for name, re := range map[string]*regexp.Regexp{
		"inline script":   regexp.MustCompile(`<script(?:>|\s[^>]*>)\s*[^<\s]`),
		"inline style":    regexp.MustCompile(`<style|\sstyle=`),
		"inline handler":  regexp.MustCompile(`\son[a-z]+=`),
		"foreign address": regexp.MustCompile(`(?:src|href)="(?:https?:)?//`),
	} {
		if m := re.FindString(page); m != "" {
			t.Errorf("the page has an %s: %q", name, m)
		}
	}
	for name, f := range h.files {
		bad := []string{"document.write", "eval(", "new Function", "data:text"}
		if strings.HasSuffix(name, ".css") {
			bad = []string{"@import", "url(", "http"}
		}
		for _, b := range bad {
			if bytes.Contains(f.body, []byte(b)) {
				t.Errorf("%s contains %s", name, b)
			}
		}
	}
	if _, err := fs.Stat(dist, "dist/.gitignore"); err != nil {
		t.Errorf("the build removed what keeps the folder in the repository: %v", err)
	}
}

func TestETag(t *testing.T) {
	h := small()
	res, _ := get(t, h, http.MethodGet, "/")
	tag := res.Header().Get("ETag")
	if tag == "" {
		t.Fatal("no ETag")
	}
	if res, body := get(t, h, http.MethodGet, "/", "If-None-Match", tag); res.Code != http.StatusNotModified || body != "" {
		t.Errorf("same ETag: status %d, %d bytes", res.Code, len(body))
	}
	if res, _ := get(t, h, http.MethodGet, "/", "If-None-Match", `"other"`); res.Code != http.StatusOK {
		t.Errorf("other ETag: status %d", res.Code)
	}
}

func TestRefusals(t *testing.T) {
	h := small()
	for _, c := range []struct {
		method, path string
		status       int
	}{
		{http.MethodPost, "/", http.StatusMethodNotAllowed},
		{http.MethodDelete, "/assets/x", http.StatusMethodNotAllowed},
		{http.MethodGet, "/assets/", http.StatusNotFound},
		{http.MethodGet, "/assets/app.js", http.StatusNotFound},
		{http.MethodGet, "/assets/../handler.go", http.StatusNotFound},
		{http.MethodGet, "/.gitignore", http.StatusNotFound},
		{http.MethodGet, "/index.html", http.StatusNotFound},
		{http.MethodGet, "/other", http.StatusNotFound},
		{http.MethodHead, "/", http.StatusOK},
		{http.MethodGet, "/assets/picture-3.svg", http.StatusOK},
	} {
		res, _ := get(t, h, c.method, c.path)
		if res.Code != c.status {
			t.Errorf("%s %s: status %d, want %d", c.method, c.path, res.Code, c.status)
		}
		if c.status == http.StatusMethodNotAllowed && res.Header().Get("Allow") != "GET, HEAD" {
			t.Errorf("%s %s: Allow %q", c.method, c.path, res.Header().Get("Allow"))
		}
	}
}
