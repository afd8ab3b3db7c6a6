package source

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"path"
	"strings"
	"unicode"

	"ashatai/internal/core"
)

const (
	maxPages   = 20
	maxFiles   = 20_000
	shaHex     = 64
	maxPath    = 1024
	maxHubPart = 96
	hubHint    = "Accept the licence on its page, and set pull.hub_token to a token that may read it."
)

// hubRef is "owner/repo[:quant or file]".
type hubRef struct {
	repo string
	want string
}

func (h hubRef) String() string {
	if h.want == "" {
		return "hf:" + h.repo
	}
	return "hf:" + h.repo + ":" + h.want
}

func parseHub(s string) (*hubRef, error) {
	repo, want, _ := strings.Cut(s, ":")
	owner, name, ok := strings.Cut(repo, "/")
	if !ok || !validHubPart(owner) || !validHubPart(name) {
		return nil, core.Invalid("source", "%.100q names no repository of a hub; it is written hf:owner/repo, with :Q4_K_M or :file.gguf behind it to choose a file.", "hf:"+s)
	}
	if want != "" && !validPath(want) || strings.HasSuffix(s, ":") {
		return nil, core.Invalid("source", "%.100q names no file of a repository.", want)
	}
	return &hubRef{repo: repo, want: want}, nil
}

func validHubPart(s string) bool {
	return s != "" && len(s) <= maxHubPart && !strings.Contains(s, "..") && !strings.HasPrefix(s, ".") && strings.IndexFunc(s, func(r rune) bool {
		return r != '-' && r != '_' && r != '.' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	}) < 0
}

// validPath takes a path inside a repository.
func validPath(s string) bool {
	return s != "" && len(s) <= maxPath && path.Clean("/"+s) == "/"+s && !strings.ContainsRune(s, '\\') &&
		strings.IndexFunc(s, func(r rune) bool { return unicode.IsControl(r) || r == unicode.ReplacementChar }) < 0
}

// hubDoer adds the hub's token to requests that go to the hub.
type hubDoer struct {
	do    Doer
	hub   *url.URL
	token string
}

func (d hubDoer) Do(req *http.Request) (*http.Response, error) {
	if d.token != "" && sameOrigin(req.URL, d.hub) {
		req = req.Clone(req.Context())
		req.Header.Set("Authorization", "Bearer "+d.token)
	}
	return d.do.Do(req)
}

func (r *Resolver) resolveHub(ctx context.Context, ref *hubRef) (Found, error) {
	if r.hub == nil {
		return Found{}, core.Invalid("source", "No hub is set. Set pull.hub to the address of one, as `ASHATAI__PULL__HUB=https://…` or in ashatai.yaml, and start the server again.")
	}
	do := hubDoer{do: r.do, hub: r.hub, token: r.set.HubToken.now()}
	what := "repository " + ref.repo
	at := r.hub.JoinPath("api", "models", ref.repo, "revision", "main")
	at.RawQuery = "blobs=true"
	ans, err := get(ctx, do, at.String(), r.hub.Hostname(), "application/json", maxAnswer)
	if err != nil {
		return Found{}, err
	}
	if ans.status != http.StatusOK {
		return Found{}, refused(ans.status, r.hub.Hostname(), what, hubHint)
	}
	rev, list, err := parseRepo(ans.body)
	if err != nil {
		return Found{}, err
	}
	chosen, err := choose(list, ref.want)
	if err != nil {
		return Found{}, err
	}
	if chosen.sha == "" {
		if chosen, err = r.lookInTree(ctx, do, ref.repo, rev, chosen); err != nil {
			return Found{}, err
		}
	}
	file := r.hub.JoinPath(ref.repo, "resolve", rev).JoinPath(strings.Split(chosen.path, "/")...)
	return Found{
		Doer: do, URL: file.String(), Host: r.hub.Hostname(), SHA256: chosen.sha, Size: chosen.size,
		File: path.Base(chosen.path), From: (hubRef{repo: ref.repo, want: chosen.path}).String(),
	}, nil
}

// lfs is what a hub says of a file that it keeps as a large one.
type lfs struct {
	SHA256 string `json:"sha256"`
	OID    string `json:"oid"` // the same, in listings of a tree
	Size   int64  `json:"size"`
}

func (l *lfs) offer(file string, size int64) offer {
	o := offer{path: file, size: max(size, 0)}
	if l == nil {
		return o
	}
	for _, s := range []string{l.SHA256, l.OID} {
		if s = strings.ToLower(strings.TrimPrefix(s, "sha256:")); validSHA(s) {
			o.sha = s
		}
	}
	if l.Size > 0 {
		o.size = l.Size
	}
	return o
}

func validSHA(s string) bool { return len(s) == shaHex && strings.Trim(s, "0123456789abcdef") == "" }

// parseRepo reads what a hub says of a repository: the revision, and its files.
func parseRepo(data []byte) (rev string, list []offer, err error) {
	var repo struct {
		SHA      string `json:"sha"`
		Siblings []struct {
			File string `json:"rfilename"`
			Size int64  `json:"size"`
			LFS  *lfs   `json:"lfs"`
		} `json:"siblings"`
	}
	if err := json.Unmarshal(data, &repo); err != nil {
		return "", nil, core.Wrap(core.CodeBadModel, err, "What the hub says of the repository cannot be read; check that pull.hub is the address of a hub.")
	}
	if rev = strings.ToLower(repo.SHA); rev == "" || len(rev) > shaHex || strings.Trim(rev, "0123456789abcdef") != "" {
		rev = "main"
	}
	for _, s := range repo.Siblings[:min(len(repo.Siblings), maxFiles)] {
		if validPath(s.File) {
			list = append(list, s.LFS.offer(s.File, s.Size))
		}
	}
	return rev, list, nil
}

// lookInTree finds the sha256 of a file in the listing of the tree, for hubs that do not tell it with the repository.
func (r *Resolver) lookInTree(ctx context.Context, do Doer, repo, rev string, want offer) (offer, error) {
	at := r.hub.JoinPath("api", "models", repo, "tree", rev)
	at.RawQuery = "recursive=true"
	for range maxPages {
		ans, err := get(ctx, do, at.String(), r.hub.Hostname(), "application/json", maxAnswer)
		if err != nil {
			return offer{}, err
		}
		if ans.status != http.StatusOK {
			return offer{}, refused(ans.status, r.hub.Hostname(), "list of the files of "+repo, hubHint)
		}
		list, err := parseTree(ans.body)
		if err != nil {
			return offer{}, err
		}
		for _, o := range list {
			if o.path == want.path && o.sha != "" {
				return o, nil
			}
		}
		next := nextPage(ans.head)
		if next == "" {
			break
		}
		u, err := at.Parse(next)
		if err != nil || !sameOrigin(u, r.hub) {
			return offer{}, core.Errorf(core.CodeBadModel, "The hub leads to another server for the rest of its list, which is not followed.")
		}
		at = u
	}
	return offer{}, core.Errorf(core.CodeBadModel, "The hub does not tell the sha256 of %s, so nothing would prove the file. Pull it by its URL with a sha256 that you know.", want.path)
}

func parseTree(data []byte) ([]offer, error) {
	var tree []struct {
		Type string `json:"type"`
		Path string `json:"path"`
		Size int64  `json:"size"`
		LFS  *lfs   `json:"lfs"`
	}
	if err := json.Unmarshal(data, &tree); err != nil {
		return nil, core.Wrap(core.CodeBadModel, err, "The hub's list of files cannot be read; check that pull.hub is the address of a hub.")
	}
	var list []offer
	for _, t := range tree[:min(len(tree), maxFiles)] {
		if t.Type == "file" && validPath(t.Path) {
			list = append(list, t.LFS.offer(t.Path, t.Size))
		}
	}
	return list, nil
}

// nextPage finds the next page in Link headers (RFC 8288).
func nextPage(h http.Header) string {
	for _, line := range h.Values("Link") {
		for link := range strings.SplitSeq(line, ",") {
			target, params, ok := strings.Cut(strings.TrimSpace(link), ">")
			if target, found := strings.CutPrefix(target, "<"); ok && found && strings.Contains(params, `rel="next"`) {
				return target
			}
		}
	}
	return ""
}
