//go:build !linux

package llamacpp

// residentMemory is not measured on this system.
func residentMemory() int64 { return 0 }
