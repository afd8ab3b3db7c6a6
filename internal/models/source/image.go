package source

import (
	"context"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"regexp"
	"strings"

	"ashatai/internal/core"
)

const (
	defaultNamespace = "library" // of registries whose names may leave it out
	imageHint        = "A token for the registry of the settings is set by pull.registry_token."
)

// The grammar of repositories and references, from the OCI distribution specification.
var (
	repoPattern = regexp.MustCompile(`^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$`)
	tagPattern  = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$`)
	hostPattern = regexp.MustCompile(`^(?:[A-Za-z0-9](?:[A-Za-z0-9.-]{0,250}[A-Za-z0-9])?|\[[0-9a-fA-F:]+\])(?::[0-9]{1,5})?$`)
)

// imageRef is a model in a registry.
type imageRef struct {
	host   string // with a port, perhaps; empty: the registry of the settings
	repo   string
	tag    string // or a digest
	name   string // canonical; empty: derive
	schema string // "oci://", or empty
}

func (i imageRef) String() string {
	s := i.schema
	if i.host != "" {
		s += i.host + "/"
	}
	if strings.Contains(i.tag, ":") {
		return s + i.repo + "@" + i.tag
	}
	return s + i.repo + ":" + i.tag
}

// parseRegistryName reads [host/][namespace/]name[:tag].
func parseRegistryName(s string) (*imageRef, error) {
	n, err := core.ParseModelName(s)
	if err != nil {
		return nil, err
	}
	i := &imageRef{host: n.Host, tag: n.Tag, name: n.String()}
	i.repo = n.Namespace + "/" + n.Name
	if n.Namespace == "" {
		i.repo = defaultNamespace + "/" + n.Name
	}
	if n.Host != "" && !hostPattern.MatchString(n.Host) {
		return nil, core.Invalid("source", "%.100q is no host of a registry.", n.Host)
	}
	return i, nil
}

// parseImage reads host/repo[:tag][@digest].
func parseImage(s string) (*imageRef, error) {
	host, rest, _ := strings.Cut(s, "/")
	i := &imageRef{host: strings.ToLower(host), repo: rest, tag: "latest", schema: "oci://"}
	if repo, digest, ok := strings.Cut(i.repo, "@"); ok {
		hex, isSHA := strings.CutPrefix(digest, "sha256:")
		if !isSHA || !validSHA(hex) {
			return nil, core.Invalid("source", "%.100q is not a digest; it is written sha256: and 64 hexadecimal digits.", digest)
		}
		i.repo, i.tag = repo, digest
	}
	if repo, tag, ok := strings.Cut(i.repo, ":"); ok {
		if i.repo = repo; !strings.Contains(i.tag, ":") {
			i.tag = tag
		}
	}
	if !hostPattern.MatchString(i.host) || len(i.repo) > 255 || !repoPattern.MatchString(i.repo) || !strings.Contains(i.tag, ":") && !tagPattern.MatchString(i.tag) {
		return nil, core.Invalid("source", "%.200q names no image; it is written oci://host/repository:tag.", "oci://"+s)
	}
	return i, nil
}

// loopback hosts are asked without TLS, as every tool for registries does.
func loopback(u *url.URL) bool {
	if u.Hostname() == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(u.Hostname())
	return err == nil && a.Unmap().IsLoopback()
}

// endpoint is the address of the registry that a name leads to, and the credential that is for it.
func (r *Resolver) endpoint(ref *imageRef) (*url.URL, string, error) {
	if ref.host == "" {
		if r.registry == nil {
			return nil, "", core.Invalid("source", "No registry is set, so %s leads nowhere. Set pull.registry to the address of one, as `ASHATAI__PULL__REGISTRY=https://…` or in ashatai.yaml, and start the server again; or give the path or URL of a file.", strings.TrimPrefix(ref.String(), defaultNamespace+"/"))
		}
		return r.registry, r.set.RegistryToken.now(), nil
	}
	if r.registry != nil && strings.EqualFold(r.registry.Host, ref.host) {
		return r.registry, r.set.RegistryToken.now(), nil
	}
	u := &url.URL{Scheme: "https", Host: ref.host}
	if loopback(u) {
		u.Scheme = "http"
	}
	return u, "", nil
}

func (r *Resolver) resolveImage(ctx context.Context, ref *imageRef) (Found, error) {
	base, credential, err := r.endpoint(ref)
	if err != nil {
		return Found{}, err
	}
	g := registry{
		session: &session{do: r.do, base: base, credential: credential, repo: ref.repo},
		at:      base.JoinPath("v2").JoinPath(strings.Split(ref.repo, "/")...),
		host:    base.Hostname(), what: ref.String(),
	}
	m, err := g.manifest(ctx, ref.tag)
	if err != nil {
		return Found{}, err
	}
	found := Found{Doer: g.session, Host: g.host, Name: ref.name, From: ref.String()}
	if err := g.describe(ctx, m, &found); err != nil {
		return Found{}, err
	}
	if found.File == "" {
		found.File = path.Base(ref.repo) + fileSuffix
		if !strings.Contains(ref.tag, ":") && ref.tag != "latest" {
			found.File = path.Base(ref.repo) + "-" + ref.tag + fileSuffix
		}
	}
	return found, nil
}

// registry is one repository of a registry.
type registry struct {
	session *session
	at      *url.URL // of the repository
	host    string
	what    string // for sentences
}

// blob reads a small layer and holds it to its digest.
func (g registry) blob(ctx context.Context, d descriptor, limit int64) ([]byte, error) {
	if d.Size > limit {
		return nil, core.Errorf(core.CodeBadModel, "A part of %s (%s) has %d bytes; at most %d are allowed.", g.what, d.MediaType, d.Size, limit)
	}
	ans, err := get(ctx, g.session, g.at.JoinPath("blobs", d.Digest).String(), g.host, "", limit)
	if err != nil {
		return nil, err
	}
	if ans.status != http.StatusOK {
		return nil, refused(ans.status, g.host, "part of "+g.what, imageHint)
	}
	if digestOf(ans.body) != d.Digest {
		return nil, core.Errorf(core.CodeBadModel, "A part of %s (%s) is not what its digest says; pull again, or from elsewhere.", g.what, d.MediaType)
	}
	return ans.body, nil
}
