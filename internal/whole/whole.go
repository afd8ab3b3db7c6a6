// Package whole puts files in the place of others as a whole: whoever opens one finds what it held before or what it holds now, and
// nothing in between. It knows no content and takes no lock; of two writers of a file the last one wins. Files that are written piece by
// piece, or whose name follows from what they hold, are not for it.
package whole

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strings"
)

const (
	suffix   = ".new"
	fileMode = 0o600
	dirMode  = 0o700
)

// Left reports whether a file of this name is what a writer left that was killed. Nobody reads it, and who knows that nobody writes may
// remove it.
func Left(name string) bool { return strings.HasSuffix(name, suffix) }

// Write puts data in the place of the file at a path. It makes the folders that are missing; only the owner may read what it makes. Durable
// writes are on disk, with the file's name, when it returns; others are once the system gets to it, so that a power cut may take the old
// content with the new one.
func Write(file string, data []byte, durable bool) error {
	dir := filepath.Dir(file)
	for up := filepath.Dir(dir); up != dir; up = filepath.Dir(dir) { // Below makes the rest last
		if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
			break
		}
		dir = up
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	name, err := filepath.Rel(dir, file)
	if err == nil {
		err = Below(root, filepath.ToSlash(name), data, durable)
	}
	return errors.Join(err, root.Close())
}

// Below is Write in a folder that the name, whose parts slashes part, cannot lead out of.
func Below(root *os.Root, name string, data []byte, durable bool) error {
	dir := path.Dir(name)
	if err := root.MkdirAll(dir, dirMode); err != nil {
		return err
	}
	temp := path.Join(dir, rand.Text()+suffix)
	f, err := root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if durable {
		err = errors.Join(err, f.Sync())
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = root.Rename(temp, name)
	}
	if err != nil {
		return errors.Join(err, root.Remove(temp))
	}
	for durable {
		if err := last(root.Open(dir)); err != nil || dir == "." {
			return err
		}
		dir = path.Dir(dir)
	}
	return nil
}

// SyncFolder makes what happened to the names in a folder last.
func SyncFolder(dir string) error {
	return last(os.Open(dir)) //nolint:gosec // the caller's own folder
}

// last makes the names in a folder last, and closes it.
func last(dir *os.File, err error) error {
	if err != nil {
		return err
	}
	if runtime.GOOS == "windows" { // it has no such call, and journals names
		return dir.Close()
	}
	return errors.Join(dir.Sync(), dir.Close())
}
