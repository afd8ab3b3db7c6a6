//go:build unix && !linux

package proc

import "syscall"

func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// awaitExit cannot wait without reaping here: what a child leaves behind in its group ends only by Kill.
func awaitExit(int) bool { return false }

func limit(int, Limits) error { return nil }

func outOfMemoryKills() uint64 { return 0 }
