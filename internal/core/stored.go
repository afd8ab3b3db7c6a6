package core

import "time"

// StoredKind says what a stored object is.
type StoredKind string

// The kinds of stored objects.
const (
	StoredChat         StoredKind = "chat"
	StoredResponse     StoredKind = "response"
	StoredConversation StoredKind = "conversation"
)

// StoredState says whether a stored object is still being made.
type StoredState string

// The states of stored objects.
const (
	StoredRunning StoredState = "running" // being made by a run of this server
	StoredDone    StoredState = "done"    // Body says how it ended
	StoredLost    StoredState = "lost"    // the server ended while it was being made; Body is as it was at the beginning
)

// Stored is a chat, response or conversation that is kept for its owner. Body and the bodies of items and events are JSON
// in the words of the dialect that made them.
type Stored struct {
	ID       string
	Kind     StoredKind
	State    StoredState
	Tenant   string // with User, whose it is
	User     string
	Model    string
	Parent   string // id of the response that this one continues
	Logged   bool   // its events are kept
	Created  time.Time
	Updated  time.Time // of the last change; retention counts from here
	Metadata map[string]string
	Body     string
}

// StoredItem is one message, call or result of a stored object.
type StoredItem struct {
	ID     string
	Output bool // the model made it
	Body   string
}

// StoredAdd adds items to the end of the object To. Where there is no such object it does nothing.
type StoredAdd struct {
	To    string
	Items []StoredItem
}

// StoredEvent is one event of a stored object's log. Numbers grow.
type StoredEvent struct {
	Seq  int64
	Body string
}

// StoredEnd is how the making of an object ended.
type StoredEnd struct {
	Body string
	Add  []StoredAdd
}

// StoredPage is a part of a list.
type StoredPage struct {
	After      string // id of the entry before the first one; empty: from the beginning
	Limit      int
	Descending bool // newest first
	InputOnly  bool // without what the model made
}

// StoredFilter chooses stored objects.
type StoredFilter struct {
	StoredPage

	Kind     StoredKind
	Model    string            // empty: any
	Metadata map[string]string // every one must be there
}
