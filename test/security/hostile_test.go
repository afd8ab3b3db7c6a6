//go:build linux

// Package security_test attacks the built server from outside, as people do: with slow senders, readers that stop, thousands of
// idle sockets, bombs in headers and bodies, and addresses that lead inside. What needs a look inside is in internal/node,
// internal/netx and internal/api/gate.
package security_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"ashatai/test/launch"
)

const (
	idleSockets = 5000
	// The server gives a caller 10 s for its headers, 30 s for each piece of a body and for each write; a busy machine gets more.
	patience   = 2 * time.Minute
	mostGrowth = 512 // MiB

	least = 400 // answers to a bystander, of which the 99th percentile can be told
	// What others wait while the attackers, who run on the same processors here, wait for their turn too.
	noise   = 100 * time.Millisecond
	longest = 15 * time.Second // of any one answer
)

// attack is one kind of hostile client. It returns once the server has got rid of it, or with what is wrong.
type attack struct {
	name string
	run  func(ctx context.Context, host string) error
}

func attacks() []attack {
	list := []attack{
		{"idle sockets", idle},
		{"a reader that stops", stopReading},
		{"a large header", bomb(header(1), 431)},
		{"many headers", bomb(header(20_000), 431)},
		{"an announced body", bomb(post("Content-Length: 10000000000\r\n", ""), 413)},
		{"an endless body", endless},
		{"deep JSON", bomb(body([]byte(strings.Repeat("[", 1<<20))), 400)},
		{"deep objects", bomb(body([]byte(strings.Repeat(`{"a":`, 1<<18))), 400)},
		{"a packed body", bomb(packed(), 400, 415)},
	}
	if _, err := exec.LookPath("slowhttptest"); err == nil {
		for what, mode := range map[string]string{"slow headers": "-H", "slow bodies": "-B", "slow readers": "-X"} {
			list = append(list, attack{what + " by slowhttptest", func(ctx context.Context, host string) error { return slow(ctx, host, mode) }})
		}
	}
	return list
}

// TestHostileClients: while all of them are at work at once, others wait at most twice as long (by the 99th percentile, in the better of
// two rounds), memory stays bounded, and each offender is closed.
func TestHostileClients(t *testing.T) {
	home := t.TempDir()
	if err := os.WriteFile(filepath.Join(home, "ashatai.yaml"), []byte("runtime:\n  type: mock\nlogs:\n  level: error\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	server := launch.Start(t, home)
	c, list := launch.Client{Addr: server.Addr}, attacks()
	bystander(t, c, nil) // the model is loaded now, and the machine done with what made the attacks
	before := resident(t, server.PID)
	if calm, busy := round(t, c, list); !fair(calm, busy) {
		if calm, busy = round(t, c, list); !fair(calm, busy) { // the machine may have had other work, but hardly twice
			t.Errorf("others waited %v, and %v before", busy, calm)
		}
	}
	grown := peak(t, server.PID) - before
	t.Logf("the server grew by %d MiB at most", grown)
	if grown > mostGrowth {
		t.Errorf("the server grew by %d MiB", grown)
	}
	server.Stop(t)
}

func fair(calm, busy time.Duration) bool { return busy <= max(2*calm, noise) }

// round has all attackers at work at once, and returns the 99th percentile of what others waited before and meanwhile.
func round(t *testing.T, c launch.Client, list []attack) (calm, busy time.Duration) {
	t.Helper()
	calm, _ = bystander(t, c, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 3*patience)
	defer cancel()
	over := make(chan struct{})
	var wg sync.WaitGroup
	for _, a := range list {
		wg.Go(func() {
			if err := a.run(ctx, strings.TrimPrefix(c.Addr, "http://")); err != nil {
				t.Errorf("%s: %v", a.name, err)
			}
		})
	}
	go func() { wg.Wait(); close(over) }()
	busy, most := bystander(t, c, over)
	<-over
	t.Logf("p99 of others: %v before, %v meanwhile, %v at most", calm, busy, most)
	if most > longest {
		t.Errorf("somebody waited %v", most)
	}
	return calm, busy
}

// bystander asks for something small again and again, until over is closed or, where that is nil, often enough. It returns the 99th
// percentile of the times that answers took, and the longest.
func bystander(t *testing.T, c launch.Client, over <-chan struct{}) (p99, most time.Duration) {
	t.Helper()
	const question = `{"model":"smollm2","max_tokens":8,"messages":[{"role":"user","content":"#mock reply=hello"}]}`
	var took []time.Duration
	for going := true; going; {
		began := time.Now()
		status, b, err := c.Ask(t.Context(), http.MethodPost, "/v1/chat/completions", question)
		if err != nil || status != http.StatusOK {
			t.Errorf("a bystander: %v, status %d: %.200s", err, status, b)
			return 0, 0
		}
		took = append(took, time.Since(began))
		select {
		case <-over:
			going = false
		default:
			going = over != nil || len(took) < least
		}
	}
	if len(took) < least {
		t.Errorf("a bystander got %d answers only", len(took))
	}
	slices.Sort(took)
	return took[len(took)*99/100], took[len(took)-1]
}

func memory(t *testing.T, pid int, field string) int {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), field+":")
	var kib int
	if _, err := fmt.Sscan(rest, &kib); err != nil {
		t.Fatal(err)
	}
	return kib / 1024
}

func resident(t *testing.T, pid int) int { t.Helper(); return memory(t, pid, "VmRSS") }
func peak(t *testing.T, pid int) int     { t.Helper(); return memory(t, pid, "VmHWM") }

// dial connects, and gives up when the test does.
func dial(ctx context.Context, host string) (net.Conn, error) {
	c, err := (&net.Dialer{}).DialContext(ctx, "tcp", host)
	if err != nil {
		return nil, err
	}
	return c, c.SetDeadline(time.Now().Add(patience))
}

// gone reads until the server ends the connection.
func gone(c net.Conn) error {
	_, err := io.Copy(io.Discard, c)
	if err == nil || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
		return nil
	}
	return fmt.Errorf("it is still connected: %w", err)
}

// idle opens sockets and says nothing. Each costs a file in this process and in the server.
func idle(ctx context.Context, host string) error {
	n := idleSockets
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err == nil {
		n = min(n, int(limit.Cur)*3/4)
	}
	conns := make([]net.Conn, 0, n)
	defer func() {
		for _, c := range conns {
			_ = c.Close() // the test is over
		}
	}()
	for range n {
		c, err := dial(ctx, host)
		if err != nil {
			return fmt.Errorf("socket %d: %w", len(conns), err)
		}
		conns = append(conns, c)
	}
	for i, c := range conns {
		if err := gone(c); err != nil {
			return fmt.Errorf("socket %d of %d: %w", i, n, err)
		}
	}
	return nil
}

// stopReading asks for large answers one after the other and reads none.
func stopReading(ctx context.Context, host string) error {
	c, err := dial(ctx, host)
	if err != nil {
		return err
	}
	defer c.Close() //nolint:errcheck // the test is over
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetReadBuffer(4096) // a hint
	}
	request := []byte("GET /openapi.json HTTP/1.1\r\nHost: " + host + "\r\n\r\n")
	for { // until the server takes no more, and then ends the connection
		if _, err := c.Write(request); err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				return fmt.Errorf("it is still connected: %w", err)
			}
			return nil
		}
	}
}

func header(n int) []byte {
	const total = 1 << 20
	line := "X-Bomb: " + strings.Repeat("x", max(total/n-10, 1)) + "\r\n"
	return []byte("GET /v1/models HTTP/1.1\r\nHost: 127.0.0.1\r\n" + strings.Repeat(line, n) + "\r\n")
}

func post(headers, body string) []byte {
	return []byte("POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n" + headers + "\r\n" + body)
}

func body(b []byte) []byte { return post(fmt.Sprintf("Content-Length: %d\r\n", len(b)), string(b)) }

// packed is a body that unpacks to a gigabyte.
func packed() []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	zeros := make([]byte, 1<<20)
	for range 1 << 10 {
		_, _ = z.Write(zeros) // into memory
	}
	_ = z.Close()
	return post(fmt.Sprintf("Content-Encoding: gzip\r\nContent-Length: %d\r\n", b.Len()), b.String())
}

// bomb sends a request, and wants one of some statuses at once and, for what is too large, the end of the connection.
func bomb(request []byte, statuses ...int) func(context.Context, string) error {
	return func(ctx context.Context, host string) error {
		c, err := dial(ctx, host)
		if err != nil {
			return err
		}
		defer c.Close()                         //nolint:errcheck // the test is over
		go func() { _, _ = c.Write(request) }() // the server may end the connection in the middle
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		if errors.Is(err, syscall.ECONNRESET) {
			return nil // closed before the answer could be read
		}
		if err != nil {
			return err
		}
		defer res.Body.Close()
		if !slices.Contains(statuses, res.StatusCode) {
			b, _ := io.ReadAll(io.LimitReader(res.Body, 300))
			return fmt.Errorf("status %d, want %v: %s", res.StatusCode, statuses, b)
		}
		if res.StatusCode == http.StatusBadRequest || res.StatusCode == http.StatusUnsupportedMediaType {
			return nil
		}
		return gone(c)
	}
}

// endless sends a body in pieces until the server has enough.
func endless(ctx context.Context, host string) error {
	c, err := dial(ctx, host)
	if err != nil {
		return err
	}
	defer c.Close() //nolint:errcheck // the test is over
	if _, err := c.Write(post("Transfer-Encoding: chunked\r\n", "")); err != nil {
		return err
	}
	piece := fmt.Appendf(nil, "%x\r\n%s\r\n", 1<<16, strings.Repeat(" ", 1<<16))
	for sent := 0; sent < 1<<30; sent += 1 << 16 {
		if _, err := c.Write(piece); err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				return fmt.Errorf("it is still connected: %w", err)
			}
			return nil
		}
	}
	return errors.New("a gigabyte was taken")
}

// slow runs Debian's slowhttptest, which itself looks whether the server still answers others.
func slow(ctx context.Context, host, mode string) error {
	args := []string{mode, "-c", "300", "-r", "150", "-i", "2", "-l", "20", "-p", "20", "-u", "http://" + host + "/v1/chat/completions"}
	if mode == "-X" {
		args = []string{mode, "-c", "300", "-r", "150", "-w", "10", "-y", "20", "-n", "2", "-z", "32", "-k", "3", "-l", "20", "-p", "20", "-u", "http://" + host + "/openapi.json"}
	}
	cmd := exec.CommandContext(ctx, "slowhttptest", args...)
	cmd.Env = append(os.Environ(), "TERM=dumb")
	out, err := cmd.CombinedOutput()
	text := string(out)
	if err != nil {
		return fmt.Errorf("%w: %s", err, text[max(0, len(text)-600):])
	}
	if !strings.Contains(text, "service available") || strings.Contains(text, "service available:   NO") || strings.Contains(text, "server unavailable") {
		return fmt.Errorf("others were not answered: %s", text[max(0, len(text)-600):])
	}
	return nil
}
