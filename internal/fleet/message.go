package fleet

import (
	"context"
	"time"

	"ashatai/internal/core"
	"ashatai/internal/engine"
	"ashatai/internal/fleet/plan"
	"ashatai/internal/fleet/plan/replica"
)

// message is what others send to the loop, which alone calls handle.
type message interface{ handle(l *loop) }

type (
	submission struct{ ticket *ticket }
	// faulted says that a server elsewhere failed a call. A call of which nothing was begun gets a new verdict.
	faulted struct {
		ticket *ticket
		on     *live
		fault  *engine.FaultError
	}
	checked struct {
		set   *replica.Set
		label string
		err   error
	}
	placing struct {
		target Target
		reply  chan replica.Decision
	}
	// seeing asks whether the ticket still runs on an instance, and commits it to that: it is not replayed any more.
	seeing struct {
		ticket *ticket
		on     *live
		still  chan bool
	}
	// standing asks for the ticket's place in the queue.
	standing struct {
		ticket *ticket
		place  chan int
	}
	completion struct {
		ticket *ticket
		made   int
		took   time.Duration
	}
	cancellation struct{ ticket *ticket }
	loadProgress struct {
		on   *live
		part float64
	}
	loadResult struct {
		on    *live
		model engine.Model
		err   *core.Error
	}
	death struct {
		on  *live
		err *core.Error
	}
	closing struct {
		on  *live
		err error
	}
	unload struct {
		name  string
		found chan bool
		gone  chan struct{}
	}
	listing struct{ reply chan []Instance }
)

// ticket is one call's place in the loop.
type ticket struct {
	id        plan.ID // set by the loop
	base      Target  // as the caller named it
	target    Target  // at the replica that was chosen
	item      Item
	sequences int
	force     bool
	verdicts  chan verdict            // has room for all that can come
	abort     context.CancelCauseFunc // ends the call's context with the loop's reason
	progress  chan float64            // nil, or holds the last progress of the load
	admits    int                     // at its replica
	wait      *core.Wait              // told where the call stands; may be nil

	placed bool            // it counts as work of its replica
	seen   bool            // the client got something
	stays  bool            // it is not moved any more
	doubt  bool            // a replica said that it failed at it, which may be the request's doing
	tried  map[string]bool // replicas that could not begin it
	made   int             // tokens, and how long they took; known at the completion
	took   time.Duration
}

// maxVerdicts, for each replica: admitted, admitted again after a death, failed.
const maxVerdicts = 3

// verdict says that a call may use an instance, or that it failed.
type verdict struct {
	on  *live
	err *core.Error
}

func (m submission) handle(l *loop) {
	t := m.ticket
	t.base, t.tried = t.target, map[string]bool{}
	if err := l.place(t, nil); err != nil {
		l.f.cfg.Metrics.Refused(t.base.Name, err.Code)
		t.verdicts <- verdict{err: err}
		t.abort(err)
	}
}

// enqueue submits a ticket to the plan, at the replica that its target names.
func (l *loop) enqueue(t *ticket) {
	l.lastID++
	t.id, t.admits = l.lastID, 0
	l.tickets[t.id] = t
	key := t.target.key()
	l.targets[key] = t.target
	r := plan.Request{
		ID: t.id, Tenant: t.item.Tenant, Class: t.item.Class, Weight: t.item.Weight, Cost: t.item.Cost, Sequences: t.sequences,
		Fingerprint: t.item.Fingerprint, Force: t.force,
	}
	if d := t.item.Deadline; !d.IsZero() {
		r.Deadline = max(1, d.Sub(l.zero))
	}
	l.apply(plan.Submit{At: l.at(), Request: r, Model: plan.Model{
		Key: key, Name: t.target.Name, Family: t.target.family(), Memory: t.target.Memory, Pinned: t.target.Pinned, KeepAlive: t.target.KeepAlive,
		Parts: l.expected(t.target),
	}})
	t.wait.At(l.state.Place(t.id))
	l.queueChanged(t)
}

func (m seeing) handle(l *loop) {
	still := l.state.RunsOn(m.ticket.id, m.on.id)
	if still {
		m.ticket.seen = true
		l.apply(plan.Seen{At: l.at(), ID: m.ticket.id})
	}
	m.still <- still
}

func (m standing) handle(l *loop) { m.place <- l.state.Place(m.ticket.id) }

func (m completion) handle(l *loop) {
	delete(l.tickets, m.ticket.id)
	m.ticket.made, m.ticket.took = m.made, m.took
	l.leave(m.ticket, replica.Served)
	l.apply(plan.Done{At: l.at(), ID: m.ticket.id})
}

func (m cancellation) handle(l *loop) {
	delete(l.tickets, m.ticket.id)
	l.leave(m.ticket, replica.Left)
	l.apply(plan.Cancel{At: l.at(), ID: m.ticket.id})
	l.queueChanged(m.ticket)
}

func (m loadProgress) handle(l *loop) {
	for _, t := range l.tickets {
		if t.progress == nil || t.target.key() != m.on.key {
			continue
		}
		select { // the newest replaces one that was not read yet
		case <-t.progress:
		default:
		}
		t.progress <- m.part
	}
}

func (m loadResult) handle(l *loop) { l.loaded(m.on, m.model, m.err) }

func (m death) handle(l *loop) {
	on := m.on
	if on.stopping {
		return
	}
	l.f.cfg.Metrics.Died(on.target.Name, on.target.Runtime)
	l.warn("worker died", on, m.err)
	l.apply(plan.Died{At: l.at(), Instance: on.id, Err: m.err})
	on.die()
	l.spread(on.key, m.err)
}

func (m closing) handle(l *loop) {
	if m.err != nil {
		l.warn("model did not close well", m.on, m.err)
	}
	l.closed(m.on)
}

func (m unload) handle(l *loop) {
	left := map[plan.InstanceID]bool{}
	for id, on := range l.live {
		if on.target.Name == m.name {
			left[id] = true
		}
	}
	m.found <- len(left) > 0
	if len(left) == 0 {
		return
	}
	for _, t := range l.tickets {
		t.stays = t.stays || t.target.Name == m.name
	}
	l.unloads = append(l.unloads, unloading{left, m.gone})
	l.apply(plan.Unload{At: l.at(), Name: m.name})
}

func (m listing) handle(l *loop) { m.reply <- l.list() }
