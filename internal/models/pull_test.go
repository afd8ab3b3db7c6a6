package models

import (
	"bytes"
	"context"
	"errors"
	"fmt"
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

	"github.com/google/go-cmp/cmp"

	"ashatai/internal/blob"
	"ashatai/internal/core"
	"ashatai/internal/gguf/gguftest"
	"ashatai/internal/models/get"
)

// steps collects the statuses of a pull, each once.
type steps struct {
	list []string
	last get.Progress
}

func (s *steps) add(p get.Progress) {
	if n := len(s.list); n == 0 || s.list[n-1] != p.Status {
		s.list = append(s.list, p.Status)
	}
	s.last = p
}

var allSteps = []string{get.StatusPulling, get.StatusVerifying, get.StatusManifest, get.StatusSuccess}

// host is a server of one file whose every answer a test can bend.
type host struct {
	*httptest.Server
	data  []byte
	tag   string
	asked atomic.Int64
	bend  func(n int64, w http.ResponseWriter, r *http.Request) bool // true: it answered
}

func newHost(t *testing.T, data []byte) *host {
	t.Helper()
	s := &host{data: data, tag: `"v1"`}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := s.asked.Add(1)
		if s.bend != nil && s.bend(n, w, r) {
			return
		}
		s.serve(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *host) serve(w http.ResponseWriter, r *http.Request) {
	if s.tag != "" {
		w.Header().Set("ETag", s.tag)
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(s.data))
}

func flush(w http.ResponseWriter) { _ = http.NewResponseController(w).Flush() }

// cut announces all that r asked for, sends part of it, and hangs up.
func (s *host) cut(w http.ResponseWriter, upTo int) {
	if s.tag != "" {
		w.Header().Set("ETag", s.tag)
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(s.data)))
	_, _ = w.Write(s.data[:upTo])
	flush(w)
	panic(http.ErrAbortHandler)
}

func (s *host) request() get.Request {
	return get.Request{Source: s.URL + "/models/Some-Model.Q4_0.gguf?token=secret", SHA256: sum(s.data)}
}

func wantPulled(t *testing.T, m *Models, data []byte, name string) {
	t.Helper()
	man, err := m.Resolve(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(m.Path(man)); err != nil || !bytes.Equal(got, data) {
		t.Errorf("the file of %s differs: %v", name, err)
	}
}

// wantNothing: no blob, no unfinished download and no manifest is left.
func wantNothing(t *testing.T, h *house, m *Models) {
	t.Helper()
	wantNames(t, m)
	for _, pattern := range []string{"blobs/*", "blobs/*/*", "models/manifests/*"} {
		list, err := filepath.Glob(filepath.Join(h.cfg.Home, pattern))
		if err != nil {
			t.Fatal(err)
		}
		list = slices.DeleteFunc(list, func(p string) bool { return filepath.Base(p) == "tmp" || filepath.Base(p) == "partial" })
		if len(list) != 0 {
			t.Errorf("left: %v", list)
		}
	}
}

func TestPullURL(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	s := newHost(t, tiny(t, gguftest.Options{Template: template}))
	m := h.open(t)
	var st steps
	man, err := m.Pull(t.Context(), s.request(), st.add)
	if err != nil {
		t.Fatal(err)
	}
	size := int64(len(s.data))
	if diff := cmp.Diff(allSteps, st.list); diff != "" || st.last != (get.Progress{Status: get.StatusSuccess, Digest: sum(s.data), Completed: size, Total: size}) {
		t.Errorf("progress %+v\n%s", st.last, diff)
	}
	if man.Name != "some-model:q4_0" || man.Source != s.URL+"/models/Some-Model.Q4_0.gguf" || !man.Created.Equal(h.clock) {
		t.Errorf("manifest %+v", man)
	}
	wantPulled(t, m, s.data, "some-model")
	wantPulled(t, m, s.data, "Some-Model.Q4_0.gguf")

	again := h.open(t) // a restart
	wantPulled(t, again, s.data, "")
	got, err := again.Resolve(t.Context(), "some-model")
	if diff := cmp.Diff(man, got); diff != "" || err != nil {
		t.Error(err, diff)
	}
	if r := again.Report(); len(r.Loaded) != 1 || r.Loaded[0].Checksum != strings.ToUpper(sum(s.data)) {
		t.Errorf("report %+v", r)
	}
	// Pulling what is there asks nobody; another name shares the blob.
	if _, err := again.Pull(t.Context(), get.Request{Source: s.URL + "/x", Name: "Host:5000/Team/Other", SHA256: "sha256:" + strings.ToUpper(sum(s.data))}, nil); err != nil {
		t.Fatal(err)
	}
	if n := s.asked.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
	wantNames(t, h.open(t), "host:5000/team/other:latest", "some-model:q4_0")
	if err := again.Remove(t.Context(), "some-model"); err != nil {
		t.Fatal(err)
	}
	wantPulled(t, again, s.data, "host:5000/team/other")
	if err := again.Remove(t.Context(), "host:5000/team/other"); err != nil {
		t.Fatal(err)
	}
	if list, err := h.cfg.Blobs.List(); len(list) != 0 || err != nil {
		t.Errorf("blobs left: %v, %v", list, err)
	}
}

func TestPullGoesOnAfterCuts(t *testing.T) {
	t.Parallel()
	for _, tag := range []string{`"v1"`, ""} {
		t.Run("tag "+tag, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			s := newHost(t, tiny(t, gguftest.Options{}))
			s.tag = tag
			var ranges []string
			s.bend = func(n int64, w http.ResponseWriter, r *http.Request) bool {
				ranges = append(ranges, r.Header.Get("Range")+r.Header.Get("If-Range"))
				if n == 1 {
					s.cut(w, 1000)
				}
				return false
			}
			m := h.open(t)
			if _, err := m.Pull(t.Context(), s.request(), nil); err != nil {
				t.Fatal(err)
			}
			wantPulled(t, m, s.data, "some-model")
			if diff := cmp.Diff([]string{"", "bytes=1000-" + tag}, ranges); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestPullGoesOnAfterKill: another process left the first part.
func TestPullGoesOnAfterKill(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		mark  blob.Mark
		bytes func(data []byte) []byte
		asked int64
	}{
		"same version":      {blob.Mark{Validator: `"v1"`, Size: -1}, func(d []byte) []byte { return d[:len(d)/2] }, 1},
		"other version":     {blob.Mark{Validator: `"v0"`}, func(d []byte) []byte { return bytes.Repeat([]byte("x"), len(d)/2) }, 1},
		"no mark":           {blob.Mark{}, func(d []byte) []byte { return d[:9] }, 1},
		"no mark, damaged":  {blob.Mark{}, func(d []byte) []byte { return bytes.Repeat([]byte{0}, len(d)/2) }, 2},
		"complete":          {blob.Mark{Validator: `"v1"`, Size: -1}, func(d []byte) []byte { return d }, 0},
		"complete, unknown": {blob.Mark{}, func(d []byte) []byte { return d }, 1},
		"too long":          {blob.Mark{}, func(d []byte) []byte { return append(bytes.Clone(d), "more"...) }, 2},
		"longer than known": {blob.Mark{Validator: `"v1"`, Size: -1}, func(d []byte) []byte { return append(bytes.Clone(d), "more"...) }, 1},
		"other size":        {blob.Mark{Validator: `"v1"`, Size: 99999999}, func(d []byte) []byte { return d[:7] }, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			s := newHost(t, tiny(t, gguftest.Options{}))
			part, err := h.cfg.Blobs.Partial(sum(s.data))
			if err != nil {
				t.Fatal(err)
			}
			if c.mark.Size < 0 {
				c.mark.Size = int64(len(s.data))
			}
			_, werr := part.Write(c.bytes(s.data))
			if err := errors.Join(werr, part.SetMark(c.mark), part.Close()); err != nil {
				t.Fatal(err)
			}
			m := h.open(t)
			if _, err := m.Pull(t.Context(), s.request(), nil); err != nil {
				t.Fatal(err)
			}
			wantPulled(t, m, s.data, "some-model")
			if n := s.asked.Load(); n != c.asked {
				t.Errorf("asked %d times; want %d", n, c.asked)
			}
		})
	}
}

// TestPullAfterCancel: what came before the end is not asked for again.
func TestPullAfterCancel(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	s := newHost(t, tiny(t, gguftest.Options{}))
	hung := make(chan struct{})
	s.bend = func(n int64, w http.ResponseWriter, r *http.Request) bool {
		if n > 1 {
			if got := r.Header.Get("Range"); got != "bytes=5000-" {
				t.Errorf("range %q", got)
			}
			return false
		}
		w.Header().Set("ETag", s.tag)
		w.Header().Set("Content-Length", strconv.Itoa(len(s.data)))
		_, _ = w.Write(s.data[:5000])
		flush(w)
		<-r.Context().Done()
		close(hung)
		return true
	}
	m := h.open(t)
	ctx, cancel := context.WithCancel(t.Context())
	_, err := m.Pull(ctx, s.request(), func(p get.Progress) {
		if p.Completed == 5000 {
			cancel()
		}
	})
	wantCode(t, err, core.CodeCancelled)
	<-hung
	if _, err := m.Pull(t.Context(), s.request(), nil); err != nil {
		t.Fatal(err)
	}
	wantPulled(t, m, s.data, "some-model")
}

// TestPullBadAnswers: each is one sentence and leaves no name.
func TestPullBadAnswers(t *testing.T) {
	t.Parallel()
	const failures = 5
	good := tiny(t, gguftest.Options{})
	status := func(code int) func(*host, http.ResponseWriter, *http.Request) {
		return func(_ *host, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
	}
	for name, c := range map[string]struct {
		answer func(*host, http.ResponseWriter, *http.Request)
		code   core.Code
		word   string
		asked  int64
	}{
		"not found":    {status(404), core.CodeNotFound, "404", 1},
		"gated":        {status(401), core.CodeForbidden, "licence", 1},
		"teapot":       {status(418), core.CodeUnavailable, "418", 1},
		"unmoved":      {status(304), core.CodeUnavailable, "304", 1},
		"overloaded":   {status(503), core.CodeUnavailable, "503", failures},
		"limited":      {status(429), core.CodeUnavailable, "429", failures},
		"no range":     {status(416), core.CodeUnavailable, "not complete", failures},
		"wrong part":   {status(206), core.CodeUnavailable, "another part", failures},
		"always empty": {func(s *host, w http.ResponseWriter, _ *http.Request) { s.cut(w, 0) }, core.CodeUnavailable, "connection", failures},
		"page": {func(_ *host, w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			_, _ = w.Write([]byte("<html>"))
		}, core.CodeBadModel, "web page", 1},
		"page in disguise": {func(_ *host, w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/octet-stream")
			_, _ = w.Write([]byte("<!doctype html>"))
		}, core.CodeBadModel, "no GGUF", 1},
		"wrong hash": {func(s *host, w http.ResponseWriter, r *http.Request) {
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(append(bytes.Clone(s.data), 0)))
		}, core.CodeBadModel, sum(append(bytes.Clone(good), 0)), 1},
		"huge": {func(_ *host, w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "9000000000000000000")
			w.WriteHeader(http.StatusOK)
		}, core.CodeDiskFull, "9000000000000000000", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			s := newHost(t, good)
			s.bend = func(_ int64, w http.ResponseWriter, r *http.Request) bool { c.answer(s, w, r); return true }
			m := h.open(t)
			_, err := m.Pull(t.Context(), s.request(), nil)
			wantCode(t, err, c.code, c.word)
			if name == "wrong hash" {
				wantCode(t, err, c.code, sum(good))
			}
			wantNothing(t, h, m)
			if strings.Contains(core.AsError(err).Message, "secret") {
				t.Errorf("the message tells the URL's secret: %v", err)
			}
			if n := s.asked.Load(); n != c.asked {
				t.Errorf("asked %d times; want %d", n, c.asked)
			}
			wantNames(t, m)
			// The next pull, from a server that behaves, is not hurt.
			s.bend = nil
			if _, err := m.Pull(t.Context(), s.request(), nil); err != nil {
				t.Fatal(err)
			}
			wantPulled(t, m, good, "some-model")
		})
	}
}

// TestPullRightHashBadModel: the hash proves the bytes, our reader the model.
func TestPullRightHashBadModel(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	s := newHost(t, append([]byte("GGUF"), bytes.Repeat([]byte{0xff}, 100)...))
	m := h.open(t)
	_, err := m.Pull(t.Context(), s.request(), nil)
	wantCode(t, err, core.CodeBadModel)
	wantNothing(t, h, m)
}

// TestPullRangeIgnoresVersion: a server that sends the rest of another version is found out by its ETag.
func TestPullRangeIgnoresVersion(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	s := newHost(t, tiny(t, gguftest.Options{}))
	s.bend = func(n int64, w http.ResponseWriter, r *http.Request) bool {
		switch n {
		case 1:
			s.cut(w, 100)
		case 2:
			w.Header().Set("ETag", `"v2"`)
			w.Header().Set("Content-Range", fmt.Sprintf("bytes 100-%d/%d", len(s.data)-1, len(s.data)))
			w.WriteHeader(http.StatusPartialContent)
			_, _ = w.Write(make([]byte, len(s.data)-100))
			return true
		}
		if got := r.Header.Get("Range"); got != "" {
			t.Errorf("range %q after a change of the version", got)
		}
		return false
	}
	m := h.open(t)
	if _, err := m.Pull(t.Context(), s.request(), nil); err != nil {
		t.Fatal(err)
	}
	wantPulled(t, m, s.data, "some-model")
}

// TestPullWithoutLength: a server that streams without telling the size.
func TestPullWithoutLength(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	s := newHost(t, tiny(t, gguftest.Options{}))
	s.bend = func(_ int64, w http.ResponseWriter, _ *http.Request) bool {
		for b := range slices.Chunk(s.data, 3000) {
			_, _ = w.Write(b)
			flush(w)
		}
		return true
	}
	m := h.open(t)
	if _, err := m.Pull(t.Context(), s.request(), nil); err != nil {
		t.Fatal(err)
	}
	wantPulled(t, m, s.data, "some-model")
}

func TestPullStalls(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.cfg.Download.Stall = 50 * time.Millisecond
	s := newHost(t, tiny(t, gguftest.Options{}))
	s.bend = func(n int64, w http.ResponseWriter, r *http.Request) bool {
		if n > 1 {
			return false
		}
		w.Header().Set("ETag", s.tag)
		w.Header().Set("Content-Length", strconv.Itoa(len(s.data)))
		_, _ = w.Write(s.data[:10])
		flush(w)
		<-r.Context().Done()
		return true
	}
	m := h.open(t)
	if _, err := m.Pull(t.Context(), s.request(), nil); err != nil {
		t.Fatal(err)
	}
	s.bend = func(_ int64, _ http.ResponseWriter, r *http.Request) bool { <-r.Context().Done(); return true }
	_, err := m.Pull(t.Context(), get.Request{Source: s.URL, SHA256: sum(nil)}, nil)
	wantCode(t, err, core.CodeUnavailable, "sent nothing for 50ms")
}

func TestPullsShareOneDownload(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	s := newHost(t, tiny(t, gguftest.Options{}))
	const pulls = 6
	var joined atomic.Int64
	all := make(chan struct{})
	s.bend = func(_ int64, _ http.ResponseWriter, _ *http.Request) bool { <-all; return false }
	m := h.open(t)
	var wg sync.WaitGroup
	for i := range pulls {
		wg.Go(func() {
			req := s.request()
			req.Name = fmt.Sprintf("copy-%d", i)
			var st steps
			once := sync.OnceFunc(func() {
				if joined.Add(1) == pulls {
					close(all)
				}
			})
			man, err := m.Pull(t.Context(), req, func(p get.Progress) { once(); st.add(p) })
			if err != nil || man.Name != req.Name+":latest" || !slices.Equal(st.list, allSteps) {
				t.Errorf("pull: %v, %v, %v", man, err, st.list)
			}
		})
	}
	wg.Wait()
	if n := s.asked.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
	if n := len(names(t, m)); n != pulls {
		t.Errorf("%d models", n)
	}
}

// refusing is an egress guard that lets nothing out.
type refusing struct{ err error }

func (r refusing) Do(*http.Request) (*http.Response, error) { return nil, r.err }

func TestPullRefusedByTheGuard(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.cfg.Fetch = refusing{core.Errorf(core.CodeForbidden, "Not there.")}
	_, err := h.open(t).Pull(t.Context(), get.Request{Source: "http://example.test/x.gguf", SHA256: sum(nil)}, nil)
	wantCode(t, err, core.CodeForbidden, "Not there.")
	h.cfg.Fetch = refusing{core.Errorf(core.CodeUnavailable, "Not now.")}
	_, err = h.open(t).Pull(t.Context(), get.Request{Source: "http://example.test/x.gguf", SHA256: sum(nil)}, nil)
	wantCode(t, err, core.CodeUnavailable, "Not now.")
}

// TestPullAgain: what is installed and is still what the source offers is not downloaded, and nothing is written; what changed is.
func TestPullAgain(t *testing.T) {
	t.Parallel()
	current := []string{get.StatusPulling, get.StatusCurrent, get.StatusSuccess}
	again := func(t *testing.T, h *house, m *Models, s *host, req get.Request, want ...string) *core.Manifest {
		t.Helper()
		asked, before := s.asked.Load(), h.clock
		h.clock = before.Add(time.Hour)
		var st steps
		man, err := m.Pull(t.Context(), req, st.add)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, st.list); diff != "" {
			t.Errorf("steps: %s", diff)
		}
		if n := s.asked.Load() - asked; n != 0 {
			t.Errorf("the source was asked %d times for a file that is here", n)
		}
		return man
	}
	t.Run("pulled", func(t *testing.T) {
		t.Parallel()
		h := newHouse(t)
		s := newHost(t, tiny(t, gguftest.Options{}))
		m := h.open(t)
		first, err := m.Pull(t.Context(), s.request(), nil)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if man := again(t, h, m, s, s.request(), current...); !man.Created.Equal(first.Created) {
				t.Errorf("made %s and now %s", first.Created, man.Created)
			}
			m = h.open(t) // what was read from its manifest is the same too
		}
		if _, err := m.Create(t.Context(), CreateRequest{Name: first.Name, From: first.Name, System: "Be brief."}, nil); err != nil {
			t.Fatal(err)
		}
		if man := again(t, h, m, s, s.request(), get.StatusPulling, get.StatusManifest, get.StatusSuccess); man.System != "" {
			t.Errorf("what the source says does not count: %+v", man)
		}
		s.data, s.tag = tiny(t, gguftest.Options{Seed: 1}), `"v2"`
		if _, err := m.Pull(t.Context(), s.request(), nil); err != nil {
			t.Fatal(err)
		}
		wantPulled(t, m, s.data, "some-model")
	})
	t.Run("came with the program", func(t *testing.T) {
		t.Parallel()
		h := newHouse(t)
		s := newHost(t, tiny(t, gguftest.Options{}))
		bundled := put(t, h.shared, "some-model.gguf", s.data)
		m := h.open(t)
		req := s.request()
		for _, c := range []struct {
			name string
			want []string
		}{{"some-model:f32", current}, {"other", []string{get.StatusPulling, get.StatusManifest, get.StatusSuccess}}, {"other", current}} {
			req.Name = c.name
			if man := again(t, h, m, s, req, c.want...); m.Path(man) != bundled {
				t.Errorf("%s lies at %s", man.Name, m.Path(man))
			}
		}
		if list, err := h.cfg.Blobs.List(); len(list) != 0 || err != nil {
			t.Errorf("blobs: %v, %v", list, err)
		}
		wantPulled(t, h.open(t), s.data, "other")
	})
	t.Run("dropped in by hand", func(t *testing.T) {
		t.Parallel()
		h := newHouse(t)
		s := newHost(t, tiny(t, gguftest.Options{}))
		at := put(t, h.hand(), "some-model.gguf", s.data)
		m := h.open(t)
		req := s.request()
		req.Name = "some-model:f32"
		if man := again(t, h, m, s, req, current...); m.Path(man) != at {
			t.Errorf("it lies at %s", m.Path(man))
		}
		req.Name = "other"
		again(t, h, m, s, req, get.StatusPulling, get.StatusManifest, get.StatusSuccess)
		if err := os.Remove(at); err != nil { // its owner may
			t.Fatal(err)
		}
		wantPulled(t, h.open(t), s.data, "other")
	})
}
