package get

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"ashatai/internal/blob"
	"ashatai/internal/core"
	"ashatai/internal/gguf/gguftest"
	"ashatai/internal/models/fetch"
	"ashatai/internal/models/source"
	"ashatai/internal/netx"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// offering is a server that offers one model file as a hub and as a registry.
type offering struct {
	*httptest.Server
	data   []byte
	layers map[string]string // media type → content
	files  atomic.Int64      // requests for the file
	asked  atomic.Int64      // others
	hold   chan struct{}     // nil, or closed when the file may be sent
}

func offer(t *testing.T, data []byte, layers map[string]string) *offering {
	t.Helper()
	s := &offering{data: data, layers: layers}
	file := func(w http.ResponseWriter, r *http.Request) {
		s.files.Add(1)
		if s.hold != nil {
			<-s.hold
		}
		w.Header().Set("ETag", `"1"`)
		w.Header().Set("Content-Type", "application/octet-stream")
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(s.data))
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/models/Team/tiny/revision/main", func(w http.ResponseWriter, _ *http.Request) {
		s.asked.Add(1)
		_, _ = fmt.Fprintf(w, `{"siblings":[{"rfilename":"Tiny.Q4_K_M.gguf","lfs":{"sha256":%q,"size":%d}}]}`, sum(s.data), len(s.data))
	})
	mux.HandleFunc("GET /Team/tiny/resolve/main/Tiny.Q4_K_M.gguf", file)
	mux.HandleFunc("GET /v2/library/tiny/manifests/{tag}", func(w http.ResponseWriter, _ *http.Request) {
		s.asked.Add(1)
		type layer struct {
			MediaType string `json:"mediaType"` //nolint:tagliatelle // the format's own name
			Digest    string `json:"digest"`
			Size      int    `json:"size"`
		}
		list := []layer{{"application/vnd.ollama.image.model", "sha256:" + sum(s.data), len(s.data)}}
		for kind, text := range s.layers {
			list = append(list, layer{kind, "sha256:" + sum([]byte(text)), len(text)})
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"layers": list})
	})
	mux.HandleFunc("GET /v2/library/tiny/blobs/{digest}", func(w http.ResponseWriter, r *http.Request) {
		for _, text := range s.layers {
			if r.PathValue("digest") == "sha256:"+sum([]byte(text)) {
				_, _ = w.Write([]byte(text))
				return
			}
		}
		file(w, r)
	})
	s.Server = httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

// house is a getter whose way out is the real one, with this machine allowed.
type house struct {
	*Getter
	cfg Config
}

func home(t *testing.T, change func(*Config)) *house {
	t.Helper()
	out, err := netx.New(netx.Policy{Allow: []string{"127.0.0.1"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(out.Close)
	blobs, err := blob.Open(filepath.Join(t.TempDir(), "blobs"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = blobs.Close() })
	h := &house{cfg: Config{
		Fetch: out, Blobs: blobs, Log: slog.New(slog.DiscardHandler), Now: time.Now, Download: fetch.Limits{Piece: 4 << 10, RetryWait: time.Millisecond},
	}}
	if change != nil {
		change(&h.cfg)
	}
	if h.Getter, err = New(h.cfg); err != nil {
		t.Fatal(err)
	}
	return h
}

// at is a home whose hub and registry are the offering.
func at(t *testing.T, s *offering) *house {
	t.Helper()
	return home(t, func(c *Config) { c.Sources = source.Settings{Hub: s.URL, Registry: s.URL} })
}

// get takes all steps of a pull but those that name the model. told are the statuses, each once, and the notes.
func (h *house) get(ctx context.Context, req Request) (man *core.Manifest, told []string, err error) {
	tell := func(p Progress) {
		if n := len(told); n == 0 || told[n-1] != p.Status {
			told = append(told, p.Status)
		}
	}
	src, err := Parse(req)
	if err != nil {
		return nil, told, err
	}
	if src, err = h.Resolve(ctx, src, tell); err != nil {
		return nil, told, err
	}
	sha, err := h.Obtain(ctx, src, tell)
	if err != nil {
		return nil, told, err
	}
	if man, err = h.DescribeBlob(src, sha); err != nil {
		return nil, told, err
	}
	if note := src.Annotate(man); note != "" {
		told = append(told, note)
	}
	return man, told, nil
}

// followers waits until so many follow the download of a file.
func (h *house) followers(t *testing.T, sha string, n int) {
	t.Helper()
	for {
		h.flights.mu.Lock()
		f := h.flights.running[sha]
		there := f != nil && f.followers == n
		h.flights.mu.Unlock()
		if there {
			return
		}
		select {
		case <-t.Context().Done():
			t.Fatal("not all came")
		case <-time.After(time.Millisecond):
		}
	}
}

func wantFile(t *testing.T, h *house, data []byte) {
	t.Helper()
	if got, err := os.ReadFile(h.cfg.Blobs.Path(sum(data))); err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

func wantCode(t *testing.T, err error, code core.Code, words ...string) {
	t.Helper()
	for _, w := range append(words, "") {
		if core.CodeOf(err) != code || !strings.Contains(err.Error(), w) {
			t.Errorf("%v; want %s with %q", err, code, w)
		}
	}
}

func tiny(t *testing.T, template string) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := gguftest.TinyLlama(&b, gguftest.Options{Width: 32, Layers: 1, Template: template}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func sum(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

const template = "{{ messages[0].content }}"

func TestFromHub(t *testing.T) {
	t.Parallel()
	s := offer(t, tiny(t, template), nil)
	h := at(t, s)
	man, told, err := h.get(t.Context(), Request{Source: "hf:Team/tiny"})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(told, []string{StatusPulling, StatusVerifying}) || man.Name != "tiny:q4_k_m" || man.Source != "hf:Team/tiny:Tiny.Q4_K_M.gguf" || man.Labels != nil ||
		!slices.Equal(man.Aliases, []string{"Tiny.Q4_K_M.gguf", "hf:team/tiny"}) {
		t.Errorf("%v, %+v", told, man)
	}
	wantFile(t, h, s.data)
	// Again: the hub is asked, the file is there.
	files := s.files.Load()
	if files < 2 {
		t.Errorf("the file came in %d requests", files)
	}
	if man, _, err = h.get(t.Context(), Request{Source: "hf:Team/tiny", Name: "second", SHA256: sum(s.data)}); err != nil || man.Name != "second:latest" || s.files.Load() != files {
		t.Errorf("again: %v, %d requests", err, s.files.Load())
	}
	_, _, err = h.get(t.Context(), Request{Source: "hf:Team/tiny", SHA256: sum(nil)})
	wantCode(t, err, core.CodeBadModel, "Nothing was downloaded")
	_, _, err = h.get(t.Context(), Request{Source: "hf:team/none"})
	wantCode(t, err, core.CodeNotFound, "team/none")
}

func TestFromRegistry(t *testing.T) {
	t.Parallel()
	const own = "application/vnd.ollama.image."
	layers := map[string]string{
		own + "template": "{{ .Prompt }}", own + "system": "Be kind.", own + "license": "Free.", own + "params": `{"stop":["<e>"],"temperature":0.5,"num_ctx":512,"numa":true}`,
	}
	for name, c := range map[string]struct {
		own  string // the file's template
		note string
		chat bool
	}{
		"its own template": {template, "the chat template of the model file is.", true},
		"no template":      {"", "does not chat", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := offer(t, tiny(t, c.own), layers)
			h := at(t, s)
			man, told, err := h.get(t.Context(), Request{Source: "Tiny"})
			if err != nil {
				t.Fatal(err)
			}
			if man.Name != "tiny:latest" || man.System != "Be kind." || man.License != "Free." || *man.Defaults.Temperature != 0.5 ||
				man.Window != 512 || man.Stop[0] != "<e>" || man.Template != c.own || man.Can(core.CapChat) != c.chat {
				t.Errorf("%+v", man)
			}
			for _, where := range []string{man.Labels[LabelNotes], strings.Join(told, "\n")} {
				if !strings.Contains(where, c.note) || !strings.Contains(where, "not used: numa.") {
					t.Errorf("%q does not tell", where)
				}
			}
			wantFile(t, h, s.data)
		})
	}
}

func TestImageWithTemplate(t *testing.T) {
	t.Parallel()
	for jinja, want := range map[string]string{"{{ messages[1].content }}": "{{ messages[1].content }}", "{% for": ""} {
		s := offer(t, tiny(t, ""), map[string]string{"application/vnd.x.template.jinja": jinja})
		man, _, err := at(t, s).get(t.Context(), Request{Source: "oci://" + strings.TrimPrefix(s.URL, "http://") + "/library/tiny:x"})
		if err != nil {
			t.Fatal(err)
		}
		if man.Template != want || man.Can(core.CapChat) != (want != "") || (man.Labels == nil) != (want != "") {
			t.Errorf("%+v", man)
		}
	}
}

// TestMany: twenty callers, one download.
func TestMany(t *testing.T) {
	t.Parallel()
	s := offer(t, tiny(t, ""), nil)
	s.hold = make(chan struct{})
	h := at(t, s)
	const callers = 20
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			if _, _, err := h.get(t.Context(), Request{Source: []string{"hf:Team/tiny", "tiny"}[i%2]}); err != nil {
				t.Error(err)
			}
		})
	}
	h.followers(t, sum(s.data), callers)
	if n := s.files.Load(); n > 1 {
		t.Errorf("%d downloads began", n)
	}
	close(s.hold)
	wg.Wait()
	wantFile(t, h, s.data)
}

// TestLeaderLeaves: a download belongs to all who follow it, and ends with the last.
func TestLeaderLeaves(t *testing.T) {
	t.Parallel()
	s := offer(t, tiny(t, ""), nil)
	s.hold = make(chan struct{})
	h := at(t, s)
	ctx, leave := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		_, _, err := h.get(ctx, Request{Source: "tiny"})
		wantCode(t, err, core.CodeCancelled)
		close(s.hold)
	})
	h.followers(t, sum(s.data), 1)
	wg.Go(func() {
		if _, _, err := h.get(t.Context(), Request{Source: "tiny"}); err != nil {
			t.Errorf("the second: %v", err)
		}
	})
	h.followers(t, sum(s.data), 2)
	leave()
	wg.Wait()
	wantFile(t, h, s.data)
}

// TestLastLeaves: the last one that leaves waits for the end of the download, so that nothing goes on unseen.
func TestLastLeaves(t *testing.T) {
	t.Parallel()
	s := offer(t, tiny(t, ""), nil)
	s.hold = make(chan struct{})
	defer close(s.hold)
	h := at(t, s)
	ctx, leave := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		_, _, err := h.get(ctx, Request{Source: "tiny"})
		ended <- err
	}()
	h.followers(t, sum(s.data), 1)
	leave()
	wantCode(t, <-ended, core.CodeCancelled)
	if p, err := h.cfg.Blobs.Partial(sum(s.data)); err != nil {
		t.Errorf("the download goes on: %v", err)
	} else if err := p.Close(); err != nil {
		t.Error(err)
	}
}

// TestOtherAddress: who followed a download from a bad address tries his own.
func TestOtherAddress(t *testing.T) {
	t.Parallel()
	s := offer(t, tiny(t, ""), nil)
	asked, goOn := make(chan struct{}), make(chan struct{})
	bad := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(asked)
		<-goOn
		w.WriteHeader(http.StatusNotFound)
	}))
	t.Cleanup(bad.Close)
	h := at(t, s)
	var wg sync.WaitGroup
	wg.Go(func() {
		_, _, err := h.get(t.Context(), Request{Source: bad.URL, SHA256: sum(s.data)})
		wantCode(t, err, core.CodeNotFound)
	})
	<-asked
	wg.Go(func() {
		if _, _, err := h.get(t.Context(), Request{Source: "tiny"}); err != nil {
			t.Errorf("the good address: %v", err)
		}
	})
	h.followers(t, sum(s.data), 2)
	close(goOn)
	wg.Wait()
	wantFile(t, h, s.data)
}

func TestWithoutRoom(t *testing.T) {
	t.Parallel()
	s := offer(t, tiny(t, ""), nil)
	h := home(t, func(c *Config) {
		c.Sources.Registry = s.URL
		c.Room = func(_ context.Context, need int64) error {
			return core.Errorf(core.CodeDiskFull, "No room for %d bytes.", need)
		}
	})
	_, _, err := h.get(t.Context(), Request{Source: "tiny"})
	wantCode(t, err, core.CodeDiskFull, strconv.Itoa(len(s.data)))
	if s.files.Load() != 0 {
		t.Error("the file was asked for")
	}
	path := filepath.Join(t.TempDir(), "x.gguf")
	if err := os.WriteFile(path, s.data, 0o600); err != nil {
		t.Fatal(err)
	}
	_, _, err = h.get(t.Context(), Request{Source: path})
	wantCode(t, err, core.CodeDiskFull, strconv.Itoa(len(s.data)))
}

// TestFile: a file of this machine becomes a blob, by its path.
func TestFile(t *testing.T) {
	t.Parallel()
	h, data := home(t, nil), tiny(t, "")
	path := filepath.Join(t.TempDir(), "A Model.Q4_0.gguf")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	man, told, err := h.get(t.Context(), Request{Source: path})
	if err != nil || man.Name != "a-model:q4_0" || man.Source != "A Model.Q4_0.gguf" || man.Digest != sum(data) || told[len(told)-1] != StatusVerifying {
		t.Errorf("%v, %+v, %v", told, man, err)
	}
	wantFile(t, h, data)
	_, _, err = h.get(t.Context(), Request{Source: path, SHA256: sum(nil)})
	wantCode(t, err, core.CodeBadModel)
	_, err = h.DescribeBlob(Uploaded(), sum(nil))
	wantCode(t, err, core.CodeNotFound)
	if man, err := h.DescribeBlob(Uploaded(), sum(data)); err != nil || man.Source != "upload" {
		t.Errorf("%+v, %v", man, err)
	}
}

func TestNamed(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"hf:a/b": true, "OCI://h/x": true, "tiny": true, "ns/tiny:q4": true, "h.test/ns/tiny": true,
		"/tmp/x": false, "./x": false, "../x": false, "~/x": false, "x.gguf": false, "a/b.GGUF": false, `c:\x`: false, "https://h/x": false,
	} {
		if named(text) != want {
			t.Errorf("%q: %v", text, !want)
		}
	}
}

func TestSourcesOfSettings(t *testing.T) {
	t.Parallel()
	_, err := New(Config{Sources: source.Settings{Hub: "nonsense"}})
	wantCode(t, err, core.CodeInvalidRequest, "pull.hub")
	h := home(t, nil)
	for _, name := range []string{"hf:a/b", "tiny"} {
		_, _, err := h.get(t.Context(), Request{Source: name})
		wantCode(t, err, core.CodeInvalidRequest, "Set pull.")
	}
	_, _, err = h.get(t.Context(), Request{Source: "hf:nothing"})
	wantCode(t, err, core.CodeInvalidRequest, "hf:owner/repo")
}

func TestParse(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		req  Request
		word string
	}{
		"nothing":      {Request{}, "Say where"},
		"no hash":      {Request{Source: "https://example.test/x.gguf"}, "needs its sha256"},
		"short hash":   {Request{Source: "https://example.test/x.gguf", SHA256: "abc"}, "64 hexadecimal"},
		"bad name":     {Request{Source: "https://example.test/x.gguf", Name: "../x", SHA256: sum(nil)}, "name"},
		"other scheme": {Request{Source: "ftp://example.test/x.gguf", SHA256: sum(nil)}, `"ftp"`},
		"credentials":  {Request{Source: "https://user:pw@example.test/x", SHA256: sum(nil)}, "without credentials"},
		"no host":      {Request{Source: "https:///x", SHA256: sum(nil)}, "not a valid URL"},
		"odd URL":      {Request{Source: "https://exa mple/%zz?token=secret", SHA256: sum(nil)}, "not a valid URL"},
		"relative":     {Request{Source: "models/x.gguf"}, "not absolute"},
	} {
		_, err := Parse(c.req)
		if e := core.AsError(err); e == nil || e.Code != core.CodeInvalidRequest || !strings.Contains(e.Message, c.word) || strings.Contains(e.Message, "secret") {
			t.Errorf("%s: %v; want %q", name, err, c.word)
		}
	}
}
