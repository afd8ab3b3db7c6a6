package api

import (
	"context"
	"sync"

	"ashatai/internal/core"
)

// Note is what a handler knows of its act that the request's path does not say, for the audit: ids, never what somebody wrote.
type Note struct {
	mu     sync.Mutex
	object string
	detail string
	who    core.Principal
}

type noteKey struct{}

// WithNote returns a context whose handler can tell the audit more.
func WithNote(ctx context.Context) (context.Context, *Note) {
	n := &Note{}
	return context.WithValue(ctx, noteKey{}, n), n
}

// Taken is what was told: the object's id, what changed, and who it was, each of them empty where nothing was.
func (n *Note) Taken() (object, detail string, who core.Principal) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.object, n.detail, n.who
}

func note(ctx context.Context, set func(n *Note)) {
	if n, ok := ctx.Value(noteKey{}).(*Note); ok {
		n.mu.Lock()
		defer n.mu.Unlock()
		set(n)
	}
}

// NoteObject tells the audit the id of the object of an act.
func NoteObject(ctx context.Context, id string) { note(ctx, func(n *Note) { n.object = id }) }

// NoteDetail tells the audit what an act changes, in words of the server.
func NoteDetail(ctx context.Context, detail string) { note(ctx, func(n *Note) { n.detail = detail }) }

// NoteWho tells the audit whose act it turned out to be, as with a login.
func NoteWho(ctx context.Context, p core.Principal) { note(ctx, func(n *Note) { n.who = p }) }

// NoteOf is the note of a context; nil where there is none.
func NoteOf(ctx context.Context) *Note {
	n, _ := ctx.Value(noteKey{}).(*Note)
	return n
}
