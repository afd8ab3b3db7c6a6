package plan

import (
	"slices"
	"time"

	"ashatai/internal/core"
)

// drain stops giving work to an instance and stops it when what runs is done. At endAt, if not zero, what still runs is
// ended with err.
func (s *State) drain(in *instance, why Reason, endAt time.Duration, err *core.Error) {
	if in.m.inst == in {
		in.m.inst = nil
	}
	if in.phase >= PhaseStopping {
		return
	}
	// The stronger wish wins: an instance that was to go when idle may later have to go at a given time.
	if in.phase != PhaseDraining || endAt > 0 && (in.endAt == 0 || endAt < in.endAt) {
		in.reason, in.endAt, in.endWith = why, endAt, err
	}
	in.phase = PhaseDraining
	if len(in.running) == 0 {
		s.stop(in, why)
	}
}

func (s *State) stop(in *instance, why Reason) {
	if in.m.inst == in {
		in.m.inst = nil
	}
	in.phase = PhaseStopping
	if why == ReasonDied {
		in.phase = PhaseDead
	}
	s.do(Stop{Instance: in.id, Reason: why})
}

// endDrain ends what still runs on an instance whose time to drain is over.
func (s *State) endDrain(in *instance) {
	if in.phase != PhaseDraining || in.endAt == 0 || s.now < in.endAt {
		return
	}
	for _, r := range slices.Clone(in.running) {
		delete(s.requests, r.ID)
		s.went(r, false)
		s.do(Fail{ID: r.ID, Err: in.endWith})
		s.release(r)
	}
}

// unloadIdle stops an instance that nobody used for its keep-alive time.
func (s *State) unloadIdle(m *model) {
	if at, ok := s.expires(m); ok && at <= s.now {
		s.drain(m.inst, ReasonIdle, 0, nil)
	}
}

// expires is when m's instance is unloaded if nothing uses it; false when that is never, or it is not idle.
func (s *State) expires(m *model) (time.Duration, bool) {
	in := m.inst
	if in == nil || in.phase != PhaseReady || len(in.running) > 0 || m.waiting() > 0 || m.Pinned {
		return 0, false
	}
	keep := m.KeepAlive
	if keep == 0 {
		keep = s.cfg.KeepAlive
	}
	if keep < 0 {
		return 0, false
	}
	return in.idleSince + keep, true
}

// replace lets the loaded models of m's family go: a new version of a model leaves no old one behind, pinned or not.
func (s *State) replace(m *model) {
	if m.Family == "" {
		return
	}
	for _, o := range s.models {
		if o == m || o.Family != m.Family {
			continue
		}
		o.Pinned = false
		if o.inst != nil && o.waiting() == 0 {
			s.drain(o.inst, ReasonReplaced, 0, nil)
		}
	}
}

func (e Unload) apply(s *State) {
	for _, m := range s.models {
		if m.Name != e.Name {
			continue
		}
		m.Pinned = false
		gone := core.Errorf(core.CodeUnavailable, "The model %s was unloaded while this request waited for it; try again to load it again.", m.Name)
		gone.RetryAfter = minRetryAfter
		s.failWaiting(m, gone)
		cut := core.Errorf(core.CodeUnavailable, "The model %s was unloaded and this answer did not end within the %s it was given.", m.Name, s.cfg.DrainTime)
		for _, in := range slices.Clone(s.instances) {
			if in.m == m {
				s.drain(in, ReasonUnload, s.now+s.cfg.DrainTime, cut)
			}
		}
	}
}

func (e Drain) apply(s *State) {
	if s.draining {
		return
	}
	s.draining = true
	for _, m := range s.models {
		s.failWaiting(m, errDraining())
	}
	cut := core.Errorf(core.CodeDraining, "The server shut down before this answer ended; it was given %s.", s.cfg.DrainTime)
	cut.RetryAfter = drainRetryAfter
	for _, in := range slices.Clone(s.instances) {
		s.drain(in, ReasonDrain, s.now+s.cfg.DrainTime, cut)
	}
}

// Drained reports whether a drain was asked for and nothing is left.
func (s *State) Drained() bool { return s.draining && len(s.instances) == 0 && len(s.requests) == 0 }

func (e Stopped) apply(s *State) {
	if in := s.instance(e.Instance); in != nil && in.phase >= PhaseStopping {
		s.remove(in.id)
	}
}

func (s *State) remove(id InstanceID) {
	s.instances = slices.DeleteFunc(s.instances, func(in *instance) bool { return in.id == id })
}
