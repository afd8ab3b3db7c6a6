// Package figures writes what the parts of a server tell of themselves into its metrics. It measures nothing itself.
package figures

import (
	"time"

	"ashatai/internal/core"
	"ashatai/internal/fleet"
	"ashatai/internal/obs"
)

// Fleet writes what the fleet's loop tells into the metrics.
type Fleet struct{ Metrics *obs.Metrics }

var _ fleet.Metrics = Fleet{}

// Admitted implements fleet.Metrics; the wait is part of the answer's usage, which metered records.
func (f Fleet) Admitted(string, core.Class, time.Duration) {}

// Refused implements fleet.Metrics.
func (f Fleet) Refused(model string, code core.Code) { f.Metrics.Refused(model, string(code)) }

// Loaded implements fleet.Metrics.
func (f Fleet) Loaded(model, runtime string, took time.Duration, code core.Code) {
	f.Metrics.Loaded(model, runtime, string(code), took)
}

// Unloaded implements fleet.Metrics.
func (f Fleet) Unloaded(model, _, reason string) {
	f.Metrics.Evicted(reason)
	f.Metrics.ForgetModel(model)
}

// Died implements fleet.Metrics.
func (f Fleet) Died(model, runtime string) { f.Metrics.WorkerDied(model, runtime) }

// Replayed implements fleet.Metrics.
func (f Fleet) Replayed(model string) { f.Metrics.Replayed(model) }

// Queue implements fleet.Metrics.
func (f Fleet) Queue(model string, class core.Class, length int) {
	f.Metrics.SetQueueDepth(model, class.String(), length)
}

// Memory implements fleet.Metrics.
func (f Fleet) Memory(used, total int64) {
	f.Metrics.SetMemory("used", used)
	f.Metrics.SetMemory("budget", total)
}
