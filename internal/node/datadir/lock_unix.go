//go:build unix

package datadir

import (
	"errors"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"ashatai/internal/core"
)

// Lock takes the data folder for this process. The kernel frees it when the process ends, however it ends.
func Lock(home string) (release func() error, err error) {
	f, err := os.OpenFile(filepath.Join(home, "lock"), os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // the operator chose the folder
	if err != nil {
		return nil, core.Wrap(core.CodeUnavailable, err, "The data folder %s cannot be written. Choose another with --home.", home)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(inUse(home, err), f.Close())
	}
	return f.Close, nil
}
