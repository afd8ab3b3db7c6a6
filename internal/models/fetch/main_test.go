package fetch

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"ashatai/internal/blob"
	"ashatai/internal/core"
	"ashatai/internal/netx"
)

const childKey = "ASHATAI_FETCH_TEST_CHILD"

func TestMain(m *testing.M) {
	if args := os.Getenv(childKey); args != "" {
		child(strings.Split(args, "|"))
		return
	}
	goleak.VerifyTestMain(m, // a proxy that cuts a line leaves these behind
		goleak.IgnoreAnyFunction("github.com/Shopify/toxiproxy/v2.(*ToxicLink).read"),
		goleak.IgnoreAnyFunction("github.com/Shopify/toxiproxy/v2/toxics.(*ToxicStub).Run"),
	)
}

// child downloads as the product does, and tells each step. It is there to be killed.
func child(args []string) {
	dir, url, sha := args[0], args[1], args[2]
	blobs, err := blob.Open(dir)
	client, cerr := netx.New(netx.Policy{Allow: []string{"127.0.0.1"}})
	if err = errors.Join(err, cerr); err == nil {
		err = Run(context.Background(), Job{ //nolint:forbidigo // this is a main
			Doer: client, Blobs: blobs, URL: url, Shown: url, Host: "test", SHA256: sha, Check: anything, Log: slog.New(slog.DiscardHandler),
			Limits: Limits{Piece: 64 << 10, Streams: 3},
			Report: func(s Step) { fmt.Println(s.Completed) },
		})
	}
	fmt.Println(err)
	os.Exit(3)
}

func anything(io.ReaderAt, int64) error { return nil }

// weights are bytes that begin like a model.
func weights(n int) []byte {
	data := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(data)
	copy(data, "GGUF")
	return data
}

func sum(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

// host serves one file, and counts what it sent.
type host struct {
	*httptest.Server
	data []byte
	tag  string
	bend func(n int, w http.ResponseWriter, r *http.Request) bool // true: it answered

	mu     sync.Mutex
	ranges []string
	sent   int64
}

func newHost(t *testing.T, data []byte) *host {
	t.Helper()
	s := &host{data: data, tag: `"v1"`}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.ranges = append(s.ranges, r.Header.Get("Range"))
		n := len(s.ranges)
		bend := s.bend
		s.mu.Unlock()
		counted := &counter{ResponseWriter: w, s: s}
		if bend != nil && bend(n, counted, r) {
			return
		}
		s.serve(counted, r)
	}))
	t.Cleanup(s.Close)
	return s
}

// bends sets bend for requests that come from another process too.
func (s *host) bends(bend func(n int, w http.ResponseWriter, r *http.Request) bool) {
	s.mu.Lock()
	s.bend = bend
	s.mu.Unlock()
}

func (s *host) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	data, tag := s.data, s.tag
	s.mu.Unlock()
	if tag != "" {
		w.Header().Set("ETag", tag)
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
}

// counts returns how many requests came and how many bytes went out, and starts again.
func (s *host) counts() (requests int, sent int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	requests, sent = len(s.ranges), s.sent
	s.ranges, s.sent = nil, 0
	return requests, sent
}

// counter counts the bytes of bodies. It hides the faster ways of the writer, so that all bytes pass here.
type counter struct {
	http.ResponseWriter
	s *host
}

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.ResponseWriter.Write(b)
	c.s.mu.Lock()
	c.s.sent += int64(n)
	c.s.mu.Unlock()
	return n, err
}

func (c *counter) Unwrap() http.ResponseWriter { return c.ResponseWriter }

func flush(w http.ResponseWriter) { _ = http.NewResponseController(w).Flush() }

// job is a download of a host's file in pieces of 4 KiB.
func job(t *testing.T, s *host) Job {
	t.Helper()
	blobs, err := blob.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	client, err := netx.New(netx.Policy{Allow: []string{"127.0.0.1"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		client.Close()
		if err := blobs.Close(); err != nil {
			t.Error(err)
		}
	})
	return Job{
		Doer: client, Blobs: blobs, URL: s.URL + "/x.gguf", Shown: s.URL, Host: "test", SHA256: sum(s.data), Check: anything,
		Log: slog.New(slog.DiscardHandler), Report: func(Step) {},
		Limits: Limits{RetryWait: time.Millisecond, Piece: 4 << 10, Streams: 4},
	}
}

func wantFile(t *testing.T, j Job, data []byte) {
	t.Helper()
	got, err := os.ReadFile(j.Blobs.Path(sum(data)))
	if err != nil || !bytes.Equal(got, data) {
		t.Fatalf("the file differs: %v", err)
	}
	left, err := os.ReadDir(j.Blobs.Dir() + "/partial")
	if err != nil || len(left) > 0 {
		t.Errorf("left of the download: %v, %v", left, err)
	}
}

func run(t *testing.T, j Job) {
	t.Helper()
	if err := Run(t.Context(), j); err != nil {
		t.Fatal(err)
	}
}

func wantCode(t *testing.T, err error, code core.Code, word string) {
	t.Helper()
	e := core.AsError(err)
	if e == nil || e.Code != code || !strings.Contains(e.Message, word) {
		t.Fatalf("%v; want %s with %q", err, code, word)
	}
}

func sumBytes(b []byte) [32]byte { return sha256.Sum256(b) }
