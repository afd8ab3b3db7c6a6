// Package plan decides for the fleet: which model is loaded, which is evicted, who is served next, what happens after a
// crash. It is a state machine that turns events into effects. It has no clock (each event carries its time), does no
// I/O, starts no goroutine, takes no lock and carries nothing out: that is the fleet's part.
//
// Times are durations since a zero point that its owner chooses.
package plan

import (
	"time"

	"ashatai/internal/core"
	"ashatai/internal/device"
)

// ID names a request for as long as it lives.
type ID uint64

// InstanceID names one load of a model. It is never used again.
type InstanceID uint64

// Model is a model as its caller describes it.
type Model struct {
	Key       string        // what is loaded once: models with one key share an instance
	Name      string        // what people call it, for messages and for Unload
	Family    string        // a model that is asked for replaces the loaded ones of its family; empty: none
	Memory    int64         // estimate in bytes, until a load has measured it
	Pinned    bool          // never unloaded and never evicted, until Unload
	KeepAlive time.Duration // how long it stays without work; 0: the default, negative: for ever
	Parts     []device.Part // what it is expected to take of devices
}

// Request is one piece of work for a model.
type Request struct {
	ID          ID
	Tenant      string
	Class       core.Class    // a higher one is served first
	Weight      int           // share of the tenant beside others; 0 means 1
	Cost        int           // expected tokens; 0 means 1
	Sequences   int           // sequences taken at once, at most the instance's; 0: needs the model loaded, takes none
	Deadline    time.Duration // dropped from the queue at this time; 0: never
	Fingerprint uint64        // tells requests that end workers; 0: not known
	Force       bool          // try a load even when one failed a moment ago
}

// Config bounds what the plan may do. Zero values mean the defaults in brackets.
type Config struct {
	Budget        int64            // bytes for all instances together [no bound]
	Devices       map[string]int64 // bytes of a device for all instances together, by its id [no bound]
	MaxQueue      int              // requests waiting per model [256]
	MaxQueuedCost int64            // tokens waiting per tenant and model [no bound]
	KeepAlive     time.Duration    // an idle instance is unloaded after this [5m]; negative: never
	DrainTime     time.Duration    // running requests get this long when an instance must go [30s]
	Residency     time.Duration    // longest time an instance is safe from eviction after its load [30s]
	Age           time.Duration    // a waiting class rises by one each time this passes unserved [20s]
	Hold          time.Duration    // a sequence is kept so long for a tenant that comes back at once [500ms]; negative: never
	Processors    int              // of the machine, for the instances to share; 0: they are told nothing
}

// classes is the number of queue classes.
const classes = int(core.ClassInteractive) + 1

// Fixed terms of the plan.
const (
	minResidency    = time.Second
	residencyFactor = 4 // a model stays at least this many times as long as its load took

	crashBackoff    = 250 * time.Millisecond // before the first restart; doubles with each crash
	loadBackoff     = 2 * time.Second        // after a failed load; doubles with each failure
	maxBackoff      = time.Minute
	stableAfter     = time.Minute // an instance that lived this long, or served a request, starts counting crashes anew
	quarantineTime  = 10 * time.Minute
	maxSuspects     = 1024
	forgetModel     = time.Hour // what was learned of a model without work is dropped after this
	usesHalfLife    = 10 * time.Minute
	unknownDrain    = 5 * time.Second // how long to wait where no drain rate was measured yet
	drainRetryAfter = 5 * time.Second
)

func (c Config) withDefaults() Config {
	def := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	def(&c.KeepAlive, 5*time.Minute)
	def(&c.DrainTime, 30*time.Second)
	def(&c.Residency, 30*time.Second)
	def(&c.Age, 20*time.Second)
	def(&c.Hold, 500*time.Millisecond)
	if c.MaxQueue == 0 {
		c.MaxQueue = 256
	}
	return c
}
