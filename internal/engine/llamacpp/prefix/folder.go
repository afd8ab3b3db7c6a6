package prefix

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	fileSuffix = ".prefix"
	tempSuffix = ".writing"
	nameLen    = 2*sha256.Size + len(fileSuffix)
	dirMode    = 0o700
	fileMode   = 0o600
	staleTemp  = time.Hour // after which an unfinished file of another key has no living writer
	readers    = 4         // goroutines that read and check one file
)

// folder is the directory on disk. Files with other names than ours are not looked at.
type folder struct {
	root *os.Root
	key  [32]byte
}

// found is one file of the folder.
type found struct {
	name string
	size int64
	used time.Time
}

func openFolder(dir string, key [32]byte) (*folder, error) {
	if err := os.MkdirAll(dir, dirMode); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return &folder{root: root, key: key}, nil
}

func (f *folder) close() error { return f.root.Close() }

// list returns the finished files.
func (f *folder) list() ([]found, error) {
	entries, err := fs.ReadDir(f.root.FS(), ".")
	if err != nil {
		return nil, err
	}
	var out []found
	for _, e := range entries {
		if len(e.Name()) != nameLen || !strings.HasSuffix(e.Name(), fileSuffix) || !e.Type().IsRegular() {
			continue
		}
		if fi, err := e.Info(); err == nil { // else it was deleted since
			out = append(out, found{name: e.Name(), size: fi.Size(), used: fi.ModTime()})
		}
	}
	return out, nil
}

// clean removes what an interrupted writer of this key left, and of another key when that must be dead.
func (f *folder) clean(now time.Time) error {
	entries, err := fs.ReadDir(f.root.FS(), ".")
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), tempSuffix) || !e.Type().IsRegular() {
			continue
		}
		fi, err := e.Info()
		if err != nil {
			continue // it is gone
		}
		if strings.HasPrefix(e.Name(), f.tempPrefix()) || now.Sub(fi.ModTime()) > staleTemp {
			err = f.remove(e.Name())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (f *folder) tempPrefix() string { return hex.EncodeToString(f.key[:8]) + "-" }

// remove deletes a file; one that is not there is no error.
func (f *folder) remove(name string) error {
	if err := f.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// touch notes the time of a use, for the next start.
func (f *folder) touch(name string, at time.Time) {
	_ = f.root.Chtimes(name, at, at) // then it looks older than it is
}

// header reads the header of a file. errDamaged is for what must be deleted.
func (f *folder) header(name string, size int64) (*header, error) {
	file, err := f.root.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // only read
	h, err := readHeader(file, size)
	if err == nil && fileName(h.key, h.tenant, h.tokens) != name {
		return nil, errDamaged
	}
	return h, err
}

// load reads and checks a whole file into a buffer from the pool.
func (f *folder) load(ctx context.Context, name string, p *pool) (*header, *Buffer, error) {
	file, err := f.root.Open(name)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = file.Close() }() // only read
	fi, err := file.Stat()
	if err != nil {
		return nil, nil, err
	}
	h, err := readHeader(file, fi.Size())
	if err != nil {
		return nil, nil, err
	}
	buf, err := p.get(int(h.size))
	if err != nil {
		return nil, nil, err
	}
	if err := fill(ctx, file, h, buf.Bytes()); err != nil {
		buf.Release()
		return nil, nil, err
	}
	return h, buf, nil
}

// fill reads the state behind the header and checks its pieces, with several processors where there are.
func fill(ctx context.Context, file *os.File, h *header, state []byte) error {
	var (
		next  atomic.Int64
		wg    sync.WaitGroup
		first = make(chan error, readers)
	)
	for range min(readers, runtime.GOMAXPROCS(0), len(h.sums)) {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(h.sums); i = int(next.Add(1)) - 1 {
				if err := fillPiece(ctx, file, h, state, i); err != nil {
					first <- err
					return
				}
			}
		})
	}
	wg.Wait()
	close(first)
	return <-first
}

func fillPiece(ctx context.Context, file *os.File, h *header, state []byte, i int) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	piece := pieceOf(state, i)
	if _, err := file.ReadAt(piece, headerSize(h.tenant, len(h.tokens), h.size)+int64(i)*pieceSize); err != nil {
		return damagedAtEnd(err)
	}
	if sha256.Sum256(piece) != h.sums[i] {
		return errDamaged
	}
	return nil
}

func pieceOf(state []byte, i int) []byte {
	return state[i*pieceSize : min((i+1)*pieceSize, len(state))]
}

// write makes a durable temporary file of a state and returns its name; on an error nothing is left. pace is called
// before each piece.
func (f *folder) write(ctx context.Context, h *header, state []byte, pace func(context.Context, int)) (string, error) {
	temp := f.tempPrefix() + rand.Text() + tempSuffix
	file, err := f.root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return "", err
	}
	err = writeFile(ctx, file, h, state, pace)
	if err = errors.Join(err, file.Close()); err != nil {
		_ = f.remove(temp) // else the next Open does
		return "", err
	}
	return temp, nil
}

// writeFile writes the state first and the header last, so that each piece is hashed and written while it is in the
// processor's cache.
func writeFile(ctx context.Context, file *os.File, h *header, state []byte, pace func(context.Context, int)) error {
	start := headerSize(h.tenant, len(h.tokens), h.size)
	h.sums = make([][sha256.Size]byte, pieces(h.size))
	for i := range h.sums {
		piece := pieceOf(state, i)
		pace(ctx, len(piece))
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		h.sums[i] = sha256.Sum256(piece)
		if _, err := file.WriteAt(piece, start+int64(i)*pieceSize); err != nil {
			return err
		}
	}
	if _, err := file.WriteAt(h.encode(), 0); err != nil {
		return err
	}
	return file.Sync()
}

// publish gives a written file its name.
func (f *folder) publish(temp, name string) error {
	if err := f.root.Rename(temp, name); err != nil {
		_ = f.remove(temp) // else the next Open does
		return err
	}
	return nil
}
