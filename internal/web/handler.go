package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"
)

//go:embed assets
var assets embed.FS

// policy lets the page load its own files and call its own server, and nothing else: no inline code, no frames, no forms that
// leave, and no text that turns into markup.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// file is one embedded file as it is sent.
type file struct {
	kind string // Content-Type
	etag string
	body []byte
}

type handler struct {
	page  file
	files map[string]file // by path below /assets/, the version included
}

// Handler serves the page at "/" and its files below "/assets/". A file's address holds a hash of all files, so a browser
// keeps it for good and a new build is never shown with the old one's files. Methods other than GET and HEAD are refused.
func Handler() http.Handler {
	const folder = "assets"
	entries, err := fs.ReadDir(assets, folder)
	if err != nil {
		panic(err) // the files are part of the binary
	}
	sum := sha256.New()
	bodies := map[string][]byte{}
	for _, e := range entries { // sorted by name
		body, err := assets.ReadFile(folder + "/" + e.Name())
		if err != nil {
			panic(err)
		}
		bodies[e.Name()] = body
		sum.Write([]byte(e.Name()))
		sum.Write(body)
	}
	version := hex.EncodeToString(sum.Sum(nil))[:16]
	h := &handler{files: map[string]file{}}
	for name, body := range bodies {
		if name == "index.html" {
			h.page = newFile(name, bytes.ReplaceAll(body, []byte("{{version}}"), []byte(version)))
			continue
		}
		h.files[version+"/"+name] = newFile(name, body)
	}
	return h
}

func newFile(name string, body []byte) file {
	kinds := map[string]string{
		".html": "text/html; charset=utf-8",
		".css":  "text/css; charset=utf-8",
		".js":   "text/javascript; charset=utf-8",
		".svg":  "image/svg+xml",
	}
	sum := sha256.Sum256(body)
	return file{kind: kinds[path.Ext(name)], etag: `"` + hex.EncodeToString(sum[:8]) + `"`, body: body}
}

// ServeHTTP implements http.Handler.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	head := w.Header()
	head.Set("Content-Security-Policy", policy)
	head.Set("X-Content-Type-Options", "nosniff")
	head.Set("X-Frame-Options", "DENY")
	head.Set("Referrer-Policy", "no-referrer")
	head.Set("Cross-Origin-Opener-Policy", "same-origin")
	head.Set("Cross-Origin-Resource-Policy", "same-origin")
	head.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		head.Set("Allow", "GET, HEAD")
		http.Error(w, "The page can only be read.", http.StatusMethodNotAllowed)
		return
	}
	f, cache := h.page, "no-cache"
	if r.URL.Path != "/" {
		var ok bool
		if f, ok = h.files[strings.TrimPrefix(r.URL.Path, "/assets/")]; !ok {
			head.Set("Cache-Control", "no-store")
			http.Error(w, "There is no such file; reload the page.", http.StatusNotFound)
			return
		}
		cache = "public, max-age=31536000, immutable"
	}
	head.Set("Cache-Control", cache)
	head.Set("Content-Type", f.kind)
	head.Set("ETag", f.etag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.body))
}
