package proc

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: unix.SIGKILL}
}

// awaitExit returns true when the child has ended and is still to be reaped.
func awaitExit(pid int) bool {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			return err == nil
		}
	}
}

// limit sets the limits from outside, so that they hold whatever the child does.
func limit(pid int, l Limits) error {
	set := func(name string, resource int, v int64) error {
		if v == 0 {
			return nil
		}
		n := uint64(max(v, 0))
		if err := unix.Prlimit(pid, resource, &unix.Rlimit{Cur: n, Max: n}, nil); err != nil {
			return fmt.Errorf("limit %s to %d: %w", name, n, err)
		}
		return nil
	}
	return errors.Join(
		// Not the address space: Go and mapped model files reserve far more of it than they use.
		set("memory", unix.RLIMIT_DATA, l.MemoryBytes),
		set("open files", unix.RLIMIT_NOFILE, int64(l.OpenFiles)),
		set("file size", unix.RLIMIT_FSIZE, l.FileBytes),
	)
}

// outOfMemoryKills is the kernel's count of processes that it killed for memory.
func outOfMemoryKills() uint64 { return memoryKills(os.DirFS("/")) }

// memoryKills are those of this process's control group where it has one, since children are in it too, else those of the machine.
func memoryKills(root fs.FS) uint64 {
	for _, dir := range groupDirs(root, "memory") {
		for _, name := range []string{"/memory.events", "/memory.oom_control"} {
			if n, ok := field(root, dir+name, "oom_kill"); ok {
				return uint64(max(0, n))
			}
		}
	}
	n, _ := field(root, "proc/vmstat", "oom_kill")
	return uint64(max(0, n))
}
