// Package store is what the product keeps in a database, as rows and interfaces: the index of model files and a few
// named values. A database is a folder below that implements DB and passes storetest.
//
// It refuses to hold logic of a feature, to keep anything that cannot be made again from files without saying so, and to
// expose a database's own types.
package store

import (
	"context"
	"time"
)

// DB is one open database. Its methods, and those of what it returns, are safe for concurrent use. A write that
// returned without an error is on disk.
type DB interface {
	Models() Models
	Meta() Meta
	// Check looks for damage. It reads the whole database, and its error is a sentence for the operator.
	Check(ctx context.Context) error
	// Close ends all use; closing again does nothing.
	Close() error
}

// ModelFile is what is known of one model file, so that a restart need not read it again. It counts only while the
// file's size and time are the same and the same rules made it. It can be made again from the file.
type ModelFile struct {
	Path     string    // absolute; the key
	Size     int64     // bytes
	ModTime  time.Time // to the nanosecond
	Rules    int64     // version of the rules that read the file
	SHA256   string    // of the whole file, lower-case hex; empty when Error is not
	Head     string    // sha256 of the first MiB, lower-case hex; empty when Error is not
	Manifest string    // JSON of what the file says about itself; empty when Error is not
	Error    string    // why the file is refused, a sentence; empty for a good file
}

// Models is the index of model files.
type Models interface {
	// Get returns the row of a path, and whether there is one.
	Get(ctx context.Context, path string) (ModelFile, bool, error)
	// Put writes a row in place of the one with its path.
	Put(ctx context.Context, row ModelFile) error
	// Delete removes a row; one that is not there is no error.
	Delete(ctx context.Context, path string) error
	// List returns all rows in the order of their paths.
	List(ctx context.Context) ([]ModelFile, error)
}

// Meta is a few named values, such as what this home was last used by.
type Meta interface {
	// Get returns a value, and whether there is one.
	Get(ctx context.Context, key string) (string, bool, error)
	// Set writes a value in place of the one with its key.
	Set(ctx context.Context, key, value string) error
}
