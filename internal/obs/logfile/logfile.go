// Package logfile is a log on disk with bounds: a file that is set aside when it is large or a day old, and a number and an age of
// files that were set aside. It knows nothing of what a line says.
package logfile

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"ashatai/internal/core"
)

const (
	stamp = "20060102T150405.000000000" // behind the name of a file that was set aside: when
	mode  = 0o600
)

// Options say where the log is and what it may take.
type Options struct {
	Path  string        // absolute
	Bytes int64         // of one file
	Keep  int           // files that were set aside
	Age   time.Duration // after which one that was set aside is deleted; 0: never
	Now   func() time.Time
}

// File is a log. Its methods are safe for concurrent use.
type File struct {
	o Options

	mu   sync.Mutex
	f    *os.File
	size int64
	day  time.Time // of its first line, in UTC
}

// Open goes on with the log, or begins it. The caller closes it.
func Open(o Options) (*File, error) {
	l := &File{o: o}
	if err := l.open(); err != nil {
		return nil, core.Wrap(core.CodeUnavailable, err, "The log file %s cannot be written; check its folder, its owner and its permissions, or set logs.file.", o.Path)
	}
	l.clean()
	return l, nil
}

func (l *File) open() error {
	f, err := os.OpenFile(l.o.Path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, mode)
	if err != nil {
		return err
	}
	fi, err := f.Stat()
	if err != nil {
		return errors.Join(err, f.Close())
	}
	l.f, l.size, l.day = f, fi.Size(), dayOf(l.o.Now())
	if l.size > 0 {
		l.day = dayOf(fi.ModTime())
	}
	return nil
}

func dayOf(t time.Time) time.Time { return t.UTC().Truncate(24 * time.Hour) }

// Write appends one line. Before one that would be too much, or is of another day, the file is set aside; where that fails the
// line is appended all the same.
func (l *File) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.o.Now()
	if l.size > 0 && (l.size+int64(len(p)) > l.o.Bytes || dayOf(now).After(l.day)) {
		l.setAside(now)
	}
	n, err := l.f.Write(p)
	l.size += int64(n)
	return n, err
}

// setAside renames the file and begins another. The old one stays open until the new one is. A file that has no name any more,
// because somebody took it or no other could be begun the last time, needs none.
func (l *File) setAside(now time.Time) {
	old := l.f
	if err := os.Rename(l.o.Path, l.o.Path+"."+now.UTC().Format(stamp)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		l.day = dayOf(now) // not again at every line
		return
	}
	if err := l.open(); err != nil {
		l.f, l.day = old, dayOf(now)
		return
	}
	_ = old.Close() // every line was handed to the system
	l.clean()
}

// clean deletes what is too old or too much. What cannot be deleted is looked at again the next time.
func (l *File) clean() {
	beside, err := os.ReadDir(filepath.Dir(l.o.Path))
	if err != nil {
		return
	}
	type aside struct {
		name string
		at   time.Time
	}
	var list []aside
	for _, e := range beside {
		when, ours := strings.CutPrefix(e.Name(), filepath.Base(l.o.Path)+".")
		if at, err := time.Parse(stamp, when); ours && err == nil {
			list = append(list, aside{e.Name(), at})
		}
	}
	slices.SortFunc(list, func(a, b aside) int { return cmp.Compare(b.at.UnixNano(), a.at.UnixNano()) })
	for i, a := range list {
		if i >= l.o.Keep || l.o.Age > 0 && l.o.Now().Sub(a.at) > l.o.Age {
			_ = os.Remove(filepath.Join(filepath.Dir(l.o.Path), a.name)) // see above
		}
	}
}

// Part reports whether a path is that of a log, or of a file of it that was set aside.
func Part(log, path string) bool {
	when, aside := strings.CutPrefix(path, log+".")
	_, err := time.Parse(stamp, when)
	return path == log || aside && err == nil
}

// Close ends the log.
func (l *File) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.f.Close()
}
