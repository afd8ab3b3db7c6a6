package jobs

import (
	"context"
	"database/sql"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"
)

const (
	// River's own cooldown of 100 ms would be most of what a short job takes.
	fetchCooldown = 5 * time.Millisecond
	// River asks for new jobs while it does not rest. On SQLite an insert triggers a fetch too, and yet a job that was added
	// behind another was seen to wait for the next poll; why is not known.
	pollSQLite   = 100 * time.Millisecond
	pollPostgres = 100 * time.Millisecond
	// River without a job still asks the database and its own lists some thirty times a second, which is more of a
	// processor than a stream of tokens takes. So it runs only while there are jobs, and this long after the last.
	restAfter = 30 * time.Second
)

// queue is River over either database.
type queue interface {
	prepare(ctx context.Context) error // makes River's tables, and empties them
	start(ctx context.Context) error
	stop(ctx context.Context) error
	insert(ctx context.Context, id, kind string) error
}

func newQueue(cfg Config, work func(ctx context.Context, id string)) (queue, error) {
	if cfg.Postgres != nil {
		q := &riverQueue[pgx.Tx]{driver: riverpgxv5.New(cfg.Postgres), poll: pollPostgres, empty: func(ctx context.Context) error {
			_, err := cfg.Postgres.Exec(ctx, emptyQueue)
			return err
		}}
		return q, q.open(cfg, work)
	}
	q := &riverQueue[*sql.Tx]{driver: riversqlite.New(cfg.SQLite), poll: pollSQLite, empty: func(ctx context.Context) error {
		_, err := cfg.SQLite.ExecContext(ctx, emptyQueue)
		return err
	}}
	return q, q.open(cfg, work)
}

// emptyQueue drops what a former process queued: the product's own record says what is to be done.
const emptyQueue = "DELETE FROM river_job"

// riverQueue is River over a database whose transactions are T. It works between start and stop, and rests while no job is
// there.
type riverQueue[T any] struct {
	driver riverdriver.Driver[T]
	client *river.Client[T]
	empty  func(ctx context.Context) error
	poll   time.Duration

	left  atomic.Int64  // jobs that were added and not done; it goes up under mu alone
	idle  time.Duration // until it rests
	timer *time.Timer   // calls rest

	mu    sync.Mutex
	life  context.Context //nolint:containedctx // start's, for when it wakes; nil while it must not
	awake bool
}

// args are all that River keeps of a job.
type args struct {
	ID string `json:"id"`
}

// Kind implements river.JobArgs.
func (args) Kind() string { return "ashatai" }

// worker hands River's jobs on. A job's end is written in the product's record, so for River each one succeeds.
type worker struct {
	river.WorkerDefaults[args]

	do func(ctx context.Context, id string)
}

// Work implements river.Worker.
func (w *worker) Work(ctx context.Context, j *river.Job[args]) error {
	w.do(ctx, j.Args.ID)
	return nil
}

// Timeout implements river.Worker: a job takes as long as it takes.
func (w *worker) Timeout(*river.Job[args]) time.Duration { return -1 }

func (q *riverQueue[T]) open(cfg Config, work func(ctx context.Context, id string)) (err error) {
	q.idle, q.timer = restAfter, time.AfterFunc(time.Hour, q.rest)
	q.timer.Stop()
	workers := river.NewWorkers()
	river.AddWorker(workers, &worker{do: func(ctx context.Context, id string) { defer q.done(); work(ctx, id) }})
	queues := map[string]river.QueueConfig{}
	for _, k := range cfg.Kinds {
		queues[k.Name] = river.QueueConfig{MaxWorkers: k.Workers}
	}
	q.client, err = river.NewClient(q.driver, &river.Config{
		Queues: queues, Workers: workers, FetchCooldown: fetchCooldown, FetchPollInterval: q.poll, MaxAttempts: 1, JobTimeout: -1,
		// One process works on a database at a time, and tells itself of new jobs: no polling of notices, no leader and
		// none of a leader's duties. Retries and rescue are the record's.
		PollOnly: true, LeaderElectionDisabled: true,
		Logger: slog.New(quiet{cfg.Log.Handler()}),
	})
	return err
}

// quiet lets River's warnings through and nothing below.
type quiet struct{ slog.Handler }

// Enabled implements slog.Handler.
func (q quiet) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= slog.LevelWarn && q.Handler.Enabled(ctx, l)
}

// WithAttrs implements slog.Handler.
func (q quiet) WithAttrs(attrs []slog.Attr) slog.Handler { return quiet{q.Handler.WithAttrs(attrs)} }

// WithGroup implements slog.Handler.
func (q quiet) WithGroup(name string) slog.Handler { return quiet{q.Handler.WithGroup(name)} }

func (q *riverQueue[T]) prepare(ctx context.Context) error {
	m, err := rivermigrate.New(q.driver, &rivermigrate.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	if _, err := m.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return err
	}
	q.left.Store(0)
	return q.empty(ctx)
}

func (q *riverQueue[T]) start(ctx context.Context) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.life = ctx
	return q.wake()
}

// wake makes River work where there is something to do; the lock is held.
func (q *riverQueue[T]) wake() error {
	if q.life == nil || q.awake || q.left.Load() == 0 {
		return nil
	}
	if err := q.client.Start(q.life); err != nil {
		return err
	}
	q.awake = true
	return nil
}

// rest stops River when nothing was left to do for a while.
func (q *riverQueue[T]) rest() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.awake || q.left.Load() != 0 {
		return
	}
	if err := q.client.Stop(q.life); err == nil {
		q.awake = false
	}
}

// done counts a job that is done. It is called by River's worker and takes no lock: rest waits for the workers.
func (q *riverQueue[T]) done() {
	if q.left.Add(-1) == 0 {
		q.timer.Reset(q.idle)
	}
}

func (q *riverQueue[T]) stop(ctx context.Context) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.timer.Stop()
	q.life = nil
	if !q.awake {
		return nil
	}
	q.awake = false
	return q.client.Stop(ctx)
}

func (q *riverQueue[T]) insert(ctx context.Context, id, kind string) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.left.Add(1)
	err := q.wake()
	if err == nil {
		_, err = q.client.Insert(ctx, args{ID: id}, &river.InsertOpts{Queue: kind, MaxAttempts: 1})
	}
	if err != nil {
		q.done()
	}
	return err
}
