package models

import (
	"context"
	"errors"
	"net/url"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"ashatai/internal/blob"
	"ashatai/internal/core"
	"ashatai/internal/models/facts"
	"ashatai/internal/models/source"
)

// PullRequest says which model to install.
type PullRequest struct {
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
	StatusSuccess   = "success"
)

// supply is a checked PullRequest.
type supply struct {
	url  *url.URL // nil: a file
	path string   // absolute
	file string   // the file's name
	from string   // for the manifest: without credentials
	name string   // canonical; empty: derive
	sha  string   // lower-case hex; empty: unknown
	size int64    // bytes; 0: unknown

	ref     *source.Ref  // not resolved yet; nil: none, or done
	found   source.Found // what the server of ref says
	alias   string       // how the caller named ref, in lower case; empty: the caller chose a name
	fetcher Fetcher      // asks for url
}

// Pull installs a model from a file, a URL, a hub or a registry. progress may be nil; it is called from one goroutine at a time. A
// download that was cut off goes on where it stopped, also after a restart, and pulls of the same file share one
// download. The file counts only when its sha256 is right and our reader accepts it.
func (m *Models) Pull(ctx context.Context, req PullRequest, progress func(Progress)) (*core.Manifest, error) {
	if progress == nil {
		progress = func(Progress) {}
	}
	src, err := parseSource(req)
	if err != nil {
		return nil, err
	}
	if src.ref != nil {
		progress(Progress{Status: StatusPulling})
		if src, err = m.resolve(ctx, src); err != nil {
			return nil, err
		}
		for _, n := range src.found.Notes {
			progress(Progress{Status: n})
		}
	}
	if err := m.nameIsFree(src.name, src.sha); err != nil {
		return nil, err
	}
	const tries = 5 // a file's sha256 is known only after it was added, and somebody may remove the same file just then
	for range tries {
		man, err := m.pullOnce(ctx, src, progress)
		if !errors.Is(err, errBlobGone) {
			return man, err
		}
	}
	return nil, core.Errorf(core.CodeConflict, "The file of this model was removed while it was being installed; pull it again.")
}

// errBlobGone says that a blob went away before it was held.
var errBlobGone = errors.New("blob is gone")

func (m *Models) pullOnce(ctx context.Context, src supply, progress func(Progress)) (man *core.Manifest, err error) {
	unshared := false
	if src.sha != "" {
		m.hold(src.sha)
		defer func() { err = errors.Join(err, m.release(src.sha, unshared)) }()
	}
	sha, err := m.obtain(ctx, src, progress)
	if err != nil {
		return nil, err
	}
	if src.sha == "" {
		m.hold(sha)
		defer func() { err = errors.Join(err, m.release(sha, unshared)) }()
	}
	if _, ok := m.cfg.Blobs.Has(sha); !ok {
		return nil, errBlobGone
	}
	if man, err = m.describe(src, sha); err != nil {
		return nil, err
	}
	if note := src.annotate(man); note != "" {
		progress(Progress{Status: note})
	}
	if err := m.share(ctx, man, progress); err != nil {
		unshared = true
		return nil, err
	}
	size := man.Files[0].Size
	progress(Progress{Status: StatusManifest, Digest: sha, Completed: size, Total: size})
	if man, err = m.commit(ctx, man); err != nil {
		return nil, err
	}
	progress(Progress{Status: StatusSuccess, Digest: sha, Completed: size, Total: size})
	return man, nil
}

// hold keeps a blob from being dropped while a pull is about to name it.
func (m *Models) hold(sha string) {
	m.mu.Lock()
	m.held[sha]++
	m.mu.Unlock()
}

// release ends a hold, and drops the blob when nothing came of it. One that only did not get into the bucket stays for another
// try, and is the collector's if there is none.
func (m *Models) release(sha string, unshared bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.held[sha]--; m.held[sha] == 0 {
		delete(m.held, sha)
	}
	if unshared {
		m.wanted[sha] = m.cfg.Now()
		return nil
	}
	return m.dropUnused(sha)
}

// CheckPull says what is wrong with a request, as Pull would, before anything is done. Errors: CodeInvalidRequest.
func CheckPull(req PullRequest) error {
	_, err := parseSource(req)
	return err
}

func parseSource(req PullRequest) (supply, error) {
	src := supply{sha: strings.TrimPrefix(strings.ToLower(strings.TrimSpace(req.SHA256)), "sha256:")}
	if src.sha != "" && !blob.ValidSHA256(src.sha) {
		return supply{}, core.Invalid("sha256", "%.80q is not a sha256; it is written as 64 hexadecimal digits.", req.SHA256)
	}
	if req.Name != "" {
		n, err := core.ParseModelName(req.Name)
		if err != nil {
			return supply{}, err
		}
		src.name = n.String()
	}
	text := strings.TrimSpace(req.Source)
	if text == "" {
		return supply{}, core.Invalid("source", "Say where the model comes from: the path of a GGUF file, its URL, or its name in a hub or a registry.")
	}
	switch {
	case named(text):
		return src.withName(text)
	case strings.Contains(text, "://"):
		return src.withURL(text)
	}
	return src.withPath(text)
}

func (src supply) withPath(text string) (supply, error) {
	if !filepath.IsAbs(text) {
		return supply{}, core.Invalid("source", "The path %.200q is not absolute; give the whole path of the file on the server's machine.", text)
	}
	src.path = filepath.Clean(text)
	src.file = fileName(filepath.Base(src.path))
	src.from = src.file
	return src, nil
}

func (src supply) withURL(text string) (supply, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "":
		return supply{}, core.Invalid("source", "%.200q is not a valid URL.", withoutQuery(text))
	case u.Scheme != "http" && u.Scheme != "https":
		return supply{}, core.Invalid("source", "The URL scheme %.20q is not supported; use http or https, or the path of a file.", u.Scheme)
	case u.User != nil:
		return supply{}, core.Invalid("source", "The URL holds a user name or password; use a URL without credentials.")
	case src.sha == "":
		return supply{}, core.Invalid("sha256",
			"A model from a URL needs its sha256: whoever controls the server or the way to it could hand out another file. The page that offers the model shows it.")
	}
	u.Fragment = ""
	src.url, src.file = u, fileName(path.Base(u.Path))
	src.from = withoutQuery(u.String())
	return src, nil
}

// withoutQuery cuts what may hold a secret, such as a signature.
func withoutQuery(u string) string {
	u, _, _ = strings.Cut(u, "?")
	return u
}

// fileName makes a source's last part fit to be shown and to be an alias.
func fileName(base string) string {
	base = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || unicode.IsControl(r) || r == '/' || r == '\\' {
			return -1
		}
		return r
	}, base)
	for len(base) > 200 || strings.HasPrefix(base, ".") {
		_, n := utf8.DecodeRuneInString(base)
		base = base[n:]
	}
	if base == "" {
		return "model" + facts.Suffix
	}
	return base
}

// nameIsFree refuses the name of a model whose file is not ours to replace, unless it is the same file.
func (m *Models) nameIsFree(name, sha string) error {
	if err := m.aliasIsFree(name); err != nil {
		return err
	}
	e := m.now.Load().byName[name]
	if e == nil || e.origin == originPulled || e.origin == originElsewhere || sha == "" || e.manifest.Digest == sha {
		return nil
	}
	return core.Errorf(core.CodeConflict, "The model name %s belongs to the file %s; pull under another name.", short(e), e.path)
}

// obtain makes the file a blob, and returns its sha256.
func (m *Models) obtain(ctx context.Context, src supply, progress func(Progress)) (string, error) {
	if src.url != nil {
		progress(Progress{Status: StatusPulling, Digest: src.sha})
		if _, ok := m.cfg.Blobs.Has(src.sha); ok {
			return src.sha, nil
		}
		return src.sha, m.fetch(ctx, src, progress)
	}
	progress(Progress{Status: StatusPulling, Digest: src.sha})
	info, err := m.cfg.Blobs.Add(ctx, blob.AddRequest{
		Path: src.path, Want: src.sha, Check: facts.Accepts,
		Read: func(n, total int64) {
			progress(Progress{Status: StatusPulling, Digest: src.sha, Completed: n, Total: total})
		},
	})
	if err != nil {
		return "", err
	}
	progress(Progress{Status: StatusVerifying, Digest: info.SHA256, Completed: info.Size, Total: info.Size})
	return info.SHA256, nil
}

// describe makes the manifest of a blob.
func (m *Models) describe(src supply, sha string) (*core.Manifest, error) {
	f, err := m.cfg.Blobs.Open(sha)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // only read
	fi, err := f.Stat()
	if err != nil {
		return nil, core.Wrap(core.CodeUnavailable, err, "The file of the model cannot be read; pull it again.")
	}
	man, err := facts.GGUF(f, fi.Size())
	if err != nil {
		return nil, err
	}
	identify(man, src.name, src.file, sha, fi.Size(), src.from, m.cfg.Now())
	return man, nil
}

// commit gives the blob its name.
func (m *Models) commit(ctx context.Context, man *core.Manifest) (*core.Manifest, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.aliasIsFree(man.Name); err != nil {
		return nil, err
	}
	if e := m.now.Load().byName[man.Name]; e != nil && e.origin != originPulled && e.origin != originElsewhere {
		return e.manifest, m.nameIsFree(man.Name, man.Digest)
	}
	e, err := m.installed(man)
	if err != nil {
		return nil, err
	}
	if err := m.shelf.Write(ctx, man); err != nil {
		return nil, err
	}
	at := m.shelf.Path(man.Name)
	pulled := found{good: []*entry{e}, bad: slices.DeleteFunc(slices.Clone(m.pulled.bad), func(f FailedFile) bool { return f.Path == at })}
	replaced := ""
	for _, o := range m.pulled.good {
		if o.manifest.Name == man.Name {
			replaced = o.manifest.Digest
			continue
		}
		pulled.good = append(pulled.good, o)
	}
	m.pulled = pulled
	m.rebuild()
	if replaced == "" {
		return man, nil
	}
	return man, m.dropUnused(replaced)
}
