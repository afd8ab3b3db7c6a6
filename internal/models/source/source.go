// Package source finds out where the file of a model that somebody names by hub, registry or image lies, what its sha256
// is, and what else is said about it there.
//
// It refuses to download model files, to write anything, to send a credential to any host but the one it is for, and to
// name a place to ask that nobody set.
package source

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"ashatai/internal/core"
)

const askTimeout = time.Minute // of one request about a model, not of its file

// Doer sends a request to the outside. It decides what may be reached, and carries no credential to another host that a
// redirect leads to.
type Doer interface {
	Do(req *http.Request) (*http.Response, error)
}

// Settings say whom to ask.
type Settings struct {
	Hub           string // URL of a hub's endpoint; empty: names that begin with "hf:" are refused
	HubToken      Token  // sent to the hub alone
	Registry      string // URL of the registry for names without a host; empty: those are refused
	RegistryToken Token  // "user:password" or a token, sent to that registry alone
}

// Token is a credential that is asked for whenever it is needed, since it can change. One that is empty, or nil, is none.
type Token func() string

func (t Token) now() string {
	if t == nil {
		return ""
	}
	return t()
}

// Found is a model file that a server offers, and what the server says about it.
type Found struct {
	Doer   Doer   // sends the request for the file with the credentials that it needs
	URL    string // of the file; it holds no secret
	Host   string // of the URL
	SHA256 string // of the file, lower-case hex
	Size   int64  // bytes; 0: not said
	File   string // the file's name
	Name   string // canonical name for the model; empty: derive it from the file
	From   string // the source in its full form

	System   string
	License  string
	Template string        // Jinja; empty: the file's own counts
	Foreign  bool          // there is a template in another language, which cannot be used
	Defaults core.Sampling // checked
	Stop     []string
	Window   int      // tokens per sequence; 0: not said
	Notes    []string // what of the source is not taken over, each as a sentence
}

// Ref is a parsed name. Its zero value names nothing.
type Ref struct {
	hub   *hubRef
	image *imageRef
}

// Resolver asks servers about names. It is safe for concurrent use.
type Resolver struct {
	do       Doer
	set      Settings
	hub      *url.URL // nil: not set
	registry *url.URL // nil: not set
}

// NewResolver makes a resolver. It fails with CodeInvalidRequest when an address of the settings is none.
func NewResolver(do Doer, set Settings) (*Resolver, error) {
	r := &Resolver{do: do, set: set}
	for _, e := range []struct {
		key, text string
		to        **url.URL
	}{{"pull.hub", set.Hub, &r.hub}, {"pull.registry", set.Registry, &r.registry}} {
		if e.text == "" {
			continue
		}
		u, err := url.Parse(strings.TrimRight(strings.TrimSpace(e.text), "/"))
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
			return nil, core.Invalid(e.key, "The setting %s is no address of a server; write https:// and its host, without a user name.", e.key)
		}
		*e.to = u
	}
	return r, nil
}

// Parse reads the name of a model that a server offers: "hf:owner/repo[:quant or file]", "oci://host/repo[:tag]",
// "[host/][namespace/]name[:tag]".
func Parse(text string) (Ref, error) {
	if rest, ok := cutFold(text, "hf:"); ok {
		h, err := parseHub(rest)
		return Ref{hub: h}, err
	}
	if rest, ok := cutFold(text, "oci://"); ok {
		i, err := parseImage(rest)
		return Ref{image: i}, err
	}
	i, err := parseRegistryName(text)
	return Ref{image: i}, err
}

func cutFold(s, prefix string) (string, bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return s, false
	}
	return s[len(prefix):], true
}

// Name is the canonical name that the model gets; empty when it is made from the file's.
func (r Ref) Name() string {
	if r.image == nil {
		return ""
	}
	return r.image.name
}

// Resolve asks the server that a name leads to. Errors: CodeInvalidRequest when a setting is missing or the name does not
// choose one file, CodeNotFound, CodeForbidden, CodeUnsupported for a model that is stored in a way that cannot be served,
// CodeBadModel for an answer that makes no sense, CodeUnavailable.
func (r *Resolver) Resolve(ctx context.Context, ref Ref) (Found, error) {
	if ref.hub != nil {
		return r.resolveHub(ctx, ref.hub)
	}
	return r.resolveImage(ctx, ref.image)
}

// sameOrigin compares scheme, host and port.
func sameOrigin(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && strings.EqualFold(a.Hostname(), b.Hostname()) && port(a) == port(b)
}

func port(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case u.Scheme == "https":
		return "443"
	}
	return "80"
}
