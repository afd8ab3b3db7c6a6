package sqlite

import (
	"context"
	"errors"
	"io/fs"

	driver "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"ashatai/internal/core"
)

// explain turns a failure of the database at path into a sentence. It returns nil for nil, and leaves a context's end
// and what is a sentence already.
func explain(err error, path string) error {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	if _, ok := errors.AsType[*core.Error](err); ok {
		return err
	}
	if errors.Is(err, fs.ErrPermission) {
		return core.Wrap(core.CodeUnavailable, err, "The server's user may not open the database %s; change its owner or permissions.", path)
	}
	const unknown = -1
	code := unknown
	if e, ok := errors.AsType[*driver.Error](err); ok {
		code = e.Code() & 0xff // the primary code
	}
	switch code {
	case sqlite3.SQLITE_FULL:
		return core.Wrap(core.CodeDiskFull, err, "The disk that holds the database %s is full; nothing was changed. Free space there.", path)
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return core.Wrap(core.CodeUnavailable, err, "Another process holds the database %s; stop it, or try again.", path)
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return core.Wrap(core.CodeUnavailable, err,
			"The database %s is damaged or is no database; move it away, with its -wal and -shm files, or put a backup in its place.", path)
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM:
		return core.Wrap(core.CodeUnavailable, err, "The database %s cannot be written; check the owner and permissions of the file and its folder.", path)
	}
	return core.Wrap(core.CodeUnavailable, err, "The database %s failed; the log has the cause.", path)
}
