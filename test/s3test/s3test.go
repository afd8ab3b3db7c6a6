// Package s3test starts an S3 server of its own for tests: versitygw on a private port of this machine, over a fresh folder,
// gone when the test is. It refuses to use a server that runs already.
package s3test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Bucket, AccessKey and SecretKey are what every server has.
const (
	Bucket    = "models"
	AccessKey = "test-access"
	SecretKey = "test-secret-0123456789"
	Region    = "us-east-1"
)

const startWait = 60 * time.Second

// Server is a running S3 server.
type Server struct {
	URL string // its address
	Dir string // its folder; an object is the file Dir/Bucket/KEY

	Client *http.Client // reaches it; its connections end with the test
}

// For starts a server for one test, which ends with it. Where versitygw was not built the test is skipped.
func For(tb testing.TB) *Server {
	tb.Helper()
	program := os.Getenv("ASHATAI_TEST_VERSITYGW")
	if _, err := os.Stat(program); program == "" || err != nil {
		tb.Skip("versitygw is not here; make setup-test builds it")
	}
	s := &Server{Dir: tb.TempDir(), Client: &http.Client{Transport: &http.Transport{}}}
	meta := tb.TempDir() // beside the objects: not every file system has extended attributes
	if err := os.Mkdir(filepath.Join(s.Dir, Bucket), 0o700); err != nil {
		tb.Fatal(err)
	}
	var lc net.ListenConfig
	l, err := lc.Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil { // it takes an address and no socket
		tb.Fatal(err)
	}
	s.URL = "http://" + addr
	s.run(tb, exec.CommandContext(context.WithoutCancel(tb.Context()), "sh", "-c", guard, "sh", program, "--quiet", "--port", addr, "--access", AccessKey, "--secret", SecretKey, "--region", Region, "posix", "--sidecar", meta, s.Dir))
	return s
}

// guard ends the program when its input ends: a test that is killed leaves nothing behind.
const guard = `exec 3<&0; "$@" </dev/null 3<&- & pid=$!; { cat; kill -KILL $pid; } <&3 3<&- >/dev/null 2>&1 & wait $pid`

// run starts the program, waits until it answers, and ends it with the test.
func (s *Server) run(tb testing.TB, cmd *exec.Cmd) {
	tb.Helper()
	var out syncBuffer
	cmd.Stdout, cmd.Stderr = &out, &out
	alive, err := cmd.StdinPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	ended := make(chan struct{})
	var end error
	go func() {
		end = cmd.Wait()
		close(ended)
	}()
	ctx, cancel := context.WithTimeout(tb.Context(), startWait)
	defer cancel()
	tb.Cleanup(func() {
		_ = alive.Close() // its folder goes too
		<-ended
		s.Client.CloseIdleConnections()
	})
	for {
		select {
		case <-ended:
			tb.Fatalf("versitygw ended: %v\n%s", end, out.String())
		case <-ctx.Done():
			tb.Fatalf("versitygw does not answer\n%s", out.String())
		default:
		}
		if s.answers(ctx) {
			return
		}
	}
}

func (s *Server) answers(ctx context.Context) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL, nil)
	if err != nil {
		return false
	}
	resp, err := s.Client.Do(req)
	return err == nil && errors.Join(resp.Body.Close()) == nil
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// Line is a way to the server that a test can cut. Requests are signed for its address, not for the server's.
type Line struct {
	URL string

	left atomic.Int64 // bytes of answers until the line breaks; negative: it never does
	Cuts atomic.Int64 // how often it broke
}

// Through makes a line to the server.
func (s *Server) Through(tb testing.TB) *Line {
	tb.Helper()
	target, err := url.Parse(s.URL)
	if err != nil {
		tb.Fatal(err)
	}
	line := &Line{}
	line.left.Store(-1)
	proxy := &httputil.ReverseProxy{
		Rewrite:  func(r *httputil.ProxyRequest) { r.SetURL(target); r.Out.Host = r.In.Host },
		ErrorLog: nil,
	}
	var lc net.ListenConfig
	l, err := lc.Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	srv := &http.Server{ReadHeaderTimeout: startWait, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		proxy.ServeHTTP(&cutting{w, line}, r)
	})}
	done := make(chan struct{})
	go func() {
		_ = srv.Serve(l) // until it is closed
		close(done)
	}()
	tb.Cleanup(func() {
		if err := srv.Close(); err != nil {
			tb.Error(err)
		}
		<-done
	})
	line.URL = "http://" + l.Addr().String()
	return line
}

// CutAfter breaks the line, once, when so many more bytes of answers have passed.
func (l *Line) CutAfter(n int64) { l.left.Store(n) }

// cutting ends a connection in the middle of an answer.
type cutting struct {
	http.ResponseWriter
	line *Line
}

func (c *cutting) Write(p []byte) (int, error) {
	left := c.line.left.Load()
	if left < 0 {
		return c.ResponseWriter.Write(p)
	}
	if int64(len(p)) < left {
		c.line.left.Store(left - int64(len(p)))
		return c.ResponseWriter.Write(p)
	}
	c.line.left.Store(-1)
	c.line.Cuts.Add(1)
	_, _ = c.ResponseWriter.Write(p[:left]) // the rest never comes
	_ = http.NewResponseController(c.ResponseWriter).Flush()
	panic(http.ErrAbortHandler)
}
