//go:build !linux

package proc

// Resident is not measured on this system.
func Resident() int64 { return 0 }
