package proc

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func readLimits() string {
	var s []string
	for _, r := range []int{unix.RLIMIT_DATA, unix.RLIMIT_NOFILE, unix.RLIMIT_FSIZE} {
		var l unix.Rlimit
		_ = unix.Getrlimit(r, &l)
		s = append(s, strconv.FormatUint(l.Max, 10))
	}
	return strings.Join(s, " ")
}

// parent starts a child that waits, tells its number, and waits itself to be killed.
func parent() int {
	path, err := os.Executable()
	if err != nil {
		return 1
	}
	p, err := Start(context.Background(), Spec{Path: path, Args: []string{childFlag, "wait"}}) //nolint:forbidigo // a main of its own
	if err != nil {
		return 1
	}
	fmt.Println(p.Pid())
	select {}
}

// ended waits until a process that is not a child of this one is gone or only waits to be reaped.
func ended(t *testing.T, pid int) bool {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for range 2000 {
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil || strings.Contains(string(data), ") Z ") || strings.Contains(string(data), ") X ") {
			return true
		}
		<-tick.C
	}
	return false
}

func TestChildDiesWithItsParent(t *testing.T) {
	out := newBuffer()
	p := start(t, Spec{Stdout: out}, "parent")
	<-out.line
	pid, err := strconv.Atoi(strings.TrimSpace(out.String()))
	if err != nil {
		t.Fatal(err)
	}
	// The group of the parent alone: its child leads another one, so only the parent-death signal can end it.
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	wait(t, p)
	if !ended(t, pid) {
		t.Errorf("process %d outlived its parent", pid)
	}
}

func TestLimitsHold(t *testing.T) {
	out := newBuffer()
	wait(t, start(t, Spec{Stdout: out, Limits: Limits{MemoryBytes: 1 << 30, OpenFiles: 64, FileBytes: -1}}, "limits"))
	if got, want := strings.TrimSpace(out.String()), fmt.Sprintf("%d 64 0", 1<<30); got != want {
		t.Errorf("limits %q, want %q", got, want)
	}
}

func TestMemoryLimitEndsInItsClass(t *testing.T) {
	tail := NewTail(32 << 10)
	e := wait(t, start(t, Spec{Stderr: tail, Limits: Limits{MemoryBytes: 256 << 20}}, "eat"))
	if strings.Contains(tail.String(), "ThreadSanitizer") {
		t.Skip("the race detector's own memory ends the child first")
	}
	if got, detail := e.Classify(tail.String()); got != ClassOutOfMemory {
		t.Errorf("class %s (%s); exit %+v, stderr:\n%s", got, detail, e, tail)
	}
}

func TestLimitOfNobodyFails(t *testing.T) {
	if err := limit(1<<22+1, Limits{OpenFiles: 1}); err == nil {
		t.Error("a limit was set on no process")
	}
}

func TestMachineAnswers(t *testing.T) {
	if CPUs() < 1 {
		t.Error("no core")
	}
	if AvailableMemory() < 1<<20 {
		t.Error("no memory")
	}
	_ = outOfMemoryKills()
}
