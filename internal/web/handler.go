package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"
)

// dist is what web/ is built into. The folder is in the repository with nothing in it, so that the program can be compiled
// without the page.
//
//go:embed all:dist
var dist embed.FS

// policy lets the page load its own files and call its own server, and nothing else: no inline code, no frames, no forms that
// leave, and no text that turns into markup.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

const missing = "This server was built without its page; build it with “make build”, which needs Node and npm. The API works without it."

// file is one embedded file as it is sent.
type file struct {
	kind   string // Content-Type
	etag   string
	body   []byte
	packed []byte // gzip; nil where that saves nothing
}

type handler struct {
	page  *file           // nil: not built
	files map[string]file // by path below /
}

// Handler serves the page at "/" and its files below "/assets/". A file's name holds a hash of what is in it, so a browser
// keeps it for good. Methods other than GET and HEAD are refused.
func Handler() http.Handler {
	root, err := fs.Sub(dist, "dist")
	if err != nil {
		panic(err) // the folder is part of the binary
	}
	return newHandler(root)
}

func newHandler(root fs.FS) *handler {
	h := &handler{files: map[string]file{}}
	if body, err := fs.ReadFile(root, "index.html"); err == nil {
		f := newFile("index.html", body)
		h.page = &f
	}
	entries, err := fs.ReadDir(root, "assets")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		panic(err)
	}
	for _, e := range entries {
		name := "assets/" + e.Name()
		body, err := fs.ReadFile(root, name)
		if err != nil {
			panic(err)
		}
		h.files[name] = newFile(name, body)
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
	return file{kind: kinds[path.Ext(name)], etag: hex.EncodeToString(sum[:8]), body: body, packed: pack(body)}
}

// pack compresses, and gives nil where that saves nothing.
func pack(body []byte) []byte {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		panic(err) // the level is a constant
	}
	_, err = w.Write(body)
	if err = errors.Join(err, w.Close()); err != nil {
		panic(err) // memory takes everything
	}
	if b.Len() >= len(body) {
		return nil
	}
	return b.Bytes()
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
	cache := "public, max-age=31536000, immutable"
	f, ok := h.files[strings.TrimPrefix(r.URL.Path, "/")]
	if r.URL.Path == "/" {
		if h.page == nil {
			head.Set("Cache-Control", "no-store")
			http.Error(w, missing, http.StatusOK)
			return
		}
		f, ok, cache = *h.page, true, "no-cache"
	}
	if !ok {
		head.Set("Cache-Control", "no-store")
		http.Error(w, "There is no such file; reload the page.", http.StatusNotFound)
		return
	}
	head.Set("Cache-Control", cache)
	head.Set("Content-Type", f.kind)
	f.send(w, r)
}

// send sends the compressed form to who takes it. A part of a file is always one of the plain form.
func (f file) send(w http.ResponseWriter, r *http.Request) {
	head := w.Header()
	head.Add("Vary", "Accept-Encoding")
	body, tag := f.body, `"`+f.etag+`"`
	if f.packed != nil && r.Header.Get("Range") == "" && takesGzip(r.Header.Get("Accept-Encoding")) {
		head.Set("Content-Encoding", "gzip")
		body, tag = f.packed, `"`+f.etag+`-gzip"`
	}
	head.Set("ETag", tag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
}

// takesGzip reads an Accept-Encoding header (RFC 9110, section 12.5.3) as far as it is about gzip.
func takesGzip(accept string) bool {
	for part := range strings.SplitSeq(accept, ",") {
		coding, weight, _ := strings.Cut(part, ";")
		if strings.EqualFold(strings.TrimSpace(coding), "gzip") {
			q := strings.ReplaceAll(weight, " ", "")
			return q != "q=0" && q != "q=0.0" && q != "q=0.00" && q != "q=0.000"
		}
	}
	return false
}
