package get

import (
	"net/url"
	"path"
	"path/filepath"
	"strings"

	"ashatai/internal/blob"
	"ashatai/internal/core"
	"ashatai/internal/models/facts"
	"ashatai/internal/models/naming"
	"ashatai/internal/models/source"
)

// Request says which model to install.
type Request struct {
	Source string // an absolute file path on the server's machine, an http or https URL, or a name that package source parses
	Name   string // the model's name; empty: the name in the registry, else made from the file's name
	SHA256 string // of the file, hex; a URL needs one
}

// Progress is one step of a pull.
type Progress struct {
	Status    string // one of the Status constants, or a note: a sentence that is to be shown
	Digest    string // sha256 of the file, lower-case hex; empty while unknown
	Completed int64  // bytes
	Total     int64  // bytes; 0 while unknown
}

// The steps of a pull, in their order.
const (
	StatusPulling   = "pulling"
	StatusVerifying = "verifying sha256"
	StatusSharing   = "writing to the bucket" // where one is set
	StatusManifest  = "writing manifest"
	StatusCurrent   = "already up to date" // where the model is installed, and just so
	StatusSuccess   = "success"
)

// Supply is a checked Request: where a file comes from, and what is known of it.
type Supply struct {
	Name   string // canonical; empty: derive
	SHA256 string // of the file, lower-case hex; empty: unknown

	url  *url.URL // nil: a file
	path string   // absolute
	file string   // the file's name
	from string   // for the manifest: without credentials
	size int64    // bytes; 0: unknown

	ref     *source.Ref  // not resolved yet; nil: none, or done
	found   source.Found // what the server of ref says
	alias   string       // how the caller named ref, in lower case; empty: the caller chose a name
	fetcher Fetcher      // asks for url
}

// Parse checks a request. Nothing is asked or read. Errors: CodeInvalidRequest.
func Parse(req Request) (Supply, error) {
	src := Supply{SHA256: strings.TrimPrefix(strings.ToLower(strings.TrimSpace(req.SHA256)), "sha256:")}
	if src.SHA256 != "" && !blob.ValidSHA256(src.SHA256) {
		return Supply{}, core.Invalid("sha256", "%.80q is not a sha256; it is written as 64 hexadecimal digits.", req.SHA256)
	}
	if req.Name != "" {
		n, err := core.ParseModelName(req.Name)
		if err != nil {
			return Supply{}, err
		}
		src.Name = n.String()
	}
	text := strings.TrimSpace(req.Source)
	if text == "" {
		return Supply{}, core.Invalid("source", "Say where the model comes from: the path of a GGUF file, its URL, or its name in a hub or a registry.")
	}
	switch {
	case named(text):
		return src.withName(text)
	case strings.Contains(text, "://"):
		return src.withURL(text)
	}
	return src.withPath(text)
}

func (src Supply) withPath(text string) (Supply, error) {
	if !filepath.IsAbs(text) {
		return Supply{}, core.Invalid("source", "The path %.200q is not absolute; give the whole path of the file on the server's machine.", text)
	}
	src.path = filepath.Clean(text)
	src.file = naming.FileName(filepath.Base(src.path))
	src.from = src.file
	return src, nil
}

func (src Supply) withURL(text string) (Supply, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "":
		return Supply{}, core.Invalid("source", "%.200q is not a valid URL.", withoutQuery(text))
	case u.Scheme != "http" && u.Scheme != "https":
		return Supply{}, core.Invalid("source", "The URL scheme %.20q is not supported; use http or https, or the path of a file.", u.Scheme)
	case u.User != nil:
		return Supply{}, core.Invalid("source", "The URL holds a user name or password; use a URL without credentials.")
	case src.SHA256 == "":
		return Supply{}, core.Invalid("sha256",
			"A model from a URL needs its sha256: whoever controls the server or the way to it could hand out another file. The page that offers the model shows it.")
	}
	u.Fragment = ""
	src.url, src.file = u, naming.FileName(path.Base(u.Path))
	src.from = withoutQuery(u.String())
	return src, nil
}

// withoutQuery cuts what may hold a secret, such as a signature.
func withoutQuery(u string) string {
	u, _, _ = strings.Cut(u, "?")
	return u
}

// Uploaded is what is known of a blob that a client sent.
func Uploaded() Supply { return Supply{file: "upload" + facts.Suffix, from: "upload"} }
