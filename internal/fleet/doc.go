// Package fleet is the only door to inference: one goroutine owns the loaded models, asks fleet/plan what to do, and does
// it. It decides nothing itself, knows no model format and no HTTP, and never touches an engine's data.
package fleet

import (
	"context"
	"log/slog"
	"time"

	"ashatai/internal/core"
	"ashatai/internal/engine"
)

// Config is what a fleet is made of. Zero limits mean the defaults in brackets.
type Config struct {
	Runtimes         map[string]engine.Runtime // by the name in their descriptor
	Budget           int64                     // bytes for all loaded models together [no bound]
	Memory           func() int64              // bytes that a model which loads now may use; 0 of it: not known [no bound]
	Devices          map[string]int64          // bytes of a device for all loaded models together, by its id [no bound]
	MaxQueue         int                       // requests waiting per model [256]
	MaxQueuedCost    int64                     // tokens waiting per tenant and model [no bound]
	DefaultKeepAlive time.Duration             // an idle model is unloaded after this [5m]; negative: never
	LoadTimeout      time.Duration             // [5m]
	DrainTimeout     time.Duration             // how long running answers may go on when their model must go [30s]
	Processors       int                       // that the models share; 0: each takes what it was loaded for
	Log              *slog.Logger              // [none]
	Now              func() time.Time          // [time.Now]
	Metrics          Metrics                   // [none]
}

const defaultLoadTimeout = 5 * time.Minute

func (c Config) withDefaults() Config {
	if c.LoadTimeout <= 0 {
		c.LoadTimeout = defaultLoadTimeout
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Metrics == nil {
		c.Metrics = silent{}
	}
	return c
}

// Metrics is told what the fleet does. Its methods are called from the fleet's one goroutine and must not block.
type Metrics interface {
	Admitted(model string, class core.Class, wait time.Duration)
	Refused(model string, code core.Code) // a request ended by the fleet: not taken, not served in time, lost
	Loaded(model, runtime string, took time.Duration, code core.Code)
	Unloaded(model, runtime, reason string)
	Died(model, runtime string)
	Replayed(model string)
	Queue(model string, class core.Class, length int)
	Memory(used, budget int64)
}

type silent struct{}

func (silent) Admitted(string, core.Class, time.Duration)      {}
func (silent) Refused(string, core.Code)                       {}
func (silent) Loaded(string, string, time.Duration, core.Code) {}
func (silent) Unloaded(string, string, string)                 {}
func (silent) Died(string, string)                             {}
func (silent) Replayed(string)                                 {}
func (silent) Queue(string, core.Class, int)                   {}
func (silent) Memory(int64, int64)                             {}

// Target is the model that a call is for. Calls with the same name, digest and runtime share one instance; the
// specification of the call that made it be loaded is the one in force. An instance of another digest or runtime of the
// name gives way when its running answers end.
type Target struct {
	Name      string // canonical
	Digest    string
	Runtime   string
	Spec      engine.LoadSpec
	Memory    int64         // estimate in bytes, until a load has measured it
	Pinned    bool          // never unloaded for others or for time, until Unload
	KeepAlive time.Duration // 0: the default; negative: never unloaded for time

	Replicas []engine.Replica // places that it can be served from; empty: one, which the fields above name
	Balance  string           // how requests are spread over them: a policy of fleet/plan/replica; empty: by score
	Where    engine.Where     // what this call asks of its place
	Label    string           // of the replica that was chosen; the fleet sets it
}

// key is what instances are shared by.
func (t Target) key() string { return t.family() + "\x00" + t.Runtime + "\x00" + t.Digest }

// kind is what one set of replicas serves.
func (t Target) kind() string {
	if t.Spec.Embedding {
		return t.Name + "\x00embed"
	}
	return t.Name + "\x00generate"
}

// family is what only one version is kept loaded of.
func (t Target) family() string {
	if t.Label == "" {
		return t.kind()
	}
	return t.kind() + "\x00" + t.Label
}

// Item is what the queue knows of a call.
type Item = core.QueueItem

// Instance is one loaded, loading or leaving model.
type Instance struct {
	ID        uint64
	Name      string
	Digest    string
	Runtime   string
	Device    string // empty while it loads
	State     string // starting, ready, draining, stopping, dead
	Embedding bool
	Pinned    bool
	Facts     engine.Facts // zero while it loads
	Estimate  int64        // bytes, as the caller estimated them
	Memory    int64        // bytes in the ledger: measured, or the estimate while it loads
	Active    int          // requests being served
	Queued    int          // requests that wait for it
	LastUsed  time.Time
	ExpiresAt time.Time // when it is unloaded if nobody uses it; zero: not, or it is in use
	PID       int       // of its process; 0: not known

	// Stats asks the model for its live figures; nil while it loads.
	Stats func(ctx context.Context) (engine.Stats, error)
}

// RuntimeStatus is what a runtime claims, and what it finds on this machine.
type RuntimeStatus struct {
	engine.Descriptor
	engine.Status
}

// supervised is what a model also is when it can end by itself.
type supervised interface {
	Done() <-chan struct{}
	Exit() error
}

// contextError is the end of ctx as an error: the cause, where its owner gave one.
func contextError(ctx context.Context) *core.Error { return core.AsError(context.Cause(ctx)) }
