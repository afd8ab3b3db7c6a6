package core

import (
	"encoding/json"
	"time"
)

// JobState is where a job is in its life.
type JobState string

// The states of a job. The last three are ends.
const (
	JobQueued    JobState = "queued"
	JobRunning   JobState = "running"
	JobDone      JobState = "done"
	JobFailed    JobState = "failed"
	JobCancelled JobState = "cancelled"
)

// JobStates are all states, in the order of a job's life.
func JobStates() []JobState {
	return []JobState{JobQueued, JobRunning, JobDone, JobFailed, JobCancelled}
}

// Ended reports whether nothing more happens to a job in this state.
func (s JobState) Ended() bool { return s == JobDone || s == JobFailed || s == JobCancelled }

// Job is work that outlives the request that asked for it, and the process that does it.
type Job struct {
	ID       string
	Kind     string // "pull"
	State    JobState
	Tenant   string
	User     string
	Title    string          // what it does, for people; no secrets
	Args     json.RawMessage // for the kind; may hold secrets
	Progress JobProgress
	Result   json.RawMessage // of a done job
	Error    *Error          // of a failed job
	Attempts int
	Created  time.Time
	Started  time.Time // of the last attempt; zero: not yet
	Ended    time.Time // zero: not yet
}

// JobProgress is how far a job is.
type JobProgress struct {
	Status    string `json:"status"` // for people
	Completed int64  `json:"completed"`
	Total     int64  `json:"total"` // 0: unknown
	Digest    string `json:"digest,omitempty"`
}

// JobEventKind says what an event of a job's log tells.
type JobEventKind string

// The kinds of events.
const (
	JobEventState    JobEventKind = "state"    // Body is {"state": …}, with the error of a failed job
	JobEventProgress JobEventKind = "progress" // Body is a JobProgress
	JobEventLog      JobEventKind = "log"      // Body is {"text": …}
)

// JobEvent is one entry of a job's log.
type JobEvent struct {
	Seq  int64 // from 1; there are gaps where old progress was deleted
	Kind JobEventKind
	Body string // JSON
	Time time.Time
}

// JobEnd is how a job ends, or that it is queued again.
type JobEnd struct {
	State  JobState
	Result json.RawMessage
	Error  *Error
}
