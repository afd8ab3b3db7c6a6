package provision

import (
	"errors"
	"syscall"
)

// errorDiskFull is ERROR_DISK_FULL of winerror.h.
const errorDiskFull = syscall.Errno(112)

func isFull(err error) bool { return errors.Is(err, errorDiskFull) }
