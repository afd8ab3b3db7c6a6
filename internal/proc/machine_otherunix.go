//go:build unix && !linux && !darwin

package proc

import "runtime"

// CPUs is the number of cores this process has.
func CPUs() int { return runtime.NumCPU() }

// AvailableMemory is zero here: the system does not tell.
func AvailableMemory() int64 { return 0 }
