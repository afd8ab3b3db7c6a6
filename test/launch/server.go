package launch

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Server is a started server that its test ends as it likes; what still runs when the test ends is killed.
type Server struct {
	Addr string
	PID  int

	cmd *exec.Cmd
	log string
	end sync.Once
}

// Start starts the built server on a home and waits until it is ready.
func Start(t *testing.T, home string, set ...string) *Server {
	t.Helper()
	args := []string{"serve", "--addr", "127.0.0.1:0", "--home", home}
	for _, s := range set {
		args = append(args, "--set", s)
	}
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), filepath.Join(Given(t, "ASHATAI_TEST_BIN"), "ashatai"), args...)
	log, err := os.CreateTemp(t.TempDir(), "log")
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close() //nolint:errcheck // the server writes it
	cmd.Stderr = log
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s := &Server{cmd: cmd, PID: cmd.Process.Pid, log: log.Name()}
	t.Cleanup(func() {
		s.Kill()
		if t.Failed() {
			t.Logf("the log of server %d:\n%s", s.PID, s.Log())
		}
	})
	for lines := bufio.NewScanner(out); s.Addr == "" && lines.Scan(); {
		s.Addr, _ = strings.CutPrefix(lines.Text(), "ready ")
	}
	if s.Addr == "" {
		s.Kill()
		t.Fatalf("the server ended before it was ready:\n%s", s.Log())
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	return s
}

// Kill ends the server as a power cut ends it, and waits for its end.
func (s *Server) Kill() {
	s.end.Do(func() {
		_ = s.cmd.Process.Kill() // it may have ended
		_ = s.cmd.Wait()         // it was killed
	})
}

// Stop ends the server in order.
func (s *Server) Stop(t *testing.T) {
	t.Helper()
	s.end.Do(func() {
		if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Errorf("the server was gone: %v", err)
		}
		if err := s.cmd.Wait(); err != nil {
			t.Errorf("the server's end: %v", err)
		}
	})
}

// Log is what the server wrote to its standard error.
func (s *Server) Log() string {
	b, err := os.ReadFile(s.log)
	if err != nil {
		return err.Error()
	}
	return string(b[max(0, len(b)-logShown):])
}

const logShown = 6_000

// Client calls a server, by a key where there is one. Each call has a connection of its own.
type Client struct{ Addr, Key string }

// Ask sends a JSON body, or none, and returns the status and the whole answer.
func (c Client) Ask(ctx context.Context, method, path, body string) (int, []byte, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, c.Addr+path, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	req.Close = true
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.Key != "" {
		req.Header.Set("Authorization", "Bearer "+c.Key)
	}
	resp, err := http.DefaultClient.Do(req) //nolint:forbidigo // a test is an ordinary client
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, b, err
}

// Into is Ask for an answer of 200 or 201 that is one JSON value.
func (c Client) Into(ctx context.Context, method, path, body string, into any) error {
	status, b, err := c.Ask(ctx, method, path, body)
	if err != nil {
		return err
	}
	if status != http.StatusOK && status != http.StatusCreated {
		return fmt.Errorf("%s %s: status %d: %.300s", method, path, status, b)
	}
	return json.Unmarshal(b, into)
}

// Tell runs a command of the built program that must succeed, and returns what it prints.
func Tell(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), filepath.Join(Given(t, "ASHATAI_TEST_BIN"), "ashatai"), args...)
	cmd.Stdin = strings.NewReader(stdin)
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("ashatai %s: %v\n%s%s", strings.Join(args, " "), err, out, errs.String())
	}
	return string(out)
}

// Below lists the processes under pid, as Linux tells them.
func Below(pid int) (out []int) {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid)) // the pattern is a good one
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			continue // the thread ended
		}
		for field := range strings.FieldsSeq(string(b)) {
			var n int
			if _, err := fmt.Sscan(field, &n); err == nil {
				out = append(append(out, n), Below(n)...)
			}
		}
	}
	return out
}

// Lives reports whether a process runs; one that only waits for its parent to look does not.
func Lives(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	return rest != "" && rest[0] != 'Z' && rest[0] != 'X'
}
