// Package jobs runs work that outlives the request that asked for it and the process that does it. A feature registers a kind;
// a job's record, progress and log are rows that any number of readers follow; River hands jobs to workers.
//
// The product's own tables are the truth: River's queue is made anew from them at the start, so nothing that a killed server
// left is lost, and an effect that is recorded is not done again. It refuses to know what a kind does.
package jobs

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"ashatai/internal/core"
	"ashatai/internal/life"
	"ashatai/internal/store"
)

// Kind is a kind of job.
type Kind struct {
	Name    string
	Workers int // jobs of the kind that run at once
	// Run does a job, and returns what its record keeps as the result. It may be called again for a job that a killed process
	// had begun, and must go on or do over without harm. It returns soon after ctx ends.
	Run func(ctx context.Context, t *Task) (any, error)
}

// Config says what a service is made of.
type Config struct {
	Store    store.Jobs
	SQLite   *sql.DB       // the writing connection of the store; nil on PostgreSQL
	Postgres *pgxpool.Pool // the store's pool; nil on SQLite
	Kinds    []Kind
	// Retention is how long a job stays after its end; 0: for ever.
	Retention time.Duration
	Log       *slog.Logger
	Now       func() time.Time
}

// Service runs jobs between Start and Stop.
type Service struct {
	cfg   Config
	kinds map[string]Kind
	queue queue
	bell  bell
	life  life.Base // of the goroutine that deletes what is old

	mu       sync.Mutex
	running  map[string]context.CancelCauseFunc
	failed   map[string]*core.Error // of running jobs: failures that could not be written yet
	stopping bool
}

// mostLost is how often in a row a job may be running when the server is killed: it may be what kills it.
const mostLost = 5

// The reasons for which a running job's context ends.
var (
	errCancelled = errors.New("the job was cancelled")
	errStopping  = errors.New("the server stops")
)

// New makes a service. It touches nothing yet.
func New(cfg Config) (*Service, error) {
	s := &Service{cfg: cfg, kinds: map[string]Kind{}, running: map[string]context.CancelCauseFunc{}, failed: map[string]*core.Error{}}
	s.bell.ring()
	for _, k := range cfg.Kinds {
		s.kinds[k.Name] = k
	}
	var err error
	s.queue, err = newQueue(cfg, s.work)
	return s, err
}

// Start queues again what a killed process left, and begins to work.
func (s *Service) Start(ctx context.Context) error {
	if err := s.queue.prepare(ctx); err != nil {
		return core.Wrap(core.CodeUnavailable, err, "The queue of jobs cannot be made ready; the log has the cause.")
	}
	ids, err := s.cfg.Store.Recover(ctx, store.LostJobs{Most: mostLost, Error: core.Errorf(core.CodeInternal,
		"The server was killed %d times in a row while it did this job, so it is not tried again; ask for it anew once the cause is found.", mostLost)}, s.cfg.Now())
	if err != nil {
		return err
	}
	for _, id := range ids {
		j, ok, err := s.cfg.Store.Get(ctx, id)
		if err != nil {
			return err
		}
		if ok {
			s.enqueue(ctx, j)
		}
	}
	// The queue's own life is Stop's business: a caller's context that ends would drop running jobs without a word.
	if err := s.queue.start(context.WithoutCancel(ctx)); err != nil {
		return err
	}
	return s.life.Launch(ctx, s.sweeping)
}

// Stop ends running jobs, which are queued for the next start, and returns when none runs.
func (s *Service) Stop(ctx context.Context) error {
	s.mu.Lock()
	s.stopping = true
	for _, cancel := range s.running {
		cancel(errStopping)
	}
	s.mu.Unlock()
	s.bell.ring()
	return errors.Join(s.life.Stop(ctx), s.queue.stop(ctx))
}

// Request says which job to do.
type Request struct {
	Kind  string
	Title string // for people; no secrets
	Args  any
	Owner store.Owner
}

// Add keeps a job and returns it; when it returns, the job will be done, whatever becomes of the process.
func (s *Service) Add(ctx context.Context, req Request) (core.Job, error) {
	if _, ok := s.kinds[req.Kind]; !ok {
		return core.Job{}, core.Errorf(core.CodeInternal, "There is no kind of job %q.", req.Kind)
	}
	args, err := json.Marshal(req.Args)
	if err != nil {
		return core.Job{}, core.Wrap(core.CodeInternal, err, "The job's arguments cannot be written.")
	}
	j := core.Job{
		ID: "job_" + strings.ToLower(rand.Text()), Kind: req.Kind, State: core.JobQueued, Tenant: req.Owner.Tenant, User: req.Owner.User,
		Title: req.Title, Args: args, Created: s.cfg.Now().UTC(),
	}
	if err := s.cfg.Store.Add(ctx, j); err != nil {
		return core.Job{}, err
	}
	s.enqueue(context.WithoutCancel(ctx), j)
	return j, nil
}

// enqueue hands a kept job to the queue. Where that fails the job ends with the reason: it would wait unseen for the next start.
func (s *Service) enqueue(ctx context.Context, j core.Job) {
	err := error(core.Errorf(core.CodeUnsupported, "This version does no jobs of the kind %s.", j.Kind))
	if _, ok := s.kinds[j.Kind]; ok {
		err = s.queue.insert(ctx, j.ID, j.Kind)
	}
	if err == nil {
		return
	}
	s.cfg.Log.ErrorContext(ctx, "a job could not be queued", slog.String("job", j.ID), slog.String("error", err.Error()))
	if _, err := s.cfg.Store.End(ctx, j.ID, core.JobEnd{State: core.JobFailed, Error: core.AsError(err)}, s.cfg.Now()); err != nil {
		s.cfg.Log.ErrorContext(ctx, "nor could its end be written", slog.String("job", j.ID), slog.String("error", err.Error()))
	}
	s.bell.ring()
}

// Get returns a job. One that failed, whose end cannot be written, has failed all the same: whoever waits for it would wait
// until there is room on the disk. Errors: CodeNotFound.
func (s *Service) Get(ctx context.Context, id string) (core.Job, error) {
	j, ok, err := s.cfg.Store.Get(ctx, id)
	if err == nil && !ok {
		err = core.Errorf(core.CodeNotFound, "There is no job %.80q.", id)
	}
	return s.known(j), err
}

// known is a job with a failure that could not be written yet.
func (s *Service) known(j core.Job) core.Job {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.failed[j.ID]; e != nil && !j.State.Ended() {
		j.State, j.Error = core.JobFailed, e
	}
	return j
}

// List returns up to most jobs, the newest first; an empty kind or state is any.
func (s *Service) List(ctx context.Context, kind string, state core.JobState, most int) ([]core.Job, error) {
	list, err := s.cfg.Store.List(ctx, kind, state, most)
	for i := range list {
		list[i] = s.known(list[i])
	}
	return list, err
}

// Cancel ends a job that has not ended, and returns it as it then is. Work that runs is told at once. While the server
// stops it does nothing: a client that lost its line does not mean it.
func (s *Service) Cancel(ctx context.Context, id string) (core.Job, error) {
	if _, err := s.Get(ctx, id); err != nil {
		return core.Job{}, err
	}
	if !s.isStopping() {
		if _, err := s.cfg.Store.End(ctx, id, core.JobEnd{State: core.JobCancelled}, s.cfg.Now()); err != nil {
			return core.Job{}, err
		}
		s.mu.Lock()
		if cancel := s.running[id]; cancel != nil {
			cancel(errCancelled)
		}
		s.mu.Unlock()
		s.bell.ring()
	}
	return s.Get(ctx, id)
}

func (s *Service) isStopping() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stopping
}

const (
	followPage = 200
	// lookAgain bounds how late a reader hears of what another process wrote.
	lookAgain = time.Second
)

// Follow hands on the events of a job's log with numbers above after, as they are written, until the job has ended or tell
// fails. Errors: CodeNotFound; those of tell; the end of ctx.
func (s *Service) Follow(ctx context.Context, id string, after int64, tell func([]core.JobEvent) error) error {
	for {
		changed := s.bell.listen() // before the look, so that nothing falls between
		j, err := s.Get(ctx, id)
		if err != nil {
			return err
		}
		if after, err = s.log(ctx, id, after, tell); err != nil {
			return err
		}
		if j.State.Ended() {
			return nil
		}
		if s.isStopping() {
			return core.Errorf(core.CodeDraining, "The server stops; the job %s goes on at the next start.", id)
		}
		again := time.NewTimer(lookAgain)
		select {
		case <-changed:
		case <-again.C:
		case <-ctx.Done():
			again.Stop()
			return ctx.Err()
		}
		again.Stop()
	}
}

// Log is Follow for what is there now.
func (s *Service) Log(ctx context.Context, id string, after int64, tell func([]core.JobEvent) error) error {
	if _, err := s.Get(ctx, id); err != nil {
		return err
	}
	_, err := s.log(ctx, id, after, tell)
	return err
}

// log tells the events after a number, and returns the last one's.
func (s *Service) log(ctx context.Context, id string, after int64, tell func([]core.JobEvent) error) (int64, error) {
	for {
		events, err := s.cfg.Store.Events(ctx, id, after, followPage)
		if err != nil || len(events) == 0 {
			return after, err
		}
		after = events[len(events)-1].Seq
		if err := tell(events); err != nil {
			return after, err
		}
	}
}

// bell wakes whoever listens.
type bell struct {
	mu sync.Mutex
	ch chan struct{}
}

func (b *bell) ring() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ch != nil {
		close(b.ch)
	}
	b.ch = make(chan struct{})
}

func (b *bell) listen() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.ch
}
