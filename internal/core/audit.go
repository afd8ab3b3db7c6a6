package core

import "time"

// AuditRow is one link of the audit chain. It names people and objects by their ids and never holds what they wrote.
type AuditRow struct {
	Seq     int64     // from 1, without gaps
	Time    time.Time // to the nanosecond
	Act     int64     // the row whose outcome this one tells; 0: this row is an act
	Tenant  string
	User    string // id of the account; "local" where there are none; empty: nobody known
	Key     string // id of the key that was used, or empty
	Session string // id of the login that was used, or empty
	Action  string // "DELETE /api/v1/models/{name...}", or a word for what has no call: "backup"
	Kind    string // of the object; may be empty
	Object  string // its id, or a model's name; may be empty
	Remote  string // the address that it came from; empty: this machine's command line, or the server itself
	Request string // id of the request; may be empty
	Status  int    // as in HTTP; 0: the outcome is another row, or nobody came to write one
	Detail  string // what changed, in words of the server
	Hash    string // of this row and the one before, lower-case hex
}

// AuditAct is an act with its outcome.
type AuditAct struct {
	AuditRow

	Ended time.Time // zero: no outcome was written
}

// The outcomes that a filter asks for.
const (
	AuditDone    = "done"    // it was done
	AuditRefused = "refused" // the caller's fault
	AuditFailed  = "failed"  // the server's fault
	AuditOpen    = "open"    // it runs, or the server ended in the middle
)

// Outcome is how an act ended.
func (a AuditAct) Outcome() string {
	const refused, failed = 400, 500
	switch {
	case a.Status == 0:
		return AuditOpen
	case a.Status >= failed:
		return AuditFailed
	case a.Status >= refused:
		return AuditRefused
	}
	return AuditDone
}

// AuditFilter chooses acts, the newest first. Empty fields choose all.
type AuditFilter struct {
	Before  int64 // only acts with smaller numbers; 0: all
	User    string
	Action  string // a part of the action, in any case
	Kind    string
	Object  string
	Outcome string
	Since   time.Time
	Until   time.Time // not included
	Limit   int
}

// AuditCheckpoint is the server's signature on how the chain stood.
type AuditCheckpoint struct {
	Seq       int64  // the last row that it covers
	Hash      string // of that row
	Time      time.Time
	Key       string // the public key, lower-case hex
	Signature string // lower-case hex
}
