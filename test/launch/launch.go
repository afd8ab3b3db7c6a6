// Package launch starts the built server for the tests that drive it from outside, as a user's programs do. It knows what
// make hands over in the environment; it checks nothing of what the server answers.
package launch

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Given is what make hands over in the environment; a plain `go test` has none of it, and skips.
func Given(t *testing.T, name string) string {
	t.Helper()
	v := os.Getenv(name)
	if v == "" {
		t.Skipf("%s is not set; run this by make test", name)
	}
	return v
}

// Site starts the built server on a fresh home and a free port, with settings such as "a.b=c", and returns its address. It
// ends with the test.
func Site(t *testing.T, set ...string) string {
	t.Helper()
	addr, _ := Process(t, set...)
	return addr
}

// Process is Site for tests that look at the server's processes.
func Process(t *testing.T, set ...string) (addr string, pid int) {
	t.Helper()
	return In(t, Given(t, "ASHATAI_TEST_BIN"), t.TempDir(), set...)
}

// In is Process with the programs in a folder of the test's choice, on a home that it filled.
func In(t *testing.T, bin, home string, set ...string) (addr string, pid int) {
	t.Helper()
	return start(t, new(bool), bin, home, set...)
}

// Doomed is Process for a server that the test kills.
func Doomed(t *testing.T, set ...string) (addr string, kill func()) {
	t.Helper()
	killed := new(bool)
	addr, pid := start(t, killed, Given(t, "ASHATAI_TEST_BIN"), t.TempDir(), set...)
	return addr, func() {
		*killed = true
		p, err := os.FindProcess(pid)
		if err == nil {
			err = p.Kill()
		}
		if err != nil {
			t.Errorf("the server cannot be killed: %v", err)
		}
	}
}

func start(t *testing.T, killed *bool, bin, home string, set ...string) (addr string, pid int) {
	t.Helper()
	args := []string{"serve", "--addr", "127.0.0.1:0", "--home", home}
	for _, s := range set {
		args = append(args, "--set", s)
	}
	// The test's own context ends before its clean-up, which ends the server in order.
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), filepath.Join(bin, "ashatai"), args...)
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = log
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 15 * time.Second
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil && !*killed {
			t.Errorf("the server was gone before the test ended: %v", err)
		}
		if err := cmd.Wait(); err != nil && !*killed {
			t.Errorf("the server's end: %v", err)
		}
		_ = log.Close() // only read from here on
		if b, err := os.ReadFile(log.Name()); err == nil && t.Failed() {
			t.Logf("the server's log:\n%s", b)
		}
	})
	ready := make(chan string, 1)
	go func() {
		defer close(ready)
		for sc := bufio.NewScanner(out); sc.Scan(); {
			if addr, ok := strings.CutPrefix(sc.Text(), "ready "); ok {
				ready <- addr
			}
		}
	}()
	select {
	case addr := <-ready:
		if addr == "" {
			t.Fatal("the server ended before it was ready")
		}
		return addr, cmd.Process.Pid
	case <-time.After(time.Minute):
		t.Fatal("the server was not ready after a minute")
	}
	return "", 0
}
