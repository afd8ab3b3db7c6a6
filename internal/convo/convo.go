// Package convo keeps chats, responses and conversations for their owners: it lends the database out by owner, runs the
// work that makes a response in the background, writes the events of such work down so that readers can follow it from
// any point, and deletes what is older than the retention.
//
// It refuses to know what is in an object: bodies, items and events are a dialect's JSON. It does not generate text.
package convo

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"ashatai/internal/core"
	"ashatai/internal/life"
	"ashatai/internal/store"
)

// Config is what Service needs beyond the database. Zero values mean the defaults.
type Config struct {
	Retention time.Duration // how long an object stays after its last change; 0: for ever
	MaxRuns   int           // runs at once; 0: 256
	// Barred says why somebody whose run goes on may have it no more; nil: that one may. A nil function bars nobody.
	Barred func(ctx context.Context, p core.Principal) error
	Log    *slog.Logger     // nil: nothing is logged
	Now    func() time.Time // nil: time.Now
}

const (
	defaultMaxRuns = 256
	// commitGap is the least time between two writes of events: many events share one write to the disk, and a reader
	// waits no longer than it notices.
	commitGap = 20 * time.Millisecond
	// maxPending is how many events of one run may wait for the disk before the run waits too.
	maxPending = 1024
	sweepEvery = time.Hour
	// barEach is the time between two looks at whether those whose runs go on still may have them.
	barEach    = 2 * time.Second
	sweepBatch = 500
	maxHistory = core.MaxMessages
	// followPage is how many events a reader takes from the database at once.
	followPage = 256
	fullRetry  = 5 * time.Second
)

// Service is safe for concurrent use. Start it before anything else, and stop it after what calls it.
type Service struct {
	life.Base

	objects store.Objects
	items   store.Items
	cfg     Config
	wake    chan struct{} // holds one when there is something to write
	look    chan struct{} // holds one when a sweep is due

	retention atomic.Int64 // a time.Duration

	mu     sync.Mutex
	runs   map[string]*run
	closed bool
	going  sync.WaitGroup // the runs' goroutines
}

// New makes a Service on a database, which its caller closes after Stop.
func New(objects store.Objects, items store.Items, cfg Config) *Service {
	if cfg.MaxRuns <= 0 {
		cfg.MaxRuns = defaultMaxRuns
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	s := &Service{objects: objects, items: items, cfg: cfg, wake: make(chan struct{}, 1), look: make(chan struct{}, 1), runs: map[string]*run{}}
	s.retention.Store(int64(cfg.Retention))
	return s
}

// Start marks what an earlier server left unfinished as lost, and starts writing and sweeping.
func (s *Service) Start(ctx context.Context) error {
	n, err := s.objects.Lose(ctx, s.cfg.Now())
	if err != nil {
		return err
	}
	if n > 0 {
		s.cfg.Log.WarnContext(ctx, "responses were being made when the server ended", slog.Int64("lost", n))
	}
	return s.Launch(ctx, s.loop)
}

// Stop ends the runs, each with an end of its own on disk, and then everything else.
func (s *Service) Stop(ctx context.Context) error {
	s.mu.Lock()
	s.closed = true
	for _, r := range s.runs {
		r.cancel(core.Errorf(core.CodeDraining, "The server was shut down before the response was complete."))
	}
	s.mu.Unlock()
	ended := make(chan struct{})
	go func() { s.going.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-ctx.Done(): // what has not ended is lost at the next start
	}
	return s.Base.Stop(ctx)
}

// loop writes events and deletes old objects until ctx ends.
func (s *Service) loop(ctx context.Context) {
	s.sweep(ctx)
	sweep, bar := time.NewTicker(sweepEvery), time.NewTicker(barEach)
	defer sweep.Stop()
	defer bar.Stop()
	for {
		select {
		case <-bar.C:
			s.bar(ctx)
		case <-s.wake:
			s.commit(context.WithoutCancel(ctx))
			select {
			case <-time.After(commitGap):
			case <-ctx.Done():
			}
		case <-sweep.C:
			s.sweep(ctx)
		case <-s.look:
			s.sweep(ctx)
		case <-ctx.Done():
			return
		}
	}
}

// SetRetention changes how long objects stay, from the next sweep on, which is due at once.
func (s *Service) SetRetention(d time.Duration) {
	s.retention.Store(int64(d))
	select {
	case s.look <- struct{}{}:
	default: // one is due already
	}
}

// sweep deletes what is older than the retention. Responses go before those that they continue, so it goes on until
// nothing is left.
func (s *Service) sweep(ctx context.Context) {
	keep := time.Duration(s.retention.Load())
	if keep <= 0 {
		return
	}
	var total int64
	for ctx.Err() == nil {
		n, err := s.objects.Expire(ctx, s.cfg.Now().Add(-keep), sweepBatch)
		if err != nil {
			s.cfg.Log.WarnContext(ctx, "old stored objects could not be deleted", slog.String("error", err.Error()))
			return
		}
		if total += n; n == 0 {
			break
		}
	}
	if total > 0 {
		s.cfg.Log.InfoContext(ctx, "old stored objects were deleted", slog.Int64("count", total))
	}
}
