package fleet

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"ashatai/internal/core"
	"ashatai/internal/engine"
	"ashatai/internal/fleet/plan"
	"ashatai/internal/fleet/plan/replica"
)

// loop owns all changing state of a fleet. Everything in it is used by one goroutine only.
type loop struct {
	f       *Fleet
	state   *plan.State
	zero    time.Time // the plan's time zero
	lastID  plan.ID
	tickets map[plan.ID]*ticket
	sets    map[string]*replica.Set // by the kind of their targets
	refused map[string]refusal      // replicas that are in no use, by their keys
	targets map[string]Target       // the newest target of each key
	live    map[plan.InstanceID]*live
	unloads []unloading
	used    int64 // bytes, as last reported

	// context makes a context for work of the loop's own, which ends when it is cancelled and not when the fleet is
	// asked to stop.
	context func() (context.Context, context.CancelFunc)
	tasks   sync.WaitGroup
	over    chan struct{} // closed when the loop takes no more messages
}

// unloading is an Unload that waits for instances to be gone.
type unloading struct {
	left map[plan.InstanceID]bool
	gone chan struct{}
}

func newLoop(ctx context.Context, f *Fleet) *loop {
	c := f.cfg
	return &loop{
		f: f,
		state: plan.New(plan.Config{
			Budget: c.Budget, MaxQueue: c.MaxQueue, MaxQueuedCost: c.MaxQueuedCost, KeepAlive: c.DefaultKeepAlive, DrainTime: c.DrainTimeout,
			Processors: c.Processors, Devices: c.Devices,
		}),
		// A second before now, so that no time of the plan is its zero, which stands for never.
		zero:    c.Now().Add(-time.Second),
		tickets: map[plan.ID]*ticket{}, sets: map[string]*replica.Set{}, refused: map[string]refusal{}, targets: map[string]Target{}, live: map[plan.InstanceID]*live{},
		context: func() (context.Context, context.CancelFunc) { return context.WithCancel(context.WithoutCancel(ctx)) },
		over:    make(chan struct{}),
	}
}

func (l *loop) run(ctx context.Context) {
	stop := ctx.Done()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for !l.state.Drained() || len(l.live) > 0 {
		l.arm(timer)
		select {
		case m := <-l.f.msgs:
			m.handle(l)
		case <-timer.C:
			l.apply(plan.Tick{At: l.at()})
		case <-stop:
			stop = nil
			l.apply(plan.Drain{At: l.at()})
		}
	}
	close(l.over)
	l.tasks.Wait()
}

// arm sets the timer to the next time at which the plan wants to be asked.
func (l *loop) arm(timer *time.Timer) {
	wait := time.Hour
	if at, ok := l.state.Wake(); ok {
		wait = max(0, at-time.Duration(l.at()))
	}
	timer.Reset(wait)
}

func (l *loop) at() plan.At { return plan.At(l.f.cfg.Now().Sub(l.zero)) }

func (l *loop) when(at time.Duration) time.Time { return l.zero.Add(at) }

// apply tells the plan what happened and does what it answers.
func (l *loop) apply(e plan.Event) {
	for _, x := range l.state.Apply(e) {
		x.Tell(l)
	}
	if used := l.state.Used(); used != l.used {
		l.used = used
		l.f.cfg.Metrics.Memory(used, l.f.cfg.Budget)
	}
}

// Start implements plan.Executor.
func (l *loop) Start(e plan.Start) { l.load(e.Instance, e.Key) }

// Stop implements plan.Executor.
func (l *loop) Stop(e plan.Stop) {
	on := l.live[e.Instance]
	on.stopping = true
	l.f.cfg.Metrics.Unloaded(on.target.Name, on.target.Runtime, string(e.Reason))
	l.f.cfg.Log.Info("model unloading", slog.String("model", on.target.Name), slog.String("runtime", on.target.Runtime),
		slog.String("reason", string(e.Reason)))
	on.cancel() // a load in progress; nothing else uses it
	if on.model != nil {
		l.close(on)
	}
}

// Admit implements plan.Executor.
func (l *loop) Admit(e plan.Admit) {
	t, on := l.tickets[e.ID], l.live[e.Instance]
	l.queueChanged(t)
	if t.base.elsewhere(on.facts.Device) { // that was not known before it was loaded, or it fell back
		l.leave(t, replica.Left)
		l.hand(t, misplaced(t.base, on))
		return
	}
	t.admits++
	if t.admits > 1 {
		l.f.cfg.Metrics.Replayed(t.target.Name)
	}
	l.f.cfg.Metrics.Admitted(t.target.Name, t.item.Class, e.Queued)
	t.verdicts <- verdict{on: on}
}

// misplaced is the error of a request whose model came to lie on another device than it asks for.
func misplaced(t Target, on *live) *core.Error {
	why := ""
	if on.facts.Fallback != "" {
		why = " (" + on.facts.Fallback + ")"
	}
	return core.Errorf(core.CodeUnsupported, "The model %s is on %s%s, and the request asks for the device %s. Send it without that, or see `ashatai runtime devices`.",
		t.Name, on.facts.Device, why, t.Where.Device)
}

// Fail implements plan.Executor.
func (l *loop) Fail(e plan.Fail) {
	t := l.tickets[e.ID]
	delete(l.tickets, e.ID)
	if l.moved(t, e.Err) {
		return
	}
	l.f.cfg.Metrics.Refused(t.target.Name, e.Err.Code)
	t.verdicts <- verdict{err: e.Err}
	t.abort(e.Err)
	l.queueChanged(t)
}

// Share implements plan.Executor. The newest number is what is sent, in whatever order the tasks run.
func (l *loop) Share(e plan.Share) {
	on := l.live[e.Instance]
	s, ok := on.model.(engine.Sharer)
	if !ok {
		return
	}
	on.share.Store(int64(e.Processors))
	l.task(func() {
		on.sharing.Lock()
		defer on.sharing.Unlock()
		s.Share(int(on.share.Load()))
	})
}

func (l *loop) queueChanged(t *ticket) {
	l.f.cfg.Metrics.Queue(t.target.Name, t.item.Class, l.state.Queued(t.target.key(), t.item.Class))
}

// task runs f beside the loop; the loop waits for it before it ends.
func (l *loop) task(f func()) { l.tasks.Go(f) }

// send gives the loop a message from one of its own tasks.
func (l *loop) send(m message) {
	select {
	case l.f.msgs <- m:
	case <-l.over:
	}
}

// closed notes that nothing is left of an instance.
func (l *loop) closed(on *live) {
	delete(l.live, on.id)
	on.die()
	l.apply(plan.Stopped{At: l.at(), Instance: on.id})
	l.unloaded(on)
}

// unloaded tells those who wait for an instance's end.
func (l *loop) unloaded(on *live) {
	l.unloads = slices.DeleteFunc(l.unloads, func(u unloading) bool {
		delete(u.left, on.id)
		if len(u.left) == 0 {
			close(u.gone)
		}
		return len(u.left) == 0
	})
}

func (l *loop) list() []Instance {
	views := l.state.View()
	out := make([]Instance, 0, len(views))
	for _, v := range views {
		on := l.live[v.ID]
		t := on.target
		in := Instance{
			ID: uint64(v.ID), Name: t.Name, Digest: t.Digest, Runtime: t.Runtime, State: v.Phase.String(), Embedding: t.Spec.Embedding,
			Pinned: v.Pinned, Facts: on.facts, Device: on.facts.Device, Estimate: t.Memory, Memory: v.Memory, Active: v.Running,
			Queued: v.Queued, LastUsed: l.when(v.LastUsed),
		}
		if v.ExpiresAt > 0 {
			in.ExpiresAt = l.when(v.ExpiresAt)
		}
		if p, ok := on.model.(interface{ PID() int }); ok {
			in.PID = p.PID()
		}
		if s, ok := on.model.(engine.Statter); ok {
			in.Stats = s.Stats
		}
		out = append(out, in)
	}
	return out
}

func (l *loop) warn(msg string, on *live, err error) {
	l.f.cfg.Log.Warn(msg, slog.String("model", on.target.Name), slog.String("runtime", on.target.Runtime), //nolint:sloglint // each caller's text is a constant
		slog.Uint64("instance", uint64(on.id)), slog.String("code", string(core.CodeOf(err))), slog.Any("error", err))
}
