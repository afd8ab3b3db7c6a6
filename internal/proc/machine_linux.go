package proc

import (
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// CPUs is the number of cores this process really has: those its affinity allows, within the quota of its control
// groups, and at least 1.
func CPUs() int {
	n := runtime.NumCPU()
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err == nil {
		n = max(1, set.Count())
	}
	return cpusWithin(os.DirFS("/"), n)
}

// AvailableMemory is how many bytes this process can still take: the smaller of what the system and what its control
// groups leave. Zero when the system does not tell.
func AvailableMemory() int64 { return memoryWithin(os.DirFS("/")) }
