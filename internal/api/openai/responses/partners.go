package responses

import (
	"context"
	"iter"

	"ashatai/internal/core"
)

// Generator makes text.
type Generator interface {
	Generate(ctx context.Context, req *core.Request) (*core.Stream, error)
}

// Catalogue finds the installed models.
type Catalogue interface {
	Resolve(ctx context.Context, name string) (*core.Manifest, error)
}

// Counter counts the tokens of a request's prompt.
type Counter interface {
	CountTokens(ctx context.Context, req *core.Request) (int, error)
}

// Archive keeps objects for their owners. What belongs to another is not found.
type Archive interface {
	Keep(ctx context.Context, p core.Principal, o core.Stored, add []core.StoredAdd) error
	Get(ctx context.Context, p core.Principal, kind core.StoredKind, id string) (core.Stored, error)
	Relabel(ctx context.Context, p core.Principal, kind core.StoredKind, id string, labels map[string]string) (core.Stored, error)
	Delete(ctx context.Context, p core.Principal, kind core.StoredKind, id string) error
	List(ctx context.Context, p core.Principal, f core.StoredFilter) ([]core.Stored, bool, error)
}

// Items are what kept objects are made of.
type Items interface {
	Add(ctx context.Context, p core.Principal, kind core.StoredKind, object string, list []core.StoredItem) error
	Get(ctx context.Context, p core.Principal, object, id string) (core.StoredItem, error)
	Delete(ctx context.Context, p core.Principal, object, id string) error
	List(ctx context.Context, p core.Principal, object string, page core.StoredPage) ([]core.StoredItem, bool, error)
	History(ctx context.Context, p core.Principal, object string) ([]core.StoredItem, error)
}

// Runs make objects in the background and write down what happens.
type Runs interface {
	Run(ctx context.Context, p core.Principal, o core.Stored, add []core.StoredAdd,
		work func(ctx context.Context, emit func(core.StoredEvent)) core.StoredEnd) error
	Cancel(ctx context.Context, p core.Principal, id string) (bool, error)
	// Follow yields the events with numbers above after, and waits for more while the object is made.
	Follow(ctx context.Context, p core.Principal, id string, after int64) iter.Seq2[core.StoredEvent, error]
	// Logged returns the events that are there now.
	Logged(ctx context.Context, p core.Principal, id string) ([]core.StoredEvent, error)
}

// Partners are those that the API works with.
type Partners struct {
	Generator Generator
	Catalogue Catalogue
	Counter   Counter
	Archive   Archive
	Items     Items
	Runs      Runs
}
