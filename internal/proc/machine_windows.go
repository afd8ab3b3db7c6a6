package proc

import (
	"runtime"
	"unsafe"

	"golang.org/x/sys/windows"
)

// CPUs is the number of cores this process has.
func CPUs() int { return runtime.NumCPU() }

// memoryStatus is MEMORYSTATUSEX of sysinfoapi.h.
type memoryStatus struct {
	length    uint32
	load      uint32
	total     uint64
	available uint64
	rest      [5]uint64
}

// AvailableMemory is how many bytes of physical memory are free. Zero when the system does not tell.
func AvailableMemory() int64 {
	m := memoryStatus{}
	m.length = uint32(unsafe.Sizeof(m))
	call := windows.NewLazySystemDLL("kernel32.dll").NewProc("GlobalMemoryStatusEx")
	if ok, _, _ := call.Call(uintptr(unsafe.Pointer(&m))); ok == 0 {
		return 0
	}
	return int64(min(m.available, 1<<62))
}
