package sandbox

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// Enter is stage 1. Call it first in main, with the program's arguments and environment. On success it does not return: the
// program starts again, and Inside then reports true. An error means that not even the parts which every kernel has could
// be set, or that the program could not be started again; the caller ends.
func Enter(p Policy, args, env []string) error {
	// Never unlocked: the calling thread is the one that is restricted, and it ends in exec.
	runtime.LockOSThread()
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	if err := setLimits(limitsOf(p)); err != nil {
		return err
	}
	// The parent-death signal belongs to a thread too. The one that a parent set on the first thread is lost when another
	// thread executes a program, and this goroutine may be on any.
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
		return fmt.Errorf("set the parent-death signal: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("set no_new_privs: %w", err)
	}
	landlock := part{name: "landlock"}
	if err := restrictFiles(realKernel{}, rulesFor(p, self)); err != nil {
		if !errors.Is(err, errNoLandlock) {
			return err
		}
		landlock.missing = err.Error()
	}
	reached := encodeParts([]part{{name: "limits"}, {name: "no_new_privs"}, landlock})
	next := append([]string{args[0], marker + reached}, args[1:]...)
	return fmt.Errorf("start %s again: %w", self, syscall.Exec(self, next, env)) //nolint:gosec // the program starts itself with the arguments it was given
}

type limit struct {
	name     string
	resource int
	value    uint64
}

func limitsOf(p Policy) []limit {
	// A core file would hold prompts, and a worker writes no files.
	limits := []limit{{"core files", unix.RLIMIT_CORE, 0}, {"file size", unix.RLIMIT_FSIZE, fileBytes(p)}}
	if p.OpenFiles > 0 {
		limits = append(limits, limit{"open files", unix.RLIMIT_NOFILE, uint64(p.OpenFiles)})
	}
	if p.MemoryBytes > 0 {
		// Private writable memory, not the address space: Go and mapped models reserve far more of that than they use.
		limits = append(limits, limit{"memory", unix.RLIMIT_DATA, uint64(p.MemoryBytes)})
	}
	return limits
}

func setLimits(limits []limit) error {
	for _, l := range limits {
		var old unix.Rlimit
		if err := unix.Getrlimit(l.resource, &old); err != nil {
			return fmt.Errorf("read the limit of %s: %w", l.name, err)
		}
		n := min(l.value, old.Max)
		if err := unix.Setrlimit(l.resource, &unix.Rlimit{Cur: n, Max: n}); err != nil {
			return fmt.Errorf("limit %s to %d: %w", l.name, n, err)
		}
	}
	return nil
}

// maxFile is the largest file that a program with a folder to write in can make.
const maxFile = 8 << 30

func fileBytes(p Policy) uint64 {
	if len(p.WritePaths) == 0 {
		return 0
	}
	return maxFile
}
