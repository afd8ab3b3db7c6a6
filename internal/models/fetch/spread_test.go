package fetch

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"ashatai/internal/blob"
	"ashatai/internal/core"
)

// TestSpread: four ranges are being sent at the same time, and every byte once.
func TestSpread(t *testing.T) {
	t.Parallel()
	s := newHost(t, weights(100_000))
	var together sync.WaitGroup
	together.Add(4)
	s.bend = func(n int, w http.ResponseWriter, r *http.Request) bool {
		if n <= 4 { // none of them ends before all have begun
			w.Header().Set("ETag", s.tag)
			rangeOf(t, s, w, r)
			flush(w)
			together.Done()
			together.Wait()
		}
		return n <= 4
	}
	// What rangeOf sends after the barrier is the rest; see there.
	j := job(t, s)
	var last Step
	j.Report = func(p Step) {
		if p.Completed < last.Completed && p.Verifying == last.Verifying {
			t.Errorf("progress went back from %+v to %+v", last, p)
		}
		last = p
	}
	run(t, j)
	wantFile(t, j, s.data)
	if want := (Step{Verifying: true, Completed: 100_000, Total: 100_000}); last != want {
		t.Errorf("the last step is %+v", last)
	}
}

// rangeOf announces a range whole, sends its first bytes, and leaves the rest out: the stream is cut where it returns.
func rangeOf(t *testing.T, s *host, w http.ResponseWriter, r *http.Request) {
	t.Helper()
	size := len(s.data)
	first, last := 0, size-1
	w.Header().Set("Accept-Ranges", "bytes")
	if spec, ok := strings.CutPrefix(r.Header.Get("Range"), "bytes="); ok {
		a, b, _ := strings.Cut(spec, "-")
		first, _ = strconv.Atoi(a)
		if b != "" {
			last, _ = strconv.Atoi(b)
		}
		w.Header().Set("Content-Range", "bytes "+strconv.Itoa(first)+"-"+strconv.Itoa(last)+"/"+strconv.Itoa(size))
		w.Header().Set("Content-Length", strconv.Itoa(last-first+1))
		w.WriteHeader(http.StatusPartialContent)
	} else {
		w.Header().Set("Content-Length", strconv.Itoa(size))
	}
	_, _ = w.Write(s.data[first : first+1000])
}

// TestNoRanges: a server that sends no parts is asked once.
func TestNoRanges(t *testing.T) {
	t.Parallel()
	s := newHost(t, weights(100_000))
	s.bend = func(_ int, w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Content-Length", strconv.Itoa(len(s.data)))
		_, _ = w.Write(s.data)
		return true
	}
	j := job(t, s)
	run(t, j)
	wantFile(t, j, s.data)
	if n, sent := s.counts(); n != 1 || sent != 100_000 {
		t.Errorf("%d requests, %d bytes", n, sent)
	}
}

// TestRangesPromisedNotKept: the server says that it sends parts, and always sends the whole.
func TestRangesPromisedNotKept(t *testing.T) {
	t.Parallel()
	s := newHost(t, weights(100_000))
	s.bend = func(_ int, w http.ResponseWriter, r *http.Request) bool {
		r.Header.Del("Range")
		return false
	}
	j := job(t, s)
	run(t, j)
	wantFile(t, j, s.data)
}

// TestFewerStreams: a server that refuses more than one stream at a time is served by one.
func TestFewerStreams(t *testing.T) {
	t.Parallel()
	s := newHost(t, weights(100_000))
	var running sync.Mutex
	s.bend = func(_ int, w http.ResponseWriter, r *http.Request) bool {
		if !running.TryLock() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return true
		}
		defer running.Unlock()
		s.serve(slow{w}, r)
		return true
	}
	j := job(t, s)
	j.Limits.RetryWait = 20 * time.Millisecond // the server needs some time to see that a stream is gone
	run(t, j)
	wantFile(t, j, s.data)
}

// slow gives others time between pieces of a body.
type slow struct{ http.ResponseWriter }

func (s slow) Write(b []byte) (n int, err error) {
	for piece := range slices.Chunk(b, 4000) {
		k, err := s.ResponseWriter.Write(piece)
		if n += k; err != nil {
			return n, err
		}
		flush(s.ResponseWriter)
		<-time.After(time.Millisecond)
	}
	return n, nil
}

// TestNewVersion: bytes of two versions are never mixed.
func TestNewVersion(t *testing.T) {
	t.Parallel()
	for _, tag := range []string{`"v2"`, ""} {
		s := newHost(t, weights(100_000))
		old := weights(100_000 + len(tag))
		slices.Reverse(old[4:])
		fresh := s.data
		s.data, s.tag = old, `"v1"`
		s.bend = func(n int, _ http.ResponseWriter, _ *http.Request) bool {
			s.mu.Lock()
			defer s.mu.Unlock()
			if n == 3 {
				s.data, s.tag = fresh, tag
			}
			return false
		}
		j := job(t, s)
		j.SHA256 = sum(fresh)
		run(t, j)
		wantFile(t, j, fresh)
	}
}

// TestGivesUp: what every stream is refused ends the download, and what is there stays.
func TestGivesUp(t *testing.T) {
	t.Parallel()
	s := newHost(t, weights(100_000))
	s.bend = func(n int, w http.ResponseWriter, r *http.Request) bool {
		if n == 1 {
			w.Header().Set("ETag", s.tag)
			rangeOf(t, s, w, r)
			return true
		}
		w.WriteHeader(http.StatusBadGateway)
		return true
	}
	j := job(t, s)
	wantCode(t, Run(t.Context(), j), core.CodeUnavailable, "502")
	s.counts()
	s.bend = nil
	run(t, j)
	wantFile(t, j, s.data)
	if _, sent := s.counts(); sent != 99_000 {
		t.Errorf("%d bytes were sent again", sent)
	}
}

func TestForbiddenOnTheWay(t *testing.T) {
	t.Parallel()
	s := newHost(t, weights(100_000))
	s.bend = func(n int, w http.ResponseWriter, r *http.Request) bool {
		if n == 1 {
			rangeOf(t, s, w, r)
			return true
		}
		w.WriteHeader(http.StatusForbidden)
		return true
	}
	wantCode(t, Run(t.Context(), job(t, s)), core.CodeForbidden, "403")
}

func TestNotAModel(t *testing.T) {
	t.Parallel()
	data := weights(100_000)
	copy(data, "HTML")
	j := job(t, newHost(t, data))
	wantCode(t, Run(t.Context(), j), core.CodeBadModel, "no GGUF")
}

// TestOtherBytes: the whole file is another one. Nothing is left of it.
func TestOtherBytes(t *testing.T) {
	t.Parallel()
	s := newHost(t, weights(100_000))
	j := job(t, s)
	j.SHA256 = sum(nil)
	wantCode(t, Run(t.Context(), j), core.CodeBadModel, j.SHA256)
	left, err := filepath.Glob(j.Blobs.Dir() + "/*/*")
	if len(left) > 0 || err != nil {
		t.Errorf("left: %v, %v", left, err)
	}
	if _, sent := s.counts(); sent < 200_000 || sent > 300_000 {
		t.Errorf("%d bytes: the second look is one round", sent)
	}
}

func TestCancel(t *testing.T) {
	t.Parallel()
	s := newHost(t, weights(100_000))
	j := job(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	var at int64
	j.Report = func(p Step) {
		if at = p.Completed; at >= 20_000 {
			cancel()
		}
	}
	wantCode(t, Run(ctx, j), core.CodeCancelled, "")
	s.counts()
	var first int64
	j.Report = func(p Step) {
		if first == 0 {
			first = p.Completed
		}
	}
	run(t, j)
	wantFile(t, j, s.data)
	if first < at {
		t.Errorf("%d bytes were there, it began at %d", at, first)
	}
}

// TestDiskFull: where the size is known nothing is asked for, else nothing is kept.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	full := func(free int64) func(context.Context, int64) error {
		return func(_ context.Context, need int64) error {
			if need > free {
				return core.Errorf(core.CodeDiskFull, "Need %d bytes, have %d.", need, free)
			}
			return nil
		}
	}
	s := newHost(t, weights(100_000))
	j := job(t, s)
	j.Room, j.Size = full(99_999), 100_000
	wantCode(t, Run(t.Context(), j), core.CodeDiskFull, "100000")
	if n, _ := s.counts(); n != 0 {
		t.Errorf("asked %d times", n)
	}
	j.Size = 0
	wantCode(t, Run(t.Context(), j), core.CodeDiskFull, "100000")
	if n, _ := s.counts(); n != 1 {
		t.Errorf("asked %d times", n)
	}
	j.Room = full(100_000)
	run(t, j)
	wantFile(t, j, s.data)
}

func TestListedSizeIsWrong(t *testing.T) {
	t.Parallel()
	j := job(t, newHost(t, weights(100_000)))
	j.Size = 99_999
	wantCode(t, Run(t.Context(), j), core.CodeBadModel, "99999")
}

// TestDamagedOnDisk: only the piece that is no longer what arrived is fetched again.
func TestDamagedOnDisk(t *testing.T) {
	t.Parallel()
	s := newHost(t, weights(100_000))
	j := job(t, s)
	part, err := j.Blobs.Partial(j.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	mark := blob.Mark{Validator: s.tag, Size: 100_000, Chunk: j.Limits.Piece}
	if err := part.Spread(mark); err != nil {
		t.Fatal(err)
	}
	fillPieces(t, part, mark, s.data)
	if err := part.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(filepath.Join(j.Blobs.Dir(), "partial", j.SHA256+".part"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("damage"), 50_000); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	run(t, j)
	wantFile(t, j, s.data)
	if n, sent := s.counts(); n != 1 || sent != j.Limits.Piece {
		t.Errorf("%d requests, %d bytes; want one piece", n, sent)
	}
}

// TestDamagedPrefix: a piece that was interrupted and is damaged is begun anew, and only that one.
func TestDamagedPrefix(t *testing.T) {
	t.Parallel()
	s := newHost(t, weights(100_000))
	j := job(t, s)
	part, err := j.Blobs.Partial(j.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	mark := blob.Mark{Validator: s.tag, Size: 100_000, Chunk: j.Limits.Piece}
	if err := part.Spread(mark); err != nil {
		t.Fatal(err)
	}
	fillPieces(t, part, mark, s.data)
	if err := part.SetPiece(3, blob.Piece{Have: 100, Sum: [32]byte{1}}); err != nil {
		t.Fatal(err)
	}
	if err := part.Close(); err != nil {
		t.Fatal(err)
	}
	run(t, j)
	wantFile(t, j, s.data)
	if n, sent := s.counts(); n != 1 || sent != j.Limits.Piece {
		t.Errorf("%d requests, %d bytes; want one piece", n, sent)
	}
}

func fillPieces(t *testing.T, part *blob.Partial, mark blob.Mark, data []byte) {
	t.Helper()
	for i := range mark.Pieces() {
		at := int64(i) * mark.Chunk
		b := data[at : at+mark.PieceSize(i)]
		h := blob.Piece{Have: int64(len(b)), Sum: sumBytes(b)}
		if _, err := part.WriteAt(b, at); err != nil {
			t.Fatal(err)
		}
		if err := part.SetPiece(i, h); err != nil {
			t.Fatal(err)
		}
	}
}
