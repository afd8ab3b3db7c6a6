// Package door lets calls into a loaded model: so many at once, and none once it is closed, which waits for those inside. It starts no
// goroutine and knows no library.
package door

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"ashatai/internal/core"
	"ashatai/internal/engine"
)

// Door is that of one model. Its methods may be called by several goroutines at once.
type Door struct {
	places chan struct{}
	closed chan struct{}
	once   sync.Once
	work   sync.RWMutex // held for reading by each call inside

	mu   sync.Mutex
	ends map[int]func() // what Close calls
	last int

	waiting, active atomic.Int64
	steps, busy     atomic.Uint64
}

// New makes a door with places for so many calls.
func New(places int) *Door {
	return &Door{places: make(chan struct{}, places), closed: make(chan struct{}), ends: map[int]func(){}}
}

// Enter waits for a place, and for the right to compute. Who got both gives them back by Leave. Errors: those of Alive.
func (d *Door) Enter(ctx context.Context) error {
	d.waiting.Add(1)
	defer d.waiting.Add(-1)
	if err := d.Alive(ctx); err != nil {
		return err
	}
	select {
	case d.places <- struct{}{}:
	case <-ctx.Done():
		return core.AsError(ctx.Err())
	case <-d.closed:
		return d.Alive(ctx)
	}
	d.work.RLock()
	if err := d.Alive(ctx); err != nil {
		d.work.RUnlock()
		<-d.places
		return err
	}
	d.active.Add(1)
	return nil
}

// Leave gives back what Enter gave.
func (d *Door) Leave() {
	d.active.Add(-1)
	d.work.RUnlock()
	<-d.places
}

// Alive is the reason for which a call must end, if there is one: CodeUnavailable once the door is closed, and the end of ctx.
func (d *Door) Alive(ctx context.Context) error {
	select {
	case <-d.closed:
		return core.Errorf(core.CodeUnavailable, "The model was unloaded while the request ran; send it again.")
	default:
	}
	if err := ctx.Err(); err != nil {
		return core.AsError(err)
	}
	return nil
}

// Closed is closed when the door is, while calls may still be inside.
func (d *Door) Closed() <-chan struct{} { return d.closed }

// OnClose has Close call f, before it waits, unless the returned function was called before. Once the door is closed, it calls f itself.
func (d *Door) OnClose(f func()) (forget func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	select {
	case <-d.closed:
		f()
		return func() {}
	default:
	}
	d.last++
	n := d.last
	d.ends[n] = f
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.ends, n)
	}
}

// Close closes the door. It calls what OnClose was given, waits until those inside have left, and calls free. It does this once; a call
// meanwhile waits as well, and later ones do nothing.
func (d *Door) Close(free func()) {
	d.once.Do(func() {
		d.end()
		d.work.Lock()
		defer d.work.Unlock()
		free()
	})
}

func (d *Door) end() {
	d.mu.Lock()
	defer d.mu.Unlock()
	close(d.closed)
	for _, f := range d.ends {
		f()
	}
}

// Computed counts a step that began then and is over now.
func (d *Door) Computed(began time.Time) {
	d.steps.Add(1)
	d.busy.Add(uint64(time.Since(began))) //nolint:gosec // not negative
}

// Stats are the figures that the door has: who is inside and who waits, and what was counted. Errors: those of Alive.
func (d *Door) Stats(ctx context.Context) (engine.Stats, error) {
	if err := d.Alive(ctx); err != nil {
		return engine.Stats{}, err
	}
	return engine.Stats{
		Active: int(d.active.Load()), Waiting: int(d.waiting.Load()), Steps: d.steps.Load(),
		Busy: time.Duration(d.busy.Load()), //nolint:gosec // far below 2⁶³
	}, nil
}
