//go:build unix

package wire

import (
	"os"
	"syscall"
	"testing"
)

func pair(tb testing.TB) (a, b *Conn) {
	tb.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		tb.Fatal(err)
	}
	_, _ = syscall.SetNonblock(fds[0], true), syscall.SetNonblock(fds[1], true)
	return NewConn(os.NewFile(uintptr(fds[0]), "a")), NewConn(os.NewFile(uintptr(fds[1]), "b"))
}
