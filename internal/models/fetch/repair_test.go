package fetch

import (
	"bytes"
	"io"
	"net/http"
	"slices"
	"sync"
	"testing"

	"ashatai/internal/blob"
	"ashatai/internal/core"
)

// TestManyDamagedOnTheLine: the first round brings many wrong bytes, the second the right ones.
func TestManyDamagedOnTheLine(t *testing.T) {
	t.Parallel()
	s := newHost(t, weights(100_000))
	good := s.data
	s.data = bytes.Clone(good)
	for i := 100; i < len(good); i += 5000 {
		s.data[i] ^= 1
	}
	j := job(t, s)
	j.SHA256 = sum(good)
	heal := sync.OnceFunc(func() {
		s.mu.Lock()
		s.data = good
		s.mu.Unlock()
		failures := 0
		s.bends(func(_ int, w http.ResponseWriter, _ *http.Request) bool {
			if failures++; failures > 2 {
				return false
			}
			w.WriteHeader(http.StatusBadGateway)
			return true
		})
	})
	j.Report = func(p Step) {
		if p.Verifying && p.Completed == p.Total {
			heal()
		}
	}
	run(t, j)
	wantFile(t, j, good)
}

// TestNewVersionWhileComparing: nothing is mixed; the next pull begins anew.
func TestNewVersionWhileComparing(t *testing.T) {
	t.Parallel()
	s := newHost(t, weights(100_000))
	good := s.data
	s.data = bytes.Clone(good)
	s.data[100] ^= 1
	j := job(t, s)
	j.SHA256 = sum(good)
	j.Report = func(p Step) {
		if p.Verifying {
			s.mu.Lock()
			s.data, s.tag = good, `"v2"`
			s.mu.Unlock()
		}
	}
	wantCode(t, Run(t.Context(), j), core.CodeUnavailable, "another version")
	j.Report = func(Step) {}
	run(t, j)
	wantFile(t, j, good)
}

// TestDamagedAtTheStart: a file of one stream that an earlier process left is begun anew when it is wrong.
func TestDamagedAtTheStart(t *testing.T) {
	t.Parallel()
	s := newHost(t, weights(5000))
	j := job(t, s)
	part, err := j.Blobs.Partial(j.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := part.Write(append([]byte("GGUF"), 1, 2, 3)); err != nil {
		t.Fatal(err)
	}
	if err := part.Close(); err != nil {
		t.Fatal(err)
	}
	run(t, j)
	wantFile(t, j, s.data)
}

func TestRefusedByTheCheck(t *testing.T) {
	t.Parallel()
	j := job(t, newHost(t, weights(100_000)))
	j.Check = func(io.ReaderAt, int64) error { return core.Errorf(core.CodeBadModel, "Not good.") }
	wantCode(t, Run(t.Context(), j), core.CodeBadModel, "Not good.")
}

func TestBusy(t *testing.T) {
	t.Parallel()
	j := job(t, newHost(t, weights(5000)))
	part, err := j.Blobs.Partial(j.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	wantCode(t, Run(t.Context(), j), core.CodeConflict, "already")
	if err := part.Discard(); err != nil {
		t.Fatal(err)
	}
}

// TestAnswers: what a server may answer to the first request.
func TestAnswers(t *testing.T) {
	t.Parallel()
	status := func(code int) func(*host, http.ResponseWriter) {
		return func(_ *host, w http.ResponseWriter) { w.WriteHeader(code) }
	}
	head := func(code int, pairs ...string) func(*host, http.ResponseWriter) {
		return func(s *host, w http.ResponseWriter) {
			for kv := range slices.Chunk(pairs, 2) {
				w.Header().Set(kv[0], kv[1])
			}
			w.WriteHeader(code)
			_, _ = w.Write(s.data)
		}
	}
	for name, c := range map[string]struct {
		answer func(*host, http.ResponseWriter)
		code   core.Code
		word   string
	}{
		"gone":       {status(410), core.CodeNotFound, "410"},
		"private":    {status(401), core.CodeForbidden, "licence"},
		"odd":        {status(418), core.CodeUnavailable, "418"},
		"limited":    {status(429), core.CodeUnavailable, "429"},
		"no range":   {status(416), core.CodeUnavailable, "not complete"},
		"page":       {head(200, "Content-Type", "text/html"), core.CodeBadModel, "web page"},
		"wrong part": {head(206, "Content-Range", "bytes 7-8/9"), core.CodeUnavailable, "another part"},
		"too much":   {head(206, "Content-Range", "bytes 0-8/9"), core.CodeBadModel, "more than the 9 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newHost(t, weights(5000))
			s.bend = func(_ int, w http.ResponseWriter, _ *http.Request) bool { c.answer(s, w); return true }
			wantCode(t, Run(t.Context(), job(t, s)), c.code, c.word)
		})
	}
}

// TestAcceptRange: what a server may answer to a request for a part.
func TestAcceptRange(t *testing.T) {
	t.Parallel()
	mark := blob.Mark{Validator: `"v1"`, Size: 100, Chunk: 10}
	for name, c := range map[string]struct {
		at     int64
		status int
		length int64
		head   http.Header
		stale  bool
		single bool
	}{
		"the part":       {10, 206, 10, http.Header{"Content-Range": {"bytes 10-19/100"}, "Etag": {`"v1"`}}, false, false},
		"no validator":   {10, 206, 10, http.Header{"Content-Range": {"bytes 10-19/*"}}, false, false},
		"another part":   {10, 206, 10, http.Header{"Content-Range": {"bytes 0-9/100"}}, true, false},
		"another size":   {10, 206, 10, http.Header{"Content-Range": {"bytes 10-19/101"}}, true, false},
		"another tag":    {10, 206, 10, http.Header{"Content-Range": {"bytes 10-19/100"}, "Etag": {`"v2"`}}, true, false},
		"all, wanted":    {0, 200, 100, http.Header{}, false, false},
		"all, unwanted":  {10, 200, 100, http.Header{}, true, true},
		"all of another": {10, 200, 100, http.Header{"Etag": {`"v2"`}}, true, false},
		"shorter now":    {10, 416, 0, http.Header{}, true, false},
	} {
		s := &spreading{download: &download{}, book: newBook(mark, nil)}
		err := s.acceptRange(&http.Response{StatusCode: c.status, ContentLength: c.length, Header: c.head}, c.at)
		if _, stale := err.(staleError); stale != c.stale || s.single.Load() != c.single { //nolint:errorlint // it is not wrapped
			t.Errorf("%s: %v, single %v", name, err, s.single.Load())
		}
	}
}
