// Package optimize finds weights that stand in for a model's own: nearly the same numbers in a type that this machine
// computes faster. It tries one type after the other in workers, keeps the best that differs and loses little enough, and
// tells at each load which file is to be used.
//
// It refuses to change a model's own file, to use a file whose digest is not the one that it wrote down, and to choose by
// anything but what was measured. It holds no native code and knows no runtime.
package optimize

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"ashatai/internal/core"
	"ashatai/internal/engine"
)

// The settings that are no type of weights.
const (
	AsIs = "as-is" // the model's own file
	Auto = "auto"  // the best that was measured
)

// Config is what Open needs.
type Config struct {
	Dir     string           // folder of this package alone
	Machine string           // processor and cores, in words; figures count for this machine
	Log     *slog.Logger     // nil: silent
	Now     func() time.Time // nil: time.Now
}

// Target is a model to optimize.
type Target struct {
	Model *core.Manifest
	Load  engine.LoadSpec // with its own file, as it is loaded to serve
	Maker engine.Optimizer
	Types []string // to try, in this order
	Free  int64    // bytes of memory that trying may take; 0: not known
}

// Progress is one step of Run.
type Progress struct {
	Type  string          // being tried
	Stage string          // "making", "comparing", "measuring"
	Part  float64         // of the stage, 0 to 1
	Trial *engine.Variant // set when the type was tried
}

// Service keeps what was found. Its methods are safe for concurrent use; only Run takes long, and Use where it sees a file
// for the first time.
type Service struct {
	cfg     Config
	running sync.Mutex // one Run at a time

	mu      sync.Mutex
	stopped bool
	cancel  context.CancelCauseFunc // of the run that is on; nil when none is
	records map[string]*Record      // by the digest of the model's own file
	checked map[string]checked      // by path
}

// checked is a file whose digest was compared.
type checked struct {
	size int64
	time time.Time
	good bool
}

// Open reads what was found before, and removes what an interrupted run left.
func Open(ctx context.Context, cfg Config) (*Service, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	s := &Service{cfg: cfg, records: map[string]*Record{}, checked: map[string]checked{}}
	return s, s.restore(ctx)
}

// Stop ends the run that is on, and refuses others.
func (s *Service) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped = true; s.cancel != nil {
		s.cancel(errStopped())
	}
}

func errStopped() error {
	return core.Errorf(core.CodeDraining, "The server is stopping; optimize the model again when it has started.")
}

// begin makes the context of a run that Stop can end.
func (s *Service) begin(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cancel = cancel; s.stopped {
		cancel(errStopped())
	}
	return ctx, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.cancel = nil
		cancel(nil)
	}
}

// Record is what the last run found about the model with this digest; nil when there was none. It must not be changed.
func (s *Service) Record(digest string) *Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.records[digest]
}
