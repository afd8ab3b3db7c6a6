package plan

import (
	"time"

	"ashatai/internal/core"
	"ashatai/internal/device"
)

// View is one instance, as seen from outside.
type View struct {
	ID        InstanceID
	Key       string
	Phase     Phase
	Memory    int64         // bytes in the ledger: the estimate until it was measured
	Parts     []device.Part // of devices, likewise
	Pinned    bool
	Sequences int
	Used      int // sequences taken
	Running   int // requests admitted
	Queued    int // requests that wait for its model
	LastUsed  time.Duration
	ExpiresAt time.Duration // when it is unloaded if nobody uses it; 0: not, or it is in use
}

// View lists all instances in the order of their start.
func (s *State) View() []View {
	out := make([]View, 0, len(s.instances))
	for _, in := range s.instances {
		v := View{
			ID: in.id, Key: in.m.Key, Phase: in.phase, Memory: in.memory, Parts: in.parts, Pinned: in.m.Pinned,
			Sequences: in.sequences, Used: in.used, Running: len(in.running), LastUsed: in.m.lastUsed,
		}
		if in.m.inst == in {
			v.Queued = in.m.waiting()
			v.ExpiresAt, _ = s.expires(in.m)
		}
		out = append(out, v)
	}
	return out
}

// Queued is the number of requests of a class that wait for the model of a key.
func (s *State) Queued(key string, class core.Class) int {
	n := 0
	for _, m := range s.models {
		if m.Key != key {
			continue
		}
		for _, r := range m.waiters() {
			if r.Class == min(class, core.ClassInteractive) {
				n++
			}
		}
	}
	return n
}

// Wake is the next time at which a Tick changes something; false when only another event can.
func (s *State) Wake() (time.Duration, bool) {
	var next time.Duration
	consider := func(at time.Duration) {
		if at > s.now && (next == 0 || at < next) {
			next = at
		}
	}
	for _, in := range s.instances {
		if in.phase == PhaseDraining {
			consider(in.endAt)
		}
	}
	waiting := false
	for _, m := range s.models {
		consider(m.soonest)
		if m.inst != nil && m.inst.phase == PhaseReady {
			consider(m.keepsUntil(s.now))
		}
		if at, ok := s.expires(m); ok {
			consider(at)
		}
		if m.wants {
			waiting = true
			consider(m.notBefore)
		}
	}
	if waiting {
		for _, in := range s.instances {
			if in.phase == PhaseReady {
				consider(in.residentUntil(s.cfg.Residency))
			}
		}
	}
	return next, next > 0
}
