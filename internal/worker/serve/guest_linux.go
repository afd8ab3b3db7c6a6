package serve

import (
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"ashatai/internal/engine"
	"ashatai/internal/sandbox"
	"ashatai/internal/worker/wire"
)

const (
	canBecome  = true
	bundleFD   = 200 // far above what is open this early, and below the bound on descriptors
	bundlePath = "/proc/self/fd/200"
)

// carryBundle puts a program's file into memory, as a descriptor that outlives the start of other programs. It comes before the
// sandbox, in which no file can be written, not even one in memory.
func carryBundle(bundle []byte) error {
	fd, err := unix.MemfdCreate("bundle", unix.MFD_CLOEXEC)
	if err != nil {
		return fmt.Errorf("make a file in memory: %w", err)
	}
	f := os.NewFile(uintptr(fd), "bundle")
	defer f.Close() //nolint:errcheck // the copy stays
	if _, err := f.Write(bundle); err != nil {
		return err
	}
	if err := unix.Dup3(fd, bundleFD, 0); err != nil {
		return fmt.Errorf("keep descriptor %s: %w", strconv.Itoa(bundleFD), err)
	}
	return nil
}

// become turns this process into the program. It returns only when that fails.
func become(p engine.Program, launch wire.Launch, reached string, opt Options) error {
	filter, err := sandbox.Filter()
	if err != nil {
		opt.Log.Warn("the system call filter is missing", slog.String("error", err.Error()))
		filter = nil
	}
	args, err := guestArgs(p, launch, string(sandbox.Reached(reached)), filter, opt)
	if err != nil {
		return err
	}
	return fmt.Errorf("start %s: %w", p.Path, syscall.Exec(p.Path, args, p.Env)) //nolint:gosec // the program of an environment that was checked
}
