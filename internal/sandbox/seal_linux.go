package sandbox

import (
	"fmt"
	"os/signal"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Seal is stage 2. Call it in the program that Enter started, before a native library is loaded, with what Inside said
// stage 1 reached (empty when there was none). It sets a system call filter on all threads, for good. The Tier is what is
// in force, also when the error says that the filter could not be set.
func Seal(reached string) (Tier, error) {
	// A write over the file size limit shall be an error of that write, not the end of the process.
	signal.Ignore(unix.SIGXFSZ)
	parts := decodeParts(reached)
	if reached == "" {
		const skipped = "stage 1 did not run"
		parts = []part{{"limits", skipped}, {"no_new_privs", skipped}, {"landlock", skipped}}
	}
	err := setFilter()
	filter := part{name: "seccomp"}
	if err != nil {
		filter.missing = err.Error()
	}
	return tierOf(append(parts, filter)), err
}

func setFilter() error {
	prog, err := program()
	if err != nil {
		return err
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("set no_new_privs: %w", err)
	}
	fprog := unix.SockFprog{Len: uint16(len(prog)), Filter: &prog[0]}                                                                                 //nolint:gosec // a few hundred instructions
	thread, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&fprog))) //nolint:gosec // the call takes a pointer
	if errno != 0 {
		return fmt.Errorf("set the system call filter: %w", errno)
	}
	if thread != 0 {
		return fmt.Errorf("set the system call filter: thread %d has another one", thread)
	}
	return nil
}
