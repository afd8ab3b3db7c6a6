// Package host is the server's side of the worker protocol: a runtime whose every load is a process of its own. It starts
// the worker, checks that both are of one build, loads the model in it and speaks for it; it notices when the worker dies,
// hangs or breaks the protocol, and says so in one typed way. It decides nothing about when to load, to retry or to give
// up, and it never starts a dead worker again: that is its caller's.
package host

import (
	"log/slog"
	"time"

	"ashatai/internal/proc"
)

// Config says how workers are started. Zero durations mean the defaults.
type Config struct {
	Binary           string        // absolute path of the worker program
	Args             []string      // arguments before those of the protocol
	Build            string        // build of this server; a worker must be of the same
	Dir              string        // working folder of workers; empty is the root
	Env              []string      // whole environment of workers
	Log              *slog.Logger  // takes what workers write to standard error, and their ends
	Limits           proc.Limits   // what the kernel holds each worker to
	HeartbeatEvery   time.Duration // default 1 s
	HeartbeatTimeout time.Duration // silence after which a worker counts as hung; default 15 s
	StartTimeout     time.Duration // from the start to hello; default 30 s
	CloseGrace       time.Duration // from close to kill; default 10 s
	ReadPaths        []string      // what workers may read besides the model's folder: libraries
	Devices          []string      // device files that workers may use

	Locks map[string]string // SHA-256 of the lock file of a runtime's environment, where it has one
}

const (
	defaultHeartbeat    = time.Second
	defaultSilence      = 15 * time.Second
	defaultStartTimeout = 30 * time.Second
	defaultCloseGrace   = 10 * time.Second
)

// Host starts workers.
type Host struct{ cfg Config }

// New makes a Host. It starts nothing.
func New(cfg Config) *Host {
	set := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	set(&cfg.HeartbeatEvery, defaultHeartbeat)
	set(&cfg.HeartbeatTimeout, defaultSilence)
	set(&cfg.StartTimeout, defaultStartTimeout)
	set(&cfg.CloseGrace, defaultCloseGrace)
	return &Host{cfg: cfg}
}
