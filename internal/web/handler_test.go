package web

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

func get(t *testing.T, h http.Handler, method, path, etag string) (*httptest.ResponseRecorder, string) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, nil)
	if etag != "" {
		r.Header.Set("If-None-Match", etag)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w, w.Body.String()
}

var link = regexp.MustCompile(`(?:src|href)="(/assets/[^"]+)"`)

func TestPageAndItsFiles(t *testing.T) {
	h := Handler()
	res, page := get(t, h, http.MethodGet, "/", "")
	if res.Code != http.StatusOK || res.Header().Get("Content-Type") != "text/html; charset=utf-8" || res.Header().Get("Cache-Control") != "no-cache" {
		t.Fatalf("status %d, headers %v", res.Code, res.Header())
	}
	links := link.FindAllStringSubmatch(page, -1)
	if len(links) < 4 {
		t.Fatalf("the page names %d files", len(links))
	}
	for _, m := range links {
		res, body := get(t, h, http.MethodGet, m[1], "")
		if res.Code != http.StatusOK || body == "" || res.Header().Get("Content-Type") == "" {
			t.Errorf("%s: status %d, type %q, %d bytes", m[1], res.Code, res.Header().Get("Content-Type"), len(body))
		}
		if c := res.Header().Get("Cache-Control"); !strings.Contains(c, "immutable") {
			t.Errorf("%s: Cache-Control %q", m[1], c)
		}
	}
}

// TestImportsExist follows the modules' own imports, which the page's links do not name.
func TestImportsExist(t *testing.T) {
	h, ok := Handler().(*handler)
	if !ok {
		t.Fatal("another type")
	}
	imports := regexp.MustCompile(`from "\./([a-z]+\.js)"`)
	n := 0
	for name, f := range h.files {
		for _, m := range imports.FindAllStringSubmatch(string(f.body), -1) {
			n++
			folder, _, _ := strings.Cut(name, "/")
			if _, ok := h.files[folder+"/"+m[1]]; !ok {
				t.Errorf("%s imports %s, which is not there", name, m[1])
			}
		}
	}
	if n == 0 {
		t.Error("no import was found")
	}
}

func TestSecurityHeaders(t *testing.T) {
	h := Handler()
	for _, path := range []string{"/", "/assets/none.js"} {
		res, _ := get(t, h, http.MethodGet, path, "")
		csp := res.Header().Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"} {
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
	h, ok := Handler().(*handler)
	if !ok {
		t.Fatal("another type")
	}
	page := string(h.page.body)
	for name, re := range map[string]*regexp.Regexp{
		"inline script":   regexp.MustCompile(`<script(?:>|\s[^>]*>)\s*[^<\s]`),
		"inline style":    regexp.MustCompile(`<style|\sstyle=`),
		"inline handler":  regexp.MustCompile(`\son[a-z]+=`),
		"foreign address": regexp.MustCompile(`(?:src|href)="(?:https?:)?//`),
		"left template":   regexp.MustCompile(`\{\{`),
	} {
		if m := re.FindString(page); m != "" {
			t.Errorf("the page has an %s: %q", name, m)
		}
	}
	for name, f := range h.files {
		for _, bad := range []string{"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "https://", "@import", "url("} {
			if strings.Contains(string(f.body), bad) {
				t.Errorf("%s contains %s", name, bad)
			}
		}
	}
}

func TestETag(t *testing.T) {
	h := Handler()
	res, _ := get(t, h, http.MethodGet, "/", "")
	tag := res.Header().Get("ETag")
	if tag == "" {
		t.Fatal("no ETag")
	}
	if res, body := get(t, h, http.MethodGet, "/", tag); res.Code != http.StatusNotModified || body != "" {
		t.Errorf("same ETag: status %d, %d bytes", res.Code, len(body))
	}
	if res, _ := get(t, h, http.MethodGet, "/", `"other"`); res.Code != http.StatusOK {
		t.Errorf("other ETag: status %d", res.Code)
	}
}

func TestRefusals(t *testing.T) {
	h := Handler()
	for _, c := range []struct {
		method, path string
		status       int
	}{
		{http.MethodPost, "/", http.StatusMethodNotAllowed},
		{http.MethodDelete, "/assets/x", http.StatusMethodNotAllowed},
		{http.MethodGet, "/assets/", http.StatusNotFound},
		{http.MethodGet, "/assets/0000/app.js", http.StatusNotFound},
		{http.MethodGet, "/assets/../handler.go", http.StatusNotFound},
		{http.MethodGet, "/other", http.StatusNotFound},
		{http.MethodHead, "/", http.StatusOK},
	} {
		res, _ := get(t, h, c.method, c.path, "")
		if res.Code != c.status {
			t.Errorf("%s %s: status %d, want %d", c.method, c.path, res.Code, c.status)
		}
		if c.status == http.StatusMethodNotAllowed && res.Header().Get("Allow") != "GET, HEAD" {
			t.Errorf("%s %s: Allow %q", c.method, c.path, res.Header().Get("Allow"))
		}
	}
}
