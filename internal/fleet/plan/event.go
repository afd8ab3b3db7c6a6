package plan

import (
	"time"

	"ashatai/internal/core"
	"ashatai/internal/device"
)

// Event is something that happened. Its types are those of this file.
type Event interface {
	when() time.Duration
	apply(s *State)
}

// At is the time of an event, since the owner's zero point. Time never goes back: an earlier one counts as the last seen.
type At time.Duration

func (a At) when() time.Duration { return time.Duration(a) }

type (
	// Submit asks for work. Every submitted request gets one end: a Fail effect, or a Done or Cancel event.
	Submit struct {
		At
		Model   Model
		Request Request
	}
	// Seen says that the client got something of the request, which can then not be done again elsewhere.
	Seen struct {
		At
		ID ID
	}
	// Done says that an admitted request completed.
	Done struct {
		At
		ID ID
	}
	// Cancel says that a request is over without having completed, wherever it is: its client left, or it failed by itself.
	Cancel struct {
		At
		ID ID
	}
	// Loaded says that the load of an instance is done, with what was measured.
	Loaded struct {
		At
		Instance  InstanceID
		Memory    int64 // bytes in use; 0: not known, the estimate stays
		Sequences int
		Parts     []device.Part // that it takes of devices
	}
	// LoadFailed says that nothing came of a load and that its memory is free.
	LoadFailed struct {
		At
		Instance InstanceID
		Err      *core.Error
	}
	// Died says that a loaded instance ended by itself.
	Died struct {
		At
		Instance InstanceID
		Err      *core.Error
	}
	// Stopped says that a Stop effect was carried out and that the instance's memory is free.
	Stopped struct {
		At
		Instance InstanceID
	}
	// Unload asks that every instance of the models of a name ends.
	Unload struct {
		At
		Name string
	}
	// Drain asks that everything ends: nothing new, and what runs may finish.
	Drain struct{ At }
	// Tick says that time passed.
	Tick struct{ At }
)

func (Tick) apply(*State) {}
