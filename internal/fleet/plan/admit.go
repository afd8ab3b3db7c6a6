package plan

import (
	"math"
	"slices"
	"time"

	"ashatai/internal/core"
)

func (e Submit) apply(s *State) {
	r := &request{Request: e.Request, queuedAt: s.now}
	r.Class = min(r.Class, core.ClassInteractive)
	r.Weight, r.Cost, r.Sequences = max(1, r.Weight), max(1, r.Cost), max(0, r.Sequences)
	if s.draining {
		s.do(Fail{ID: r.ID, Err: errDraining()})
		return
	}
	m := s.model(e.Model)
	m.lastUsed = s.now
	s.replace(m)
	r.m = m
	if err := s.refuse(m, r); err != nil {
		s.do(Fail{ID: r.ID, Err: err})
		return
	}
	s.arrivals++
	r.number = s.arrivals
	s.requests[r.ID] = r
	m.expect(r.Deadline)
	if r.Sequences == 0 {
		m.holds = append(m.holds, r)
		return
	}
	s.came(r)
	m.queue.push(r)
}

// refuse says why r may not even wait; nil when it may.
func (s *State) refuse(m *model, r *request) *core.Error {
	if s.suspects.guilty(r.Fingerprint, s.now) {
		return errQuarantined(m)
	}
	if r.Force && m.loadErr != nil {
		m.loadErr, m.notBefore = nil, 0
	}
	if m.inst == nil && m.loadErr != nil && s.now < m.notBefore {
		again := *m.loadErr
		again.RetryAfter = max(minRetryAfter, m.notBefore-s.now)
		return &again
	}
	if s.never(m) {
		return s.errNeverFits(m)
	}
	if in := m.inst; in != nil && in.phase == PhaseReady && m.waiting() == 0 && in.used < in.sequences {
		return nil
	}
	q := &m.queue
	if n := m.waiting(); n >= s.cfg.MaxQueue {
		e := core.Errorf(core.CodeQueueFull, "The queue of the model %s is full with %d requests. Try again later.", m.Name, n)
		e.RetryAfter = m.rate.timeFor(float64(q.cost))
		return e
	}
	have := q.tenants[r.Tenant]
	// One request alone always fits: it would never be served otherwise.
	if limit := s.cfg.MaxQueuedCost; limit > 0 && r.Sequences > 0 && have > 0 && have+int64(r.Cost) > limit {
		e := core.Errorf(core.CodeQueueFull, "Your requests that wait for the model %s come to %d tokens; with this one of %d they pass the limit of %d. Try again later.",
			m.Name, have, r.Cost, limit)
		e.RetryAfter = m.rate.timeFor(float64(have+int64(r.Cost)-limit) / q.share(r))
		return e
	}
	return nil
}

// admit hands waiting requests to m's instance, as many as it has room for.
func (s *State) admit(m *model) {
	in := m.inst
	if in == nil || in.phase != PhaseReady {
		return
	}
	for _, r := range m.holds {
		s.start(in, r)
	}
	m.holds = nil
	// One suspect at a time: when the instance dies again, it is known which request did it, and the others are cleared.
	blocked := func(r *request) bool { return in.suspects > 0 && s.suspects.count(r.Fingerprint, s.now) > 0 }
	for in.used < in.sequences {
		if len(m.replays) > 0 && !blocked(m.replays[0]) {
			r := m.replays[0]
			if !in.room(r, 0) {
				return
			}
			m.replays = slices.Delete(m.replays, 0, 1)
			s.start(in, r)
			continue
		}
		r := m.queue.next(s.now, s.cfg.Age, blocked)
		// A request for more sequences than are free keeps its turn: smaller ones behind it would starve it.
		if r == nil || !in.room(r, s.kept(in, r)) {
			return
		}
		m.queue.serve(r, s.now)
		s.start(in, r)
	}
}

// room reports whether r fits beside what runs and what is kept.
func (in *instance) room(r *request, kept int) bool {
	return min(r.Sequences, in.sequences) <= in.sequences-in.used-kept
}

func (s *State) start(in *instance, r *request) {
	if len(in.running) == 0 {
		in.m.rate.resume(s.now)
	}
	r.inst, r.taken = in, min(r.Sequences, in.sequences)
	r.suspect = s.suspects.count(r.Fingerprint, s.now) > 0
	if r.suspect {
		in.suspects++
	}
	in.used += r.taken
	in.running = append(in.running, r)
	in.m.used(s.now)
	s.do(Admit{ID: r.ID, Instance: in.id, Queued: s.now - r.queuedAt})
}

// used counts a use for the model's value.
func (m *model) used(now time.Duration) {
	m.uses = m.usesNow(now) + 1
	m.usesAt, m.lastUsed = now, now
}

func (m *model) usesNow(now time.Duration) float64 {
	return m.uses * math.Exp2(-(now-m.usesAt).Seconds()/usesHalfLife.Seconds())
}

func (e Seen) apply(s *State) {
	if r := s.requests[e.ID]; r != nil && r.inst != nil {
		r.seen = true
	}
}

func (e Done) apply(s *State) {
	r := s.requests[e.ID]
	if r == nil {
		return
	}
	if r.inst != nil {
		if r.taken > 0 {
			r.m.rate.add(s.now, r.Cost)
			r.inst.served = true
		}
		s.suspects.clear(r.Fingerprint)
	}
	s.over(r)
}

func (e Cancel) apply(s *State) {
	if r := s.requests[e.ID]; r != nil {
		s.over(r)
	}
}

// over ends a request without an effect: its owner knows.
func (s *State) over(r *request) {
	delete(s.requests, r.ID)
	s.went(r, r.inst != nil)
	if r.inst == nil {
		r.m.drop(r)
		return
	}
	s.release(r)
}

// release gives back what an admitted request holds.
func (s *State) release(r *request) {
	in := r.inst
	r.inst = nil
	in.running = slices.DeleteFunc(in.running, func(o *request) bool { return o == r })
	in.used -= r.taken
	if r.suspect {
		in.suspects--
	}
	r.taken, r.suspect = 0, false
	in.m.lastUsed = s.now
	if len(in.running) == 0 {
		in.idleSince = s.now
		if in.phase == PhaseDraining {
			s.stop(in, in.reason)
		}
	}
}

// RunsOn reports whether a request is admitted to an instance at this moment.
func (s *State) RunsOn(id ID, in InstanceID) bool {
	r := s.requests[id]
	return r != nil && r.inst != nil && r.inst.id == in
}

func errDraining() *core.Error {
	e := core.Errorf(core.CodeDraining, "The server is shutting down and takes no new requests; try again in a moment.")
	e.RetryAfter = drainRetryAfter
	return e
}
