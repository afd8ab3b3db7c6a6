// Package store is what the product keeps in a database, as rows and interfaces: the index of model files, a few named
// values, sealed credentials, and the chats, responses and conversations that callers store. A database is a folder below that implements DB and passes storetest.
//
// It refuses to hold logic of a feature, to keep anything that cannot be made again from files without saying so, and to
// expose a database's own types.
package store

import (
	"context"
	"time"

	"ashatai/internal/core"
)

// DB is one open database. Its methods, and those of what it returns, are safe for concurrent use. A write that
// returned without an error is on disk.
type DB interface {
	Tables

	// Check looks for damage. It reads the whole database, and its error is a sentence for the operator.
	Check(ctx context.Context) error
	// Close ends all use; closing again does nothing.
	Close() error
}

// Tables are what a database keeps.
type Tables interface {
	Models() Models
	Meta() Meta
	Objects() Objects
	Items() Items
	Accounts() Accounts
	Jobs() Jobs
	Audit() Audit
	Secrets() Secrets
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

// Owner is whose a stored object is. An object of another owner is as good as none.
type Owner struct {
	Tenant string
	User   string
}

// Objects are stored chats, responses and conversations.
type Objects interface {
	// Put keeps a new object and adds the items, all or nothing. Only objects of the same owner are added to. Where there are accounts
	// the owner is one of them, in its tenant of that moment. Errors: CodeUnauthenticated for one that is gone.
	Put(ctx context.Context, o core.Stored, add []core.StoredAdd) error
	// Get returns an object, and whether there is one.
	Get(ctx context.Context, who Owner, id string) (core.Stored, bool, error)
	// SetMetadata puts labels in place of the object's, and reports whether there is one.
	SetMetadata(ctx context.Context, who Owner, id string, metadata map[string]string, now time.Time) (bool, error)
	// Delete removes an object with its items and events, and reports whether there was one.
	Delete(ctx context.Context, who Owner, id string) (bool, error)
	// List returns the objects of a filter, and whether there are more. Errors: CodeNotFound for a StoredPage.After that
	// is not there.
	List(ctx context.Context, who Owner, f core.StoredFilter) ([]core.Stored, bool, error)
	// Commit writes what happened to running objects, all or nothing. What became of a deleted one is dropped.
	Commit(ctx context.Context, what []Progress, now time.Time) error
	// Lose turns the running objects into lost ones, and says how many there were.
	Lose(ctx context.Context, now time.Time) (int64, error)
	// Expire deletes up to most of the objects that have not changed since a time and that no response continues, the
	// oldest first, and says how many there were. Running ones stay.
	Expire(ctx context.Context, since time.Time, most int) (int64, error)
}

// Progress is what happened to a running object.
type Progress struct {
	ID     string
	Events []core.StoredEvent
	End    *core.StoredEnd // nil: it goes on
}

// Items are what stored objects are made of.
type Items interface {
	// Add adds items to an object, and reports whether there is one.
	Add(ctx context.Context, who Owner, object string, items []core.StoredItem, now time.Time) (bool, error)
	// Get returns the newest item with the id, of the object, or of any where object is empty.
	Get(ctx context.Context, who Owner, object, id string) (core.StoredItem, bool, error)
	// Delete removes an item, and reports whether there was one.
	Delete(ctx context.Context, who Owner, object, id string, now time.Time) (bool, error)
	// List returns a page of an object's items, and whether there are more. An object that is not there has none.
	// Errors: CodeNotFound for a StoredPage.After that is not there.
	List(ctx context.Context, who Owner, object string, page core.StoredPage) ([]core.StoredItem, bool, error)
	// History returns all items of an object and of those that it continues, the oldest first. Errors: CodeNotFound for
	// one that is not there, CodeInvalidRequest for more than most.
	History(ctx context.Context, who Owner, object string, most int) ([]core.StoredItem, error)
	// Events returns up to most events of an object's log with numbers above after, in order.
	Events(ctx context.Context, who Owner, object string, after int64, most int) ([]core.StoredEvent, error)
}
