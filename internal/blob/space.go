package blob

import (
	"errors"
	"io/fs"
	"math"
	"syscall"

	"ashatai/internal/core"
)

// Free is the number of bytes that this process may still write into the directory.
func (s *Store) Free() (int64, error) {
	free, err := freeBytes(s.dir)
	if err != nil {
		return 0, s.explain(err, "measure", 0)
	}
	return int64(min(free, math.MaxInt64)), nil
}

// FreeAt is the room that is left for this user on the disk of a folder, in bytes.
func FreeAt(dir string) (uint64, error) { return freeBytes(dir) }

// Room refuses with CodeDiskFull when need bytes do not fit. A file system that does not tell its space is let through:
// the write itself then fails where it must.
func (s *Store) Room(need int64) error {
	free, err := freeBytes(s.dir)
	if err != nil || need <= 0 || uint64(need) <= free {
		return nil //nolint:nilerr // not knowing the space is no reason to refuse
	}
	return core.Errorf(core.CodeDiskFull,
		"The disk that holds %s has %d bytes free, but %d bytes are needed. Free space there, or move the home to a larger disk.",
		s.dir, free, need)
}

// explain turns a failure of the file system into a sentence. bytes is how large the file was about to become.
func (s *Store) explain(err error, act string, bytes int64) error {
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT), isDiskFull(err):
		return core.Wrap(core.CodeDiskFull, err,
			"The disk that holds %s is full: a file of %d bytes or more could not be written. Free space there, or move the home to a larger disk.",
			s.dir, bytes)
	case errors.Is(err, fs.ErrPermission):
		return core.Wrap(core.CodeUnavailable, err, "The server's user may not %s the directory %s; change its owner or permissions.", act, s.dir)
	}
	return core.Wrap(core.CodeUnavailable, err, "The server could not %s the directory %s; the log has the cause.", act, s.dir)
}
