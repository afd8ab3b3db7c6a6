package plan

import (
	"time"

	"ashatai/internal/core"
)

// Effect is something to do. Its types are those of this file.
type Effect interface {
	// Tell calls the method of x that is made for the effect.
	Tell(x Executor)
}

// Executor carries effects out. One method per type of effect: an executor that forgets one does not compile.
type Executor interface {
	Start(e Start)
	Stop(e Stop)
	Admit(e Admit)
	Fail(e Fail)
	Share(e Share)
}

// Reason says why an instance is stopped.
type Reason string

// The reasons.
const (
	ReasonIdle     Reason = "idle"     // not used for its keep-alive time
	ReasonEvicted  Reason = "evicted"  // another model needs the memory
	ReasonUnload   Reason = "unload"   // asked for
	ReasonDrain    Reason = "drain"    // the server shuts down
	ReasonDied     Reason = "died"     // it ended by itself; what is left is to be freed
	ReasonReplaced Reason = "replaced" // another version of the model was asked for
	ReasonTooBig   Reason = "too_big"  // it took more memory than there is
)

type (
	// Start loads a model as a new instance. It is answered by Loaded or LoadFailed.
	Start struct {
		Instance InstanceID
		Key      string
	}
	// Stop ends an instance, a load in progress included. It is answered by Stopped.
	Stop struct {
		Instance InstanceID
		Reason   Reason
	}
	// Admit gives a request to an instance. A request may be admitted twice: when its first instance died before its
	// client had seen anything.
	Admit struct {
		ID       ID
		Instance InstanceID
		Queued   time.Duration // since it was submitted, or since its first instance died
	}
	// Fail is the end of a request. Where it was admitted, its work must be ended.
	Fail struct {
		ID  ID
		Err *core.Error
	}
	// Share says on how many of the machine's processors an instance may compute from now on. Until it is told, on all.
	Share struct {
		Instance   InstanceID
		Processors int
	}
)

// Tell implements Effect.
func (e Start) Tell(x Executor) { x.Start(e) }

// Tell implements Effect.
func (e Stop) Tell(x Executor) { x.Stop(e) }

// Tell implements Effect.
func (e Admit) Tell(x Executor) { x.Admit(e) }

// Tell implements Effect.
func (e Fail) Tell(x Executor) { x.Fail(e) }

// Tell implements Effect.
func (e Share) Tell(x Executor) { x.Share(e) }
