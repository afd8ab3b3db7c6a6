// Package life is the one start-stop shape of everything that runs. It knows no service by name, reads no settings and
// never decides when something stops: it carries out what its owner asks.
package life

import (
	"context"
	"errors"
)

// Service is something that runs between Start and Stop.
//
// Start returns when the service is usable; its context bounds the start alone, not the life of the service. Starting a
// running service again does nothing. Stop asks the service to end and waits until nothing of it runs, or until its
// context ends, whose error it then returns while the service goes on ending. Stop is safe before Start, at the same
// time as Start, and any number of times. A service runs once: after Stop, Start returns ErrStopped.
type Service interface {
	Start(ctx context.Context) error
	Stop(ctx context.Context) error
}

// ErrStopped is what Start returns after Stop.
var ErrStopped = errors.New("the service was stopped and runs only once")
