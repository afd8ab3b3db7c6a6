package fleet

import (
	"context"
	"slices"
	"strings"
	"sync"

	"ashatai/internal/core"
	"ashatai/internal/fleet/plan"
	"ashatai/internal/life"
)

// Fleet loads models on demand and serves calls with them. It is a life.Service: Stop refuses new work, lets running
// answers end within the drain time, ends the rest, and closes every model.
type Fleet struct {
	life.Base
	cfg  Config
	msgs chan message
}

// New makes a fleet that is not started.
func New(cfg Config) *Fleet {
	return &Fleet{cfg: cfg.withDefaults(), msgs: make(chan message)}
}

// Start begins to serve.
func (f *Fleet) Start(ctx context.Context) error {
	return f.Launch(ctx, func(ctx context.Context) { newLoop(ctx, f).run(ctx) })
}

// post gives the loop a message, unless ctx or the fleet ends before.
func (f *Fleet) post(ctx context.Context, m message) error {
	select {
	case <-f.Started():
	default:
		select {
		case <-f.Stopped():
			return errGone()
		default:
			return core.Errorf(core.CodeUnavailable, "The server is still starting; try again in a moment.")
		}
	}
	select {
	case f.msgs <- m:
		return nil
	case <-f.Stopped():
		return errGone()
	case <-ctx.Done():
		return contextError(ctx)
	}
}

// tell gives the loop a message that it must get as long as it lives.
func (f *Fleet) tell(m message) {
	select {
	case f.msgs <- m:
	case <-f.Stopped():
	}
}

func errGone() *core.Error {
	return core.Errorf(core.CodeDraining, "The server has shut down and takes no requests.")
}

// Instances lists what is loaded, loading or leaving, in the order of its start.
func (f *Fleet) Instances(ctx context.Context) ([]Instance, error) {
	reply := make(chan []Instance, 1)
	if err := f.post(ctx, listing{reply}); err != nil {
		return nil, err
	}
	return <-reply, nil
}

// Runtimes looks at every runtime, at once, and lists them by name.
func (f *Fleet) Runtimes(ctx context.Context) []RuntimeStatus {
	var (
		wg  sync.WaitGroup
		out = make([]RuntimeStatus, len(f.cfg.Runtimes))
		i   int
	)
	for _, rt := range f.cfg.Runtimes {
		at := i
		i++
		wg.Go(func() { out[at] = RuntimeStatus{rt.Descriptor(), rt.Probe(ctx)} })
	}
	wg.Wait()
	slices.SortFunc(out, func(a, b RuntimeStatus) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// Load makes a model ready, and pins it where the target says so. Progress, when not nil, is called from this goroutine
// with 0 to 1. A load that failed a moment ago is tried again.
func (f *Fleet) Load(ctx context.Context, t Target, progress func(float64)) (Instance, error) {
	ctx, c, err := f.submit(ctx, &ticket{target: t, force: true, progress: make(chan float64, 1)})
	if err != nil {
		return Instance{}, err
	}
	defer c.end()
	for {
		select {
		case p := <-c.ticket.progress:
			if progress != nil {
				progress(p)
			}
		case v := <-c.ticket.verdicts:
			if v.err != nil {
				return Instance{}, v.err
			}
			return f.describe(ctx, v.on)
		case <-ctx.Done():
			return Instance{}, contextError(ctx)
		}
	}
}

func (f *Fleet) describe(ctx context.Context, on *live) (Instance, error) {
	all, err := f.Instances(ctx)
	if err != nil {
		return Instance{}, err
	}
	i := slices.IndexFunc(all, func(in Instance) bool { return plan.InstanceID(in.ID) == on.id })
	if i < 0 {
		return Instance{}, core.Errorf(core.CodeWorkerDied, "The model %s was loaded and ended right away; its log has the cause. Try again.", on.target.Name)
	}
	return all[i], nil
}

// Unload ends every instance of a name and waits until their memory is free: running answers may end within the drain
// time. Error: CodeNotFound when none is there.
func (f *Fleet) Unload(ctx context.Context, name string) error {
	m := unload{name: name, found: make(chan bool, 1), gone: make(chan struct{})}
	if err := f.post(ctx, m); err != nil {
		return err
	}
	if !<-m.found {
		return core.Errorf(core.CodeNotFound, "The model %s is not loaded.", name)
	}
	select {
	case <-m.gone:
		return nil
	case <-ctx.Done():
		return contextError(ctx)
	}
}
