package proc

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// CPUs is the number of cores this process has.
func CPUs() int { return runtime.NumCPU() }

// AvailableMemory is the machine's memory in bytes: this system does not tell cheaply how much of it is free. Zero when
// it does not tell at all.
func AvailableMemory() int64 {
	n, err := unix.SysctlUint64("hw.memsize")
	if err != nil {
		return 0
	}
	return int64(min(n, 1<<62))
}
