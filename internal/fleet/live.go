package fleet

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"ashatai/internal/core"
	"ashatai/internal/engine"
	"ashatai/internal/fleet/plan"
)

// live is one instance. Id, key, target, model and facts do not change once a call was admitted to it; the rest belongs to
// the loop.
type live struct {
	id       plan.InstanceID
	key      string
	target   Target
	model    engine.Model // nil while it loads
	facts    engine.Facts
	begun    time.Time
	stopping bool
	cancel   context.CancelFunc // ends the load

	share   atomic.Int64 // processors that it may use, as the plan said last
	sharing sync.Mutex   // held while the model is told

	identity identity // of its tokenizer and template, where there are several replicas

	// gone ends when the instance died or was closed. OnGone calls f then, until the returned function is called.
	gone   <-chan struct{}
	onGone func(f func()) (stop func() bool)
	die    context.CancelFunc
}

// load begins to load a model as an instance.
func (l *loop) load(id plan.InstanceID, key string) {
	lifetime, die := l.context()
	ctx, cancel := l.context()
	on := &live{
		id: id, key: key, target: l.targets[key], begun: l.f.cfg.Now(), cancel: cancel, gone: lifetime.Done(), die: die,
		onGone: func(f func()) func() bool { return context.AfterFunc(lifetime, f) },
	}
	l.live[id] = on
	l.f.cfg.Log.Info("model loading", slog.String("model", on.target.Name), slog.String("runtime", on.target.Runtime),
		slog.Uint64("instance", uint64(id)))
	l.task(func() {
		defer cancel()
		m, err := l.loadModel(ctx, on)
		l.send(loadResult{on, m, err})
	})
}

// loadModel calls the runtime, bounded in time.
func (l *loop) loadModel(ctx context.Context, on *live) (engine.Model, *core.Error) {
	limit := l.f.cfg.LoadTimeout
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	rt := l.f.cfg.Runtimes[on.target.Runtime]
	if rt == nil {
		return nil, core.Errorf(core.CodeUnsupported, "The model %s needs the runtime %q, which this server does not have.", on.target.Name, on.target.Runtime)
	}
	spec := on.target.Spec
	if l.f.cfg.Memory != nil && spec.Memory == 0 { // asked for when what had to leave has left
		spec.Memory = l.f.cfg.Memory()
	}
	m, err := rt.Load(ctx, spec, func(part float64) { l.send(loadProgress{on, part}) })
	switch {
	case err == nil && m == nil:
		return nil, core.Errorf(core.CodeInternal, "The runtime %s loaded the model %s and returned nothing.", on.target.Runtime, on.target.Name)
	case err == nil:
		if on.identity, err = identityOf(ctx, m, on.target); err != nil {
			_ = m.Close() // it serves nobody
			return nil, core.AsError(err)
		}
		return m, nil
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return nil, core.Wrap(core.CodeDeadline, err, "The model %s did not load within %s. Try a smaller model, or raise the limit for loading.",
			on.target.Name, limit)
	}
	return nil, core.AsError(err)
}

// loaded takes the result of a load.
func (l *loop) loaded(on *live, m engine.Model, err *core.Error) {
	took := l.f.cfg.Now().Sub(on.begun)
	on.model = m
	switch {
	case on.stopping && m == nil:
		l.closed(on)
		return
	case on.stopping:
		l.close(on) // it came although it was given up
		return
	case err != nil:
		delete(l.live, on.id)
		on.die()
		l.f.cfg.Metrics.Loaded(on.target.Name, on.target.Runtime, took, err.Code)
		l.warn("model did not load", on, err)
		l.apply(plan.LoadFailed{At: l.at(), Instance: on.id, Err: err})
		l.unloaded(on)
		return
	}
	on.facts = m.Facts()
	if why := l.disagrees(on); why != nil {
		l.task(func() { _ = m.Close() }) // it serves nobody
		on.model = nil
		l.loaded(on, nil, why)
		return
	}
	l.f.cfg.Metrics.Loaded(on.target.Name, on.target.Runtime, took, "")
	l.f.cfg.Log.Info("model ready", slog.String("model", on.target.Name), slog.String("runtime", on.target.Runtime),
		slog.String("device", on.facts.Device), slog.Int64("memory_bytes", on.facts.Memory.Total()), slog.Duration("took", took))
	l.supervise(on)
	l.apply(plan.Loaded{At: l.at(), Instance: on.id, Memory: on.facts.Memory.Total(), Sequences: on.facts.Sequences, Parts: parts(on.facts.Offload)})
}

// supervise watches a model that can end by itself.
func (l *loop) supervise(on *live) {
	s, ok := on.model.(supervised)
	if !ok {
		return
	}
	l.task(func() {
		select {
		case <-s.Done():
			err := s.Exit()
			if err == nil {
				err = errors.New("it ended without being asked to")
			}
			l.send(death{on, diedOf(err)})
		case <-on.gone:
		}
	})
}

// diedOf is err as a worker's death.
func diedOf(err error) *core.Error {
	if e, ok := errors.AsType[*core.Error](err); ok && e.Code == core.CodeWorkerDied {
		return e
	}
	return core.Wrap(core.CodeWorkerDied, err, "The process that served the model ended.")
}

// close closes a model beside the loop, which must not wait for it.
func (l *loop) close(on *live) {
	l.task(func() { l.send(closing{on, on.model.Close()}) })
}
