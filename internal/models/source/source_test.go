package source

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"ashatai/internal/core"
	"ashatai/internal/netx"
)

func token(text string) Token { return func() string { return text } }

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func client(t *testing.T) Doer {
	t.Helper()
	c, err := netx.New(netx.Policy{Allow: []string{"127.0.0.1"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// server answers by path, and fails the test where it is not asked as it should be.
func server(t *testing.T, routes map[string]http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h := routes[r.URL.Path]; h != nil {
			h(w, r)
			return
		}
		w.WriteHeader(http.StatusNotFound)
	}))
	t.Cleanup(s.Close)
	return s
}

func text(s string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(s)) }
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

func resolve(t *testing.T, set Settings, name string) (Found, error) {
	t.Helper()
	r, err := NewResolver(client(t), set)
	if err != nil {
		t.Fatal(err)
	}
	ref, err := Parse(name)
	if err != nil {
		return Found{}, err
	}
	return r.Resolve(t.Context(), ref)
}

func wantCode(t *testing.T, err error, code core.Code, words ...string) {
	t.Helper()
	e := core.AsError(err)
	if e == nil || e.Code != code {
		t.Fatalf("%v; want %s", err, code)
	}
	for _, w := range words {
		if !strings.Contains(e.Message, w) {
			t.Errorf("%q does not say %q", e.Message, w)
		}
	}
}

func hex64(c string) string { return strings.Repeat(c, shaHex) }

const commit = "0123456789abcdef0123456789abcdef01234567"

func repository(files ...string) string {
	var list []string
	for i, f := range files {
		list = append(list, fmt.Sprintf(`{"rfilename":%q,"size":%d,"lfs":{"sha256":%q,"size":%d}}`, f, 100+i, hex64(strconv.Itoa(i)), 100+i))
	}
	return `{"sha":"` + commit + `","siblings":[{"rfilename":"README.md","size":7},` + strings.Join(list, ",") + `]}`
}

func TestHub(t *testing.T) {
	t.Parallel()
	var seen []string
	s := server(t, map[string]http.HandlerFunc{
		"/base/api/models/Team/Tiny-GGUF/revision/main": func(w http.ResponseWriter, r *http.Request) {
			seen = append(seen, r.URL.RawQuery+" "+r.Header.Get("Authorization"))
			text(repository("tiny.Q8_0.gguf", "tiny.Q4_K_M.gguf", "sub dir/tiny-UD-Q4_K_M.gguf", "mmproj-tiny.Q4_K_M.gguf", "big-Q6_K-00001-of-00002.gguf"))(w, r)
		},
	})
	set := Settings{Hub: s.URL + "/base/", HubToken: token("secret")}
	for name, want := range map[string]Found{
		"hf:Team/Tiny-GGUF":                             {URL: "/base/Team/Tiny-GGUF/resolve/" + commit + "/tiny.Q4_K_M.gguf", SHA256: hex64("1"), Size: 101, File: "tiny.Q4_K_M.gguf", From: "hf:Team/Tiny-GGUF:tiny.Q4_K_M.gguf"},
		"HF:Team/Tiny-GGUF:q8_0":                        {URL: "/base/Team/Tiny-GGUF/resolve/" + commit + "/tiny.Q8_0.gguf", SHA256: hex64("0"), Size: 100, File: "tiny.Q8_0.gguf", From: "hf:Team/Tiny-GGUF:tiny.Q8_0.gguf"},
		"hf:Team/Tiny-GGUF:UD-Q4_K_M":                   {URL: "/base/Team/Tiny-GGUF/resolve/" + commit + "/sub%20dir/tiny-UD-Q4_K_M.gguf", SHA256: hex64("2"), Size: 102, File: "tiny-UD-Q4_K_M.gguf", From: "hf:Team/Tiny-GGUF:sub dir/tiny-UD-Q4_K_M.gguf"},
		"hf:Team/Tiny-GGUF:TINY.q4_k_m.GGUF":            {URL: "/base/Team/Tiny-GGUF/resolve/" + commit + "/tiny.Q4_K_M.gguf", SHA256: hex64("1"), Size: 101, File: "tiny.Q4_K_M.gguf", From: "hf:Team/Tiny-GGUF:tiny.Q4_K_M.gguf"},
		"hf:Team/Tiny-GGUF:sub dir/tiny-UD-Q4_K_M.gguf": {URL: "/base/Team/Tiny-GGUF/resolve/" + commit + "/sub%20dir/tiny-UD-Q4_K_M.gguf", SHA256: hex64("2"), Size: 102, File: "tiny-UD-Q4_K_M.gguf", From: "hf:Team/Tiny-GGUF:sub dir/tiny-UD-Q4_K_M.gguf"},
		"hf:Team/Tiny-GGUF:sub dir":                     {URL: "/base/Team/Tiny-GGUF/resolve/" + commit + "/sub%20dir/tiny-UD-Q4_K_M.gguf", SHA256: hex64("2"), Size: 102, File: "tiny-UD-Q4_K_M.gguf", From: "hf:Team/Tiny-GGUF:sub dir/tiny-UD-Q4_K_M.gguf"},
	} {
		got, err := resolve(t, set, name)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got.Doer, got.URL, got.Host = nil, strings.TrimPrefix(got.URL, s.URL), ""
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
	}
	for _, q := range seen {
		if q != "blobs=true Bearer secret" {
			t.Errorf("asked %q", q)
		}
	}
	_, err := resolve(t, set, "hf:Team/Tiny-GGUF:Q6_K")
	wantCode(t, err, core.CodeUnsupported, "split", "big-Q6_K-00001-of-00002.gguf")
	_, err = resolve(t, set, "hf:Team/Tiny-GGUF:Q2_K")
	wantCode(t, err, core.CodeInvalidRequest, "Q2_K", "tiny.Q8_0.gguf")
	_, err = resolve(t, set, "hf:Team/None")
	wantCode(t, err, core.CodeNotFound, "Team/None")
	_, err = resolve(t, Settings{}, "hf:Team/Tiny-GGUF")
	wantCode(t, err, core.CodeInvalidRequest, "pull.hub")
}

func TestHubRefusals(t *testing.T) {
	t.Parallel()
	s := server(t, map[string]http.HandlerFunc{
		"/api/models/a/gated/revision/main":  status(http.StatusForbidden),
		"/api/models/a/busy/revision/main":   status(http.StatusTooManyRequests),
		"/api/models/a/odd/revision/main":    status(http.StatusTeapot),
		"/api/models/a/page/revision/main":   text("<html>"),
		"/api/models/a/none/revision/main":   text(`{"siblings":[{"rfilename":"model.safetensors"}]}`),
		"/api/models/a/split/revision/main":  text(repository("m-00001-of-00002.gguf", "m-00002-of-00002.gguf")),
		"/api/models/a/twice/revision/main":  text(repository("x-Q4_0.gguf", "y-Q4_0.gguf")),
		"/api/models/a/nosha/revision/main":  text(`{"siblings":[{"rfilename":"m.gguf"},{"rfilename":"../../etc/passwd.gguf"}]}`),
		"/api/models/a/nosha/tree/main":      text(`[{"type":"file","path":"m.gguf","size":3}]`),
		"/api/models/a/notree/revision/main": text(`{"siblings":[{"rfilename":"m.gguf"}]}`),
		"/api/models/a/tree/revision/main":   text(`{"siblings":[{"rfilename":"m.gguf"}]}`),
		"/api/models/a/tree/tree/main": func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Query().Get("cursor") == "" {
				w.Header().Set("Link", `<?recursive=true&cursor=x>; rel="next"`)
				text(`[{"type":"directory","path":"d"}]`)(w, r)
				return
			}
			text(`[{"type":"file","path":"m.gguf","size":3,"lfs":{"oid":"`+hex64("a")+`","size":9}}]`)(w, r)
		},
		"/api/models/a/away/revision/main": text(`{"siblings":[{"rfilename":"m.gguf"}]}`),
		"/api/models/a/away/tree/main": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Link", `<http://127.0.0.1:1/x>; rel="next"`)
			text(`[]`)(w, r)
		},
		"/api/models/a/badtree/revision/main": text(`{"siblings":[{"rfilename":"m.gguf"}]}`),
		"/api/models/a/badtree/tree/main":     text(`{}`),
	})
	set := Settings{Hub: s.URL}
	for name, c := range map[string]struct {
		code core.Code
		word string
	}{
		"gated": {core.CodeForbidden, "pull.hub_token"}, "busy": {core.CodeUnavailable, "429"}, "odd": {core.CodeUnavailable, "418"},
		"page": {core.CodeBadModel, "pull.hub"}, "none": {core.CodeNotFound, "no GGUF"}, "split": {core.CodeUnsupported, "split"},
		"twice:q4_0": {core.CodeInvalidRequest, "x-Q4_0.gguf, y-Q4_0.gguf"}, "nosha": {core.CodeBadModel, "sha256"},
		"notree": {core.CodeNotFound, "a/notree"}, "away": {core.CodeBadModel, "another server"}, "badtree": {core.CodeBadModel, "list"},
	} {
		_, err := resolve(t, set, "hf:a/"+name)
		if e := core.AsError(err); e == nil || e.Code != c.code || !strings.Contains(e.Message, c.word) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got, err := resolve(t, set, "hf:a/tree"); err != nil || got.SHA256 != hex64("a") || got.Size != 9 {
		t.Errorf("a tree of two pages: %+v, %v", got, err)
	}
	if got, err := resolve(t, set, "hf:a/twice"); err != nil || got.File != "x-Q4_0.gguf" {
		t.Errorf("the first of two: %+v, %v", got, err)
	}
}

// image is a registry with one repository.
type image struct {
	*httptest.Server
	blobs  map[string]string
	tags   map[string]string
	wants  string // the Authorization without which nothing is told
	realm  string
	tokens atomic.Int64
}

func newImage(t *testing.T, repo string) *image {
	t.Helper()
	s := &image{blobs: map[string]string{}, tags: map[string]string{}}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/token" {
			s.tokens.Add(1)
			if q := r.URL.Query(); q.Get("service") != "reg" || q.Get("scope") != "repository:"+repo+":pull" {
				t.Errorf("token for %v", q)
			}
			_, _ = fmt.Fprintf(w, `{"token":"for-%s"}`, strings.ReplaceAll(r.Header.Get("Authorization"), " ", "-"))
			return
		}
		if s.wants != "" && r.Header.Get("Authorization") != s.wants {
			w.Header().Add("WWW-Authenticate", `Basic realm="x"`)
			if s.realm != "" {
				w.Header().Add("WWW-Authenticate", `Bearer realm="`+s.realm+`",service="reg"`)
			}
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		rest, ok := strings.CutPrefix(r.URL.Path, "/v2/"+repo+"/")
		kind, ref, _ := strings.Cut(rest, "/")
		body, found := s.blobs[ref]
		if kind == "manifests" {
			if m, ok := s.tags[ref]; ok {
				body, found = m, true
			}
			if !strings.Contains(r.Header.Get("Accept"), "vnd.oci.image.manifest") {
				t.Errorf("accepts %q", r.Header.Get("Accept"))
			}
		}
		if !ok || !found {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *image) layer(kind, content string) descriptor {
	s.blobs[digestOf([]byte(content))] = content
	return descriptor{MediaType: kind, Digest: digestOf([]byte(content)), Size: int64(len(content))}
}

func (s *image) tag(t *testing.T, tag string, m manifest) string {
	t.Helper()
	b, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	s.tags[tag], s.blobs[digestOf(b)] = string(b), string(b)
	return digestOf(b)
}

const own = "application/vnd.ollama.image."

func TestRegistry(t *testing.T) {
	t.Parallel()
	s := newImage(t, "library/tiny")
	model := s.layer(own+"model", "the weights")
	s.tag(t, "1b", manifest{Layers: []descriptor{
		model, s.layer(own+"template", "{{ .Prompt }}"), s.layer(own+"system", "Be kind."), s.layer(own+"license", "Free."), s.layer(own+"license", "Really."),
		s.layer(own+"params", `{"stop":["<e>"],"temperature":0.5,"top_k":-1,"seed":-1,"num_ctx":2048,"num_gpu":1,"top_p":7,"min_p":0.1,"typical_p":0.9,"repeat_penalty":1.1,"repeat_last_n":8,"presence_penalty":0.1,"frequency_penalty":0.2}`),
		s.layer(own+"projector", "eyes"), s.layer(own+"messages", "[]"),
	}})
	got, err := resolve(t, Settings{Registry: s.URL}, "Tiny:1B")
	if err != nil {
		t.Fatal(err)
	}
	num := func(f float64) *float64 { return &f }
	zero, eight := 0, 8
	want := Found{
		URL: s.URL + "/v2/library/tiny/blobs/" + model.Digest, Host: "127.0.0.1", SHA256: strings.TrimPrefix(model.Digest, "sha256:"), Size: 11,
		File: "tiny-1b.gguf", Name: "tiny:1b", From: "library/tiny:1b", System: "Be kind.", License: "Free.\n\nReally.", Foreign: true,
		Defaults: core.Sampling{
			Temperature: num(0.5), TopK: &zero, MinP: num(0.1), TypicalP: num(0.9), RepeatPenalty: num(1.1), RepeatLastN: &eight,
			PresencePenalty: num(0.1), FrequencyPenalty: num(0.2),
		},
		Stop: []string{"<e>"}, Window: 2048, Notes: got.Notes,
	}
	got.Doer = nil
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	notes := strings.Join(got.Notes, "\n")
	for _, w := range []string{"num_gpu, top_p", "pictures", "messages"} {
		if !strings.Contains(notes, w) {
			t.Errorf("the notes do not say %q: %s", w, notes)
		}
	}
	// The same registry by its address.
	host := strings.TrimPrefix(s.URL, "http://")
	if got, err := resolve(t, Settings{}, host+"/library/tiny:1b"); err != nil || got.Name != host+"/library/tiny:1b" || got.URL != want.URL {
		t.Errorf("by its host: %+v, %v", got, err)
	}
	_, err = resolve(t, Settings{}, "tiny")
	wantCode(t, err, core.CodeInvalidRequest, "pull.registry")
	_, err = resolve(t, Settings{Registry: s.URL}, "tiny:2b")
	wantCode(t, err, core.CodeNotFound, "tiny:2b")
}

func TestImage(t *testing.T) {
	t.Parallel()
	s := newImage(t, "team/tiny")
	host := strings.TrimPrefix(s.URL, "http://")
	titled := s.layer("application/octet-stream", "the weights")
	titled.Annotations = map[string]string{titleKey: "dir/Tiny.Q4_0.gguf"}
	plain := s.tag(t, "plain", manifest{Layers: []descriptor{titled, s.layer("text/vnd.template.jinja", "{{ x }}")}})
	empty := s.tag(t, "empty", manifest{Layers: []descriptor{s.layer("text/plain", "x")}})
	index := func(digests ...string) manifest {
		var m manifest
		for _, d := range digests {
			m.Manifests = append(m.Manifests, descriptor{MediaType: "application/vnd.oci.image.manifest.v1+json", Digest: d})
		}
		return m
	}
	s.tag(t, "index", index(empty, plain))
	s.tag(t, "emptyindex", index(empty))
	gguf := s.layer("application/vnd.docker.ai.gguf.v3", "one")
	s.tag(t, "two", manifest{Layers: []descriptor{gguf, s.layer("application/x-gguf", "two")}})
	s.tag(t, "packed", manifest{Layers: []descriptor{s.layer("application/vnd.oci.image.layer.v1.tar+gzip", "zip")}})
	s.tag(t, "adapter", manifest{Layers: []descriptor{gguf, s.layer(own+"adapter", "a")}})
	s.tag(t, "params", manifest{Layers: []descriptor{gguf, s.layer(own+"params", "[")}})
	s.tag(t, "binary", manifest{Layers: []descriptor{gguf, s.layer(own+"system", "\xff")}})
	lies := s.layer(own+"system", "told")
	s.blobs[lies.Digest] = "lies"
	s.tag(t, "lies", manifest{Layers: []descriptor{gguf, lies}})
	long := lies
	long.Size = maxText + 1
	s.tag(t, "long", manifest{Layers: []descriptor{gguf, long}})
	gone := descriptor{MediaType: own + "system", Digest: "sha256:" + hex64("a")}
	s.tag(t, "gone", manifest{Layers: []descriptor{gguf, gone}})
	s.tags["broken"] = "{"
	s.blobs["sha256:"+hex64("b")] = "another manifest"

	for _, ref := range []string{":plain", "@" + plain, ":other@" + plain, ":index"} {
		got, err := resolve(t, Settings{}, "oci://"+host+"/team/tiny"+ref)
		if err != nil || got.File != "Tiny.Q4_0.gguf" || got.Name != "" || got.Template != "{{ x }}" || got.URL != s.URL+"/v2/team/tiny/blobs/"+titled.Digest {
			t.Errorf("%s: %+v, %v", ref, got, err)
		}
	}
	for ref, c := range map[string]struct {
		code core.Code
		word string
	}{
		":empty": {core.CodeUnsupported, "no GGUF"}, ":emptyindex": {core.CodeUnsupported, "no GGUF"}, ":two": {core.CodeUnsupported, "2 GGUF files"},
		":packed": {core.CodeUnsupported, "packed"}, ":adapter": {core.CodeUnsupported, "adapter"}, ":params": {core.CodeBadModel, "parameters"},
		":binary": {core.CodeBadModel, "not text"}, ":lies": {core.CodeBadModel, "digest"}, ":long": {core.CodeBadModel, "at most"},
		":gone": {core.CodeNotFound, "part of"}, ":broken": {core.CodeBadModel, "manifest"}, "@sha256:" + hex64("b"): {core.CodeBadModel, "digest"},
		":none": {core.CodeNotFound, "team/tiny:none"},
	} {
		_, err := resolve(t, Settings{}, "oci://"+host+"/team/tiny"+ref)
		if e := core.AsError(err); e == nil || e.Code != c.code || !strings.Contains(e.Message, c.word) {
			t.Errorf("%s: %v", ref, err)
		}
	}
}

// TestToken: a registry's token is fetched once, kept, and renewed when it is refused.
func TestToken(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ credential, wants string }{
		"nobody":   {"", "Bearer for-"},
		"a token":  {"secret", "Bearer for-Bearer-secret"},
		"password": {"me:pw", "Bearer for-Basic-bWU6cHc="},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newImage(t, "library/tiny")
			s.wants, s.realm = c.wants, "/token"
			s.tag(t, "latest", manifest{Layers: []descriptor{s.layer(own+"model", "w"), s.layer(own+"system", "s")}})
			got, err := resolve(t, Settings{Registry: s.URL, RegistryToken: token(c.credential)}, "tiny")
			if err != nil || s.tokens.Load() != 1 {
				t.Fatalf("%+v, %v, %d tokens", got, err, s.tokens.Load())
			}
			if code := ask(t, got); code != http.StatusOK || s.tokens.Load() != 1 {
				t.Errorf("the file: %d, %d tokens", code, s.tokens.Load())
			}
			s.wants = "Bearer another"
			if code := ask(t, got); code != http.StatusUnauthorized || s.tokens.Load() != 2 {
				t.Errorf("after it ended: %d, %d tokens", code, s.tokens.Load())
			}
		})
	}
	s := newImage(t, "library/tiny")
	s.wants = "Basic bWU6cHc="
	s.tag(t, "latest", manifest{Layers: []descriptor{s.layer(own+"model", "w")}})
	if _, err := resolve(t, Settings{Registry: s.URL, RegistryToken: token("me:pw")}, "tiny"); err != nil {
		t.Errorf("without a realm: %v", err)
	}
	_, err := resolve(t, Settings{Registry: s.URL}, "tiny")
	wantCode(t, err, core.CodeForbidden, "pull.registry_token")
}

func ask(t *testing.T, f Found) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, f.URL, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := f.Doer.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}

// TestCredentialsStay: no other host ever sees a credential, neither as a realm, nor behind a redirect.
func TestCredentialsStay(t *testing.T) {
	t.Parallel()
	var leaks, asked atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if r.Header.Get("Authorization") != "" {
			leaks.Add(1)
		}
		if r.URL.Path == "/refuse" {
			w.Header().Set("WWW-Authenticate", `Bearer realm="/elsewhere"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = w.Write([]byte(`{"access_token":"given"}`))
	}))
	t.Cleanup(other.Close)
	s := newImage(t, "library/tiny")
	s.wants, s.realm = "Bearer given", other.URL+"/token"
	s.tag(t, "latest", manifest{Layers: []descriptor{s.layer(own+"model", "w")}})
	if _, err := resolve(t, Settings{Registry: s.URL, RegistryToken: token("secret")}, "tiny"); err != nil {
		t.Fatal(err)
	}
	hub := server(t, map[string]http.HandlerFunc{
		"/api/models/a/b/revision/main":      text(repository("m.gguf")),
		"/a/b/resolve/" + commit + "/m.gguf": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other.URL+"/file", http.StatusFound) },
		"/v2/library/moved/manifests/latest": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, other.URL+"/refuse", http.StatusFound)
		},
		"/api/models/a/moved/revision/main": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, other.URL+"/refuse", http.StatusFound)
		},
	})
	got, err := resolve(t, Settings{Hub: hub.URL, HubToken: token("secret")}, "hf:a/b")
	if err != nil || ask(t, got) != http.StatusOK {
		t.Fatal(err)
	}
	_, err = resolve(t, Settings{Hub: hub.URL, HubToken: token("secret")}, "hf:a/moved")
	wantCode(t, err, core.CodeForbidden)
	_, err = resolve(t, Settings{Registry: hub.URL, RegistryToken: token("secret")}, "moved")
	wantCode(t, err, core.CodeForbidden)
	if asked.Load() != 4 || leaks.Load() != 0 {
		t.Errorf("asked %d times, %d with a credential", asked.Load(), leaks.Load())
	}
	// A realm that is not secure is not asked by a registry that is.
	base, err := url.Parse("https://registry.test")
	if err != nil {
		t.Fatal(err)
	}
	secure := &session{do: client(t), base: base}
	req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	_, err = secure.token(req, challenge{realm: other.URL})
	wantCode(t, err, core.CodeForbidden, "not secure")
}

func TestBadTokens(t *testing.T) {
	t.Parallel()
	for body, code := range map[string]core.Code{"{": core.CodeBadModel, `{"token":"a\nb"}`: core.CodeBadModel, `{}`: ""} {
		if _, err := parseToken([]byte(body)); core.CodeOf(err) != code {
			t.Errorf("%s: %v", body, err)
		}
	}
	s := newImage(t, "library/tiny")
	s.wants, s.realm = "never", "/nowhere"
	_, err := resolve(t, Settings{Registry: s.URL}, "tiny")
	wantCode(t, err, core.CodeForbidden, "token for library/tiny")
}

func TestNames(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"hf:", "hf:a", "hf:a/b/c", "hf:a/../b", "hf:../b", "hf:a/b:", "hf:a/b:../x.gguf", "hf:a/b:/x", "hf:a/b:x//y.gguf", "hf:a b/c", "oci://", "oci://host",
		"oci://host/UPPER", "oci://host/x:", "oci://host/x@sha256:1", "oci://ho st/x", "oci://user@host/x:y", "oci://host/../x", "", "a/b/c/d", "-x", "a:b:c/d",
	} {
		if _, err := Parse(name); core.CodeOf(err) != core.CodeInvalidRequest {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, set := range []Settings{{Hub: "hub.test"}, {Hub: "ftp://x"}, {Registry: "https://u:p@x"}, {Registry: "https://x?y"}, {Registry: "https://"}} {
		if _, err := NewResolver(nil, set); core.CodeOf(err) != core.CodeInvalidRequest {
			t.Errorf("%+v: %v", set, err)
		}
	}
	r, err := NewResolver(nil, Settings{Registry: "https://reg.test:443", RegistryToken: token("t")})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"x": "https://reg.test:443 t", "reg.test:443/a/x": "https://reg.test:443 t", "other.test/a/x": "https://other.test ", "oci://127.0.0.1:5000/x": "http://127.0.0.1:5000 ", "oci://[::1]:5000/x": "http://[::1]:5000 ", "oci://localhost/x": "http://localhost ",
	} {
		ref, err := Parse(name)
		if err != nil {
			t.Fatal(err)
		}
		u, credential, err := r.endpoint(ref.image)
		if err != nil || u.String()+" "+credential != want {
			t.Errorf("%s: %v %q, %v", name, u, credential, err)
		}
	}
}

func TestUnreachable(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(nil)
	s.Close()
	_, err := resolve(t, Settings{Hub: s.URL}, "hf:a/b")
	wantCode(t, err, core.CodeUnavailable)
	// What the guard does not let out is not asked.
	guarded, err := netx.New(netx.Policy{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(guarded.Close)
	r, err := NewResolver(guarded, Settings{})
	if err != nil {
		t.Fatal(err)
	}
	ref, err := Parse("oci://127.0.0.1:5000/x:y")
	if err != nil {
		t.Fatal(err)
	}
	_, err = r.Resolve(t.Context(), ref)
	wantCode(t, err, core.CodeForbidden, "network.allow")
	big := server(t, map[string]http.HandlerFunc{"/v2/library/x/manifests/latest": text(strings.Repeat(" ", maxManifest+1))})
	_, err = resolve(t, Settings{Registry: big.URL}, "x")
	wantCode(t, err, core.CodeBadModel, "larger")
}
