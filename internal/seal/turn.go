package seal

import (
	"crypto/ed25519"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"

	"ashatai/internal/core"
	"ashatai/internal/whole"
)

// NextSuffix is what the file of a key that is to follow has behind the name of the present one's.
const NextSuffix = ".next"

// Prepare writes the key that is to follow beside the present one's file, in place of one that was prepared before. It counts
// only where a database says so, see Settle.
func Prepare(path string, next *Keys) error {
	err := os.Remove(path + NextSuffix)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		err = create(path+NextSuffix, next)
	}
	if err != nil {
		return core.Wrap(core.CodeUnavailable, err, "The server's new key cannot be written to %s.", path+NextSuffix)
	}
	return nil
}

// Settle puts the key that was prepared in the place of the present one where id is its own, and removes it where id is
// another's: what a change of keys that was cut off left behind. Where nothing was prepared it does nothing.
func Settle(path, id string) error {
	prepared := path + NextSuffix
	if _, err := os.Stat(prepared); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	next, err := Load(prepared)
	if err != nil {
		return err
	}
	dir := filepath.Dir(path)
	if next.ID() == id {
		err = os.Rename(prepared, path)
	} else {
		err = os.Remove(prepared)
	}
	if err = errors.Join(err, whole.SyncFolder(dir)); err != nil {
		return core.Wrap(core.CodeUnavailable, err, "The server's key in %s cannot be put in its place.", prepared)
	}
	return nil
}

// Ring holds the keys that count. It may be used by many goroutines.
type Ring struct{ now atomic.Pointer[Keys] }

// NewRing makes a ring.
func NewRing(k *Keys) *Ring {
	r := &Ring{}
	r.now.Store(k)
	return r
}

// Now are the keys that count.
func (r *Ring) Now() *Keys { return r.now.Load() }

// Turn puts others in their place.
func (r *Ring) Turn(next *Keys) { r.now.Store(next) }

// Signer is that of the keys that count.
func (r *Ring) Signer() ed25519.PrivateKey { return r.Now().Signer() }

// Seal is that of the keys that count.
func (r *Ring) Seal(name, plain string) string { return r.Now().Seal(name, plain) }

// Open is that of the keys that count.
func (r *Ring) Open(name, sealed string) (string, error) { return r.Now().Open(name, sealed) }
