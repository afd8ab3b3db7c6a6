package blob

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"

	"ashatai/internal/core"
)

const (
	dataSuffix = ".part"
	markSuffix = ".json"
	maxMark    = 16 << 10
)

// Mark is what a download must remember to go on: which version of the remote file the bytes belong to.
type Mark struct {
	Validator string `json:"validator,omitempty"` // the server's ETag or date of the version, as it was sent
	Size      int64  `json:"size,omitempty"`      // bytes of the whole file; 0 when unknown
	Chunk     int64  `json:"chunk,omitempty"`     // bytes of one piece where the file is filled in pieces; 0: it grows at its end
}

// Partial is a file that grows at its end, or after Spread in several places, and survives the process. It has one user
// at a time and is not safe for concurrent use except where a method says so. The bytes are durable only after Promote,
// so a resumed file proves itself by its sha256 alone.
type Partial struct {
	s       *Store
	key     string
	f       *os.File
	size    int64
	mark    Mark
	journal *os.File // of the pieces; nil until Spread
}

// Partial opens the unfinished file for key, a sha256, and makes an empty one where there is none. A key that is in use
// is CodeConflict. The caller ends with Close, Discard or Promote.
func (s *Store) Partial(key string) (*Partial, error) {
	if !ValidSHA256(key) {
		return nil, badSHA(key)
	}
	s.mu.Lock()
	busy := s.open[key]
	s.open[key] = true
	s.mu.Unlock()
	if busy {
		return nil, core.Errorf(core.CodeConflict, "The file %s is being downloaded already; wait for that download.", key)
	}
	p := &Partial{s: s, key: key}
	if err := p.openData(); err != nil {
		s.release(key)
		return nil, err
	}
	return p, nil
}

func (s *Store) release(key string) {
	s.mu.Lock()
	delete(s.open, key)
	s.mu.Unlock()
}

func (p *Partial) name(suffix string) string { return partialDir + "/" + p.key + suffix }

func (p *Partial) openData() error {
	f, err := p.s.root.OpenFile(p.name(dataSuffix), os.O_RDWR|os.O_CREATE, fileMode)
	if err != nil {
		return p.s.explain(err, "write to", 0)
	}
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return errors.Join(p.s.explain(err, "read", 0), f.Close())
	}
	p.f, p.size, p.mark = f, size, p.readMark()
	return nil
}

// readMark returns the stored mark. One that cannot be read counts as none: the download then proves itself by its hash.
func (p *Partial) readMark() Mark {
	f, err := p.s.root.Open(p.name(markSuffix))
	if err != nil {
		return Mark{}
	}
	defer func() { _ = f.Close() }() // only read
	var m Mark
	if json.NewDecoder(io.LimitReader(f, maxMark)).Decode(&m) != nil || m.Size < 0 || m.Chunk < 0 {
		return Mark{}
	}
	return m
}

// Size is the number of bytes that are there: the offset of the next Write.
func (p *Partial) Size() int64 { return p.size }

// Mark is what SetMark stored, in this process or an earlier one.
func (p *Partial) Mark() Mark { return p.mark }

// SetMark stores the mark beside the file, whole or not at all.
func (p *Partial) SetMark(m Mark) error {
	data, err := json.Marshal(m)
	if err != nil {
		return core.Wrap(core.CodeInternal, err, "The state of the download %s cannot be written.", p.key)
	}
	name, f, err := p.s.temp()
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Close()); err == nil {
		err = p.s.root.Rename(name, p.name(markSuffix))
	}
	if err != nil {
		_ = p.s.root.Remove(name) // the next Open removes it else
		return p.s.explain(err, "write to", int64(len(data)))
	}
	p.mark = m
	return nil
}

// Write appends b. No space left is CodeDiskFull; what was written until then is kept.
func (p *Partial) Write(b []byte) (int, error) {
	n, err := p.f.Write(b)
	p.size += int64(n)
	if err != nil {
		return n, p.s.explain(err, "write to", p.size+int64(len(b)-n))
	}
	return n, nil
}

// Restart throws away the bytes, the mark and what is known of pieces.
func (p *Partial) Restart() error {
	if err := p.dropPieces(); err != nil { // first: what it tells must never be of other bytes
		return err
	}
	if err := p.f.Truncate(0); err != nil {
		return p.s.explain(err, "write to", 0)
	}
	if _, err := p.f.Seek(0, io.SeekStart); err != nil {
		return p.s.explain(err, "write to", 0)
	}
	p.size = 0
	return p.SetMark(Mark{})
}

// Verify reads the whole file back and compares its sha256 with the key. read gets the number of bytes after each
// piece. A difference is CodeBadModel with both hashes in the text; the file is kept.
func (p *Partial) Verify(ctx context.Context, read func(int64)) error {
	h := sha256.New()
	if _, err := p.s.copy(ctx, h, io.NewSectionReader(p.f, 0, p.size), read); err != nil {
		return err
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != p.key {
		return mismatch("The downloaded file", p.key, got)
	}
	return nil
}

// ReadAt reads bytes that are there.
func (p *Partial) ReadAt(b []byte, off int64) (int, error) { return p.f.ReadAt(b, off) }

// Promote makes the file, which the caller has verified, the blob that its key names, and ends the partial.
func (p *Partial) Promote() error {
	if err := p.s.promote(p.f, p.name(dataSuffix), p.key); err != nil {
		return err
	}
	return p.Discard()
}

// Discard removes the file and its mark, and ends the partial.
func (p *Partial) Discard() error {
	if p.f == nil {
		return nil
	}
	err := errors.Join(p.dropPieces(), p.closeFile())
	for _, suffix := range []string{dataSuffix, markSuffix} {
		if rerr := p.s.root.Remove(p.name(suffix)); rerr != nil && !errors.Is(rerr, fs.ErrNotExist) {
			err = errors.Join(err, p.s.explain(rerr, "delete a file of", 0))
		}
	}
	p.s.release(p.key) // last: the next user must not find half of this one
	return err
}

// Close keeps the file for later. Closing again, or after Discard or Promote, does nothing.
func (p *Partial) Close() error {
	if p.f == nil {
		return nil
	}
	err := errors.Join(p.closePieces(), p.closeFile())
	p.s.release(p.key)
	return err
}

func (p *Partial) closeFile() error {
	err := p.f.Close()
	p.f = nil
	if errors.Is(err, fs.ErrClosed) {
		return nil // promoting closed it
	}
	return err
}
