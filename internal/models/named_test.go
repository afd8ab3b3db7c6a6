package models

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ashatai/internal/core"
	"ashatai/internal/gguf/gguftest"
	"ashatai/internal/models/source"
	"ashatai/internal/netx"
)

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
		(&host{data: s.data, tag: `"1"`}).serve(w, r)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/models/team/tiny/revision/main", func(w http.ResponseWriter, _ *http.Request) {
		s.asked.Add(1)
		_, _ = fmt.Fprintf(w, `{"siblings":[{"rfilename":"Tiny.Q4_K_M.gguf","lfs":{"sha256":%q,"size":%d}}]}`, sum(s.data), len(s.data))
	})
	mux.HandleFunc("GET /team/tiny/resolve/main/Tiny.Q4_K_M.gguf", file)
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

// guarded opens a house whose way out is the real one, with this machine allowed.
func guarded(t *testing.T, h *house, s *offering) *Models {
	t.Helper()
	c, err := netx.New(netx.Policy{Allow: []string{"127.0.0.1"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	h.cfg.Fetch, h.cfg.Download.Piece = c, 4<<10
	h.cfg.Sources = source.Settings{Hub: s.URL, Registry: s.URL}
	return h.open(t)
}

func TestPullFromHub(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	s := offer(t, tiny(t, gguftest.Options{Template: template}), nil)
	m := guarded(t, h, s)
	var st steps
	man, err := m.Pull(t.Context(), PullRequest{Source: "hf:team/tiny"}, st.add)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(allSteps, st.list); diff != "" || man.Name != "tiny:q4_k_m" || man.Source != "hf:team/tiny:Tiny.Q4_K_M.gguf" || man.Labels != nil {
		t.Errorf("%+v\n%s", man, diff)
	}
	for _, name := range []string{"tiny", "HF:team/Tiny", "Tiny.Q4_K_M.gguf"} {
		wantPulled(t, h.open(t), s.data, name)
	}
	// Again: the hub is asked, the file is there.
	files := s.files.Load()
	if files < 2 {
		t.Errorf("the file came in %d requests", files)
	}
	if _, err := m.Pull(t.Context(), PullRequest{Source: "hf:team/tiny", Name: "second", SHA256: sum(s.data)}, nil); err != nil || s.files.Load() != files {
		t.Errorf("again: %v, %d requests", err, s.files.Load())
	}
	_, err = m.Pull(t.Context(), PullRequest{Source: "hf:team/tiny", SHA256: sum(nil)}, nil)
	wantCode(t, err, core.CodeBadModel, "Nothing was downloaded")
	_, err = m.Pull(t.Context(), PullRequest{Source: "hf:team/none"}, nil)
	wantCode(t, err, core.CodeNotFound, "team/none")
}

func TestPullFromRegistry(t *testing.T) {
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
			h := newHouse(t)
			s := offer(t, tiny(t, gguftest.Options{Template: c.own}), layers)
			var st steps
			man, err := guarded(t, h, s).Pull(t.Context(), PullRequest{Source: "Tiny"}, st.add)
			if err != nil {
				t.Fatal(err)
			}
			if man.Name != "tiny:latest" || man.System != "Be kind." || man.License != "Free." || *man.Defaults.Temperature != 0.5 ||
				man.Window != 512 || man.Stop[0] != "<e>" || man.Template != c.own || man.Can(core.CapChat) != c.chat {
				t.Errorf("%+v", man)
			}
			for _, where := range []string{man.Labels[LabelNotes], strings.Join(st.list, "\n")} {
				if !strings.Contains(where, c.note) || !strings.Contains(where, "not used: numa.") {
					t.Errorf("%q does not tell", where)
				}
			}
			wantPulled(t, h.open(t), s.data, "tiny")
		})
	}
}

func TestPullImageWithTemplate(t *testing.T) {
	t.Parallel()
	for jinja, want := range map[string]string{"{{ messages[1].content }}": "{{ messages[1].content }}", "{% for": ""} {
		h := newHouse(t)
		s := offer(t, tiny(t, gguftest.Options{}), map[string]string{"application/vnd.x.template.jinja": jinja})
		man, err := guarded(t, h, s).Pull(t.Context(), PullRequest{Source: "oci://" + strings.TrimPrefix(s.URL, "http://") + "/library/tiny:x"}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if man.Template != want || man.Can(core.CapChat) != (want != "") || (man.Labels == nil) != (want != "") {
			t.Errorf("%+v", man)
		}
	}
}

// TestManyPulls: twenty callers, one download.
func TestManyPulls(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	s := offer(t, tiny(t, gguftest.Options{}), nil)
	s.hold = make(chan struct{})
	m := guarded(t, h, s)
	const callers = 20
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			if _, err := m.Pull(t.Context(), PullRequest{Source: []string{"hf:team/tiny", "tiny"}[i%2], Name: fmt.Sprintf("m%d", i)}, nil); err != nil {
				t.Error(err)
			}
		})
	}
	for m.followers(sum(s.data)) < callers {
		select {
		case <-t.Context().Done():
			t.Fatal("not all came")
		case <-time.After(time.Millisecond):
		}
	}
	if n := s.files.Load(); n > 1 {
		t.Errorf("%d downloads began", n)
	}
	close(s.hold)
	wg.Wait()
	if n := len(names(t, m)); n != callers {
		t.Errorf("%d models", n)
	}
}

func TestPullWithoutRoom(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	s := offer(t, tiny(t, gguftest.Options{}), nil)
	h.cfg.Room = func(need int64) error { return core.Errorf(core.CodeDiskFull, "No room for %d bytes.", need) }
	m := guarded(t, h, s)
	_, err := m.Pull(t.Context(), PullRequest{Source: "hf:team/tiny"}, nil)
	wantCode(t, err, core.CodeDiskFull, strconv.Itoa(len(s.data)))
	if s.files.Load() != 0 {
		t.Error("the file was asked for")
	}
	wantNothing(t, h, m)
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
	h := newHouse(t)
	h.cfg.Sources.Hub = "nonsense"
	_, err := Open(t.Context(), h.cfg)
	wantCode(t, err, core.CodeInvalidRequest, "pull.hub")
	h.cfg.Sources.Hub = ""
	m := h.open(t)
	for _, name := range []string{"hf:a/b", "tiny"} {
		_, err := m.Pull(t.Context(), PullRequest{Source: name}, nil)
		wantCode(t, err, core.CodeInvalidRequest, "Set pull.")
	}
	_, err = m.Pull(t.Context(), PullRequest{Source: "hf:nothing"}, nil)
	wantCode(t, err, core.CodeInvalidRequest, "hf:owner/repo")
}
