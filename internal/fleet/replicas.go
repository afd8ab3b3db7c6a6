package fleet

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"ashatai/internal/core"
	"ashatai/internal/device"
	"ashatai/internal/engine"
	"ashatai/internal/fleet/plan"
	"ashatai/internal/fleet/plan/replica"
)

// members are the places that t can be served from.
func (t Target) members() []engine.Replica {
	if len(t.Replicas) > 0 {
		return t.Replicas
	}
	return []engine.Replica{{Runtime: t.Runtime, Digest: t.Digest, Spec: t.Spec, Memory: t.Memory}}
}

// at is t at one of its members.
func (t Target) at(r engine.Replica) Target {
	spec := r.Spec
	spec.Embedding = t.Spec.Embedding
	spec.Context = max(spec.Context, t.Spec.Context)
	t.Label, t.Runtime, t.Digest, t.Spec, t.Memory = r.Label, r.Runtime, r.Digest, spec, r.Memory
	return t
}

// set is what is known of a target's replicas.
func (l *loop) set(t Target) *replica.Set {
	s := l.sets[t.kind()]
	if s == nil {
		s = &replica.Set{}
		l.sets[t.kind()] = s
	}
	return s
}

func (l *loop) now() time.Duration { return time.Duration(l.at()) }

// instance is the one that serves a key, or is about to; nil where there is none.
func (l *loop) instance(key string) *live {
	for _, on := range l.live {
		if on.key == key && !on.stopping {
			return on
		}
	}
	return nil
}

// candidates are a target's members as they are now.
func (l *loop) candidates(t Target) []replica.Candidate {
	members := t.members()
	out := make([]replica.Candidate, 0, len(members))
	for _, r := range members {
		out = append(out, l.candidate(t, r))
	}
	return out
}

func (l *loop) candidate(t Target, r engine.Replica) replica.Candidate {
	key := t.at(r).key()
	c := replica.Candidate{Label: r.Label, Runtime: r.Runtime, Weight: r.Weight}
	rt := l.f.cfg.Runtimes[r.Runtime]
	if rt == nil {
		c.Refused = "this server does not have its runtime"
		return c
	}
	d := rt.Descriptor()
	c.Cost, c.Refused = d.Cost, unfit(d, r, t.Spec.Embedding)
	if on := l.instance(key); on != nil && on.model != nil {
		c.Device, c.Loaded, c.Fallback = on.facts.Device, true, on.facts.Fallback
	} else {
		c.Device = l.device(rt, t.at(r))
	}
	budget := l.f.cfg.Budget
	switch {
	case c.Refused != "":
	case t.Where.Runtime != "" && t.Where.Runtime != r.Runtime:
		c.Refused = "the request asks for the runtime " + t.Where.Runtime
	case c.Device != "" && t.elsewhere(c.Device):
		c.Refused = "the request asks for the device " + t.Where.Device
	case len(t.Replicas) > 1 && budget > 0 && r.Memory > budget && !c.Loaded:
		c.Refused = "it needs more memory than models are allowed"
	default:
		c.Refused = l.refusal(t, key)
	}
	return c
}

// device is where a target would be loaded; empty: nobody knows before it is.
func (l *loop) device(rt engine.Runtime, t Target) string {
	if p, ok := rt.(engine.Placer); ok {
		return p.Device(t.Spec)
	}
	if o := t.Spec.Offload; o != nil && o.Policy != device.PolicyCPU {
		var ids []string
		for _, p := range l.expected(t) {
			ids = append(ids, p.ID)
		}
		return strings.Join(ids, "+")
	}
	if d := rt.Descriptor(); len(d.Devices) > 0 {
		return d.Devices[0]
	}
	return ""
}

// elsewhere reports whether a request for t asks for another device than this one. It gives the beginning of one, in which a number and
// what follows a colon, as in remote:box, are whole: who asks for cuda1 does not get cuda10.
func (t Target) elsewhere(dev string) bool {
	asked := strings.ToLower(t.Where.Device)
	rest, begins := strings.CutPrefix(strings.ToLower(dev), asked)
	if !begins || asked == "" || rest == "" {
		return !begins
	}
	if _, name, _ := strings.Cut(asked, ":"); name != "" {
		return true
	}
	return digit(asked[len(asked)-1]) && digit(rest[0])
}

func digit(c byte) bool { return '0' <= c && c <= '9' }

// unfit says why a runtime cannot serve a replica; empty where it can.
func unfit(d engine.Descriptor, r engine.Replica, embedding bool) string {
	needs := []core.Capability{core.CapGenerate, core.CapChat, core.CapTensors}
	if embedding {
		needs = []core.Capability{core.CapEmbed, core.CapRerank}
	}
	switch {
	case r.Format != "" && len(d.Formats) > 0 && !slices.Contains(d.Formats, r.Format) && !slices.Contains(d.Formats, "mock"):
		return "its runtime does not load the format " + r.Format
	case r.Format != "" && len(d.Capabilities) > 0 && !slices.ContainsFunc(needs, func(c core.Capability) bool { return slices.Contains(d.Capabilities, c) }):
		return "its runtime cannot do this kind of work"
	}
	return ""
}

// place chooses a replica for a ticket and submits it there; the ticket leaves the place that it waits at. The error is what
// its caller is told where nobody can serve it; last, if not nil, is why it is placed anew.
func (l *loop) place(t *ticket, last *core.Error) *core.Error {
	set, list := l.set(t.base), l.candidates(t.base)
	l.tryAgain(t.base, set, list)
	d := set.Decide(l.now(), replica.Wish{Policy: replica.Policy(t.base.Balance), Prefix: t.item.Prefix, Tried: t.tried}, list)
	if d.Chosen < 0 {
		return nobody(t.base, d, last)
	}
	if len(list) > 1 {
		l.tell(t.base, d)
	}
	if t.placed {
		delete(l.tickets, t.id)
		l.leave(t, replica.Left)
		l.apply(plan.Cancel{At: l.at(), ID: t.id})
	}
	r := t.base.members()[d.Chosen]
	t.target, t.placed = t.base.at(r), true
	set.Begin(l.now(), r.Label, t.item.Cost)
	l.enqueue(t)
	return nil
}

// tell logs a decision between several.
func (l *loop) tell(t Target, d replica.Decision) {
	v := d.Candidates[d.Chosen]
	others := make([]string, 0, len(d.Candidates))
	for i, o := range d.Candidates {
		if i != d.Chosen {
			others = append(others, o.Label+": "+o.Reason)
		}
	}
	l.f.cfg.Log.Debug("replica chosen", slog.String("model", t.Name), slog.String("replica", v.Label), slog.String("runtime", v.Runtime),
		slog.String("policy", string(d.Policy)), slog.String("reason", v.Reason), slog.String("others", strings.Join(others, "; ")))
}

// nobody is the error of a request that no replica can serve.
func nobody(t Target, d replica.Decision, last *core.Error) *core.Error {
	if last != nil {
		return last
	}
	code, why := core.CodeUnsupported, make([]string, 0, len(d.Candidates))
	for _, v := range d.Candidates {
		name := v.Label
		if name == "" {
			name = v.Runtime
		}
		why = append(why, name+": "+v.Reason)
		if v.Refused == "" {
			code = core.CodeUnavailable
		}
	}
	e := core.Errorf(code, "No place can serve the model %s for this request (%s). GET /api/v1/models/NAME/placement shows what was looked at.",
		t.Name, strings.Join(why, "; "))
	if code == core.CodeUnavailable {
		e.RetryAfter = time.Second
	}
	return e
}

// leave says how a ticket left its replica, once.
func (l *loop) leave(t *ticket, o replica.Outcome) {
	if t.placed {
		l.set(t.base).End(l.now(), t.target.Label, t.item.Cost, o, t.made, t.took)
		t.placed = false
	}
}

// movable reports whether an error lies with the place, so that another may do what this one did not begin.
func movable(err *core.Error) bool {
	switch err.Code { //nolint:exhaustive // all others are the request's own, or the server's end
	case core.CodeUnavailable, core.CodeWorkerDied, core.CodeOutOfMemory, core.CodeBadModel, core.CodeQueueFull, core.CodeNotFound, core.CodeRateLimited:
		return true
	}
	return false
}

// moved gives a ticket that the plan failed to another replica, where that makes sense and there is one.
func (l *loop) moved(t *ticket, err *core.Error) bool {
	several := len(t.base.Replicas) > 1
	if several && movable(err) && err.Code != core.CodeQueueFull {
		l.leave(t, replica.Failed)
	} else {
		l.leave(t, replica.Left)
	}
	if !several || t.seen || t.stays || !movable(err) {
		return false
	}
	t.tried[t.target.Label] = true
	if l.place(t, err) != nil {
		return false
	}
	l.f.cfg.Metrics.Replayed(t.base.Name)
	return true
}

// spread moves what waits at a place that does not serve now, and was not begun, to others.
func (l *loop) spread(key string, why *core.Error) {
	var waiting []*ticket
	on := l.instance(key)
	for id, t := range l.tickets {
		if t.target.key() == key && t.placed && len(t.base.Replicas) > 1 && !t.seen && !t.stays && (on == nil || !l.state.RunsOn(id, on.id)) {
			waiting = append(waiting, t)
		}
	}
	slices.SortFunc(waiting, func(a, b *ticket) int { return cmp.Compare(a.id, b.id) })
	for _, t := range waiting {
		t.tried[t.target.Label] = true
		if l.place(t, why) == nil {
			l.f.cfg.Metrics.Replayed(t.base.Name)
		} else {
			delete(t.tried, t.target.Label) // it goes on waiting where it is
		}
	}
}

// handle counts a fault against the replica. What was not begun goes elsewhere, or back to its caller.
func (m faulted) handle(l *loop) {
	t, o := m.ticket, replica.Left
	if m.fault.Sick() {
		o = replica.Failed
	}
	if l.tickets[t.id] != t || !l.state.RunsOn(t.id, m.on.id) {
		return // something else was decided meanwhile, and told
	}
	set, label := l.set(t.base), t.target.Label
	l.f.cfg.Log.Warn("replica failed a request", slog.String("model", t.base.Name), slog.String("replica", label),
		slog.String("runtime", t.target.Runtime), slog.String("fault", string(m.fault.Kind)), slog.String("error", m.fault.Err.Error()))
	if m.fault.Begun() {
		set.Note(l.now(), label, o)
	} else {
		l.leave(t, o)
	}
	id := t.id
	if set.Open(l.now(), label) { // first, so that nothing which waits takes the call's sequence
		l.spread(m.on.key, m.fault.Err)
	}
	if m.fault.Doubtful() {
		t.stays, t.doubt = t.stays || t.doubt, true // one request is not tried at all of them
	}
	if !m.fault.Begun() && l.tickets[id] == t {
		l.hand(t, m.fault.Err)
	}
}

// hand gives a call that left a replica which could not begin it to another, or back to its caller.
func (l *loop) hand(t *ticket, err *core.Error) {
	delete(l.tickets, t.id)
	l.apply(plan.Cancel{At: l.at(), ID: t.id})
	t.tried[t.target.Label] = true
	if t.seen || t.stays || len(t.base.Replicas) < 2 || l.place(t, err) != nil {
		l.f.cfg.Metrics.Refused(t.base.Name, err.Code)
		t.verdicts <- verdict{err: err}
		t.abort(err)
		return
	}
	l.f.cfg.Metrics.Replayed(t.base.Name)
}

// tryAgain asks the servers whose breakers wait to be tried whether they would serve, where they can be asked: no request has
// to find out.
func (l *loop) tryAgain(t Target, set *replica.Set, list []replica.Candidate) {
	for _, label := range set.Due(l.now(), list) {
		i := slices.IndexFunc(t.members(), func(r engine.Replica) bool { return r.Label == label })
		on := l.instance(t.at(t.members()[i]).key())
		if on == nil || on.model == nil {
			continue
		}
		c, ok := on.model.(engine.Checker)
		if !ok {
			continue
		}
		set.Checking(label)
		l.task(func() {
			ctx, cancel := l.context()
			defer cancel()
			l.send(checked{set, label, c.Check(ctx)})
		})
	}
}

func (m checked) handle(l *loop) {
	o := replica.Served
	if m.err != nil {
		o = replica.Failed
	}
	m.set.Note(l.now(), m.label, o)
}

func (m placing) handle(l *loop) {
	t := m.target
	d := l.set(t).Explain(l.now(), replica.Wish{Policy: replica.Policy(t.Balance)}, l.candidates(t))
	used := map[string]bool{}
	for _, v := range d.Candidates {
		used[v.Runtime] = true
	}
	format := t.members()[0].Format
	for _, name := range slices.Sorted(maps.Keys(l.f.cfg.Runtimes)) {
		if used[name] {
			continue
		}
		desc := l.f.cfg.Runtimes[name].Descriptor()
		why := "no replica of the model is for this runtime"
		if format != "" && !slices.Contains(desc.Formats, format) {
			why = "it loads " + strings.Join(desc.Formats, ", ") + ", not " + format
		}
		c := replica.Candidate{Runtime: name, Refused: why, Cost: desc.Cost}
		d.Candidates = append(d.Candidates, replica.Verdict{Candidate: c, Reason: why, Breaker: "closed"})
	}
	m.reply <- d
}

// Placement says where a call for a target would go now, with all candidates and why each was taken or not.
func (f *Fleet) Placement(ctx context.Context, t Target) (replica.Decision, error) {
	reply := make(chan replica.Decision, 1)
	if err := f.post(ctx, placing{t, reply}); err != nil {
		return replica.Decision{}, err
	}
	return <-reply, nil
}
