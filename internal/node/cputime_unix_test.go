//go:build unix

package node

import (
	"syscall"
	"testing"
	"time"
)

// cpuTime is the processor time that this process took so far, server, client and collector together.
func cpuTime(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
