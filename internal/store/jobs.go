package store

import (
	"context"
	"time"

	"ashatai/internal/core"
)

// Jobs are the record of work that outlives the process that does it: state, progress, log and outcome.
type Jobs interface {
	JobLog
	// Add keeps a new, queued job. Of j it takes ID, Kind, Tenant, User, Title, Args and Created.
	Add(ctx context.Context, j core.Job) error
	// Get returns a job, and whether there is one.
	Get(ctx context.Context, id string) (core.Job, bool, error)
	// List returns up to most jobs, the newest first; an empty kind or state is any.
	List(ctx context.Context, kind string, state core.JobState, most int) ([]core.Job, error)
	// Start turns a queued job into a running one, and reports whether it was queued.
	Start(ctx context.Context, id string, now time.Time) (bool, error)
	// End ends a job that has not ended, writes its outcome and an event, and reports whether it had not. A state of queued
	// takes a running job back instead.
	End(ctx context.Context, id string, end core.JobEnd, now time.Time) (bool, error)
	// Recover queues what a killed process left running, and returns the ids of all jobs that have not ended, in order. A
	// job that was left so often in a row as lost says ends instead.
	Recover(ctx context.Context, lost LostJobs, now time.Time) ([]string, error)
	// Expire deletes up to most jobs with all that is kept of them that ended before a time, the oldest first, and says how
	// many there were.
	Expire(ctx context.Context, ended time.Time, most int) (int64, error)
}

// JobLog is what is told of jobs while they run.
type JobLog interface {
	// Report adds events to a job's log and, where progress is not nil, sets how far a running job is.
	Report(ctx context.Context, id string, events []core.JobEvent, progress *core.JobProgress) error
	// Events returns up to most events of a job's log with numbers above after, in order.
	Events(ctx context.Context, id string, after int64, most int) ([]core.JobEvent, error)
	// Thin deletes up to most events of progress from before a time, and says how many there were. What a log ends with
	// stays, so that no number is given twice.
	Thin(ctx context.Context, before time.Time, most int) (int64, error)
}

// LostJobs says when a job is given up that the server does not survive.
type LostJobs struct {
	Most  int // how often in a row it may be lost, this time included
	Error *core.Error
}
