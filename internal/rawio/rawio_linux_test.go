package rawio

import (
	"bytes"
	"errors"
	"io"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

func files(t *testing.T) (a, b io.ReadWriteCloser) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	a, b = File(os.NewFile(uintptr(fds[0]), "a")), File(os.NewFile(uintptr(fds[1]), "b"))
	t.Cleanup(func() { _, _ = a.Close(), b.Close() })
	return a, b
}

func TestFile(t *testing.T) {
	t.Parallel()
	a, b := files(t)
	sent := bytes.Repeat([]byte("0123456789"), 100_000)
	go func() {
		for rest := sent; len(rest) > 0; {
			n := min(len(rest), len(rest)%(20<<10)+1)
			if _, err := a.Write(rest[:n]); err != nil {
				t.Error(err)
			}
			rest = rest[n:]
		}
		_ = a.Close()
	}()
	if got, err := io.ReadAll(b); err != nil || !bytes.Equal(got, sent) {
		t.Errorf("%d bytes of %d: %v", len(got), len(sent), err)
	}
	if _, err := b.Write([]byte("x")); !errors.Is(err, unix.EPIPE) {
		t.Errorf("a write to nobody: %v", err)
	}
}

// TestFileCloses: closing ends a read that waits.
func TestFileCloses(t *testing.T) {
	t.Parallel()
	a, _ := files(t)
	ended := make(chan error)
	go func() { _, err := a.Read(make([]byte, 1)); ended <- err }()
	_ = a.Close()
	if err := <-ended; err == nil {
		t.Error("a read of a closed file succeeds")
	}
}

func TestNothing(t *testing.T) {
	t.Parallel()
	a, _ := files(t)
	if n, err := a.Read(nil); n != 0 || err != nil {
		t.Error(n, err)
	}
	if n, err := a.Write(nil); n != 0 || err != nil {
		t.Error(n, err)
	}
	var none *os.File
	if got := File(none); got != io.ReadWriteCloser(none) {
		t.Error("no file is not given back")
	}
}

// TestAllocations: a piece costs no memory.
func TestAllocations(t *testing.T) { //nolint:paralleltest // counts allocations
	a, b := files(t)
	p, q := []byte("token"), make([]byte, 16)
	if n := testing.AllocsPerRun(100, func() {
		_, _ = a.Write(p)
		_, _ = b.Read(q)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
