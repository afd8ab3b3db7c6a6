package plan

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"ashatai/internal/core"
)

// Used is the memory that all instances take or were promised, in bytes; those that are being stopped included.
func (s *State) Used() int64 {
	var sum int64
	for _, in := range s.instances {
		sum += in.memory
	}
	return sum
}

// coming is the memory that becomes free without another decision.
func (s *State) coming() int64 {
	var sum int64
	for _, in := range s.instances {
		if in.phase >= PhaseDraining {
			sum += in.memory
		}
	}
	return sum
}

func (s *State) free() int64 {
	if s.cfg.Budget <= 0 {
		return math.MaxInt64 / 2
	}
	return s.cfg.Budget - s.Used()
}

// pinnedBeside is the memory of pinned instances other than m's.
func (s *State) pinnedBeside(m *model) int64 {
	var sum int64
	for _, o := range s.models {
		if o != m && o.Pinned && o.inst != nil {
			sum += o.inst.memory
		}
	}
	return sum
}

// never reports whether m cannot fit whatever is evicted.
func (s *State) never(m *model) bool {
	return m.inst == nil && s.cfg.Budget > 0 && m.Memory > s.cfg.Budget-s.pinnedBeside(m)
}

func (s *State) errNeverFits(m *model) *core.Error {
	text := "The model %s needs %s of memory, and %s are allowed for models"
	if p := s.pinnedBeside(m); p > 0 {
		return core.Errorf(core.CodeOutOfMemory, text+", of which %s are held by pinned models. Unload a pinned model, or use a smaller model or context.",
			m.Name, bytes(m.Memory), bytes(s.cfg.Budget), bytes(p))
	}
	return core.Errorf(core.CodeOutOfMemory, text+". Use a smaller model or context, or raise the limit.", m.Name, bytes(m.Memory), bytes(s.cfg.Budget))
}

// schedule starts the models that are waited for, in the order in which they began to be, and makes room for the first
// that does not fit. One behind it may start only with memory that the first does not need, so that nobody overtakes
// it for ever.
func (s *State) schedule() {
	if s.draining {
		return
	}
	var kept int64 // promised to the first that does not fit
	blocked := false
	for _, m := range s.wanting() {
		if s.never(m) {
			s.failWaiting(m, s.errNeverFits(m))
			continue
		}
		if s.now < m.notBefore {
			continue
		}
		if !blocked && m.Memory > s.free() {
			s.makeRoom(m.Memory)
			blocked, kept = true, m.Memory
			continue
		}
		if blocked && (m.Memory > s.free() || m.Memory > s.free()+s.coming()-kept) {
			continue
		}
		if s.clearDevices(m) {
			continue
		}
		s.load(m)
	}
}

// wanting returns the models without an instance that somebody waits for, or that are pinned; the oldest wish first.
func (s *State) wanting() []*model {
	var out []*model
	for _, m := range s.models {
		wants := m.inst == nil && (m.waiting() > 0 || m.Pinned)
		if wants && !m.wants {
			m.since = s.now
		}
		if m.wants = wants; wants {
			out = append(out, m)
		}
	}
	slices.SortStableFunc(out, func(a, b *model) int { return cmp.Compare(a.since, b.since) })
	return out
}

func (s *State) load(m *model) {
	s.last++
	in := &instance{id: s.last, m: m, phase: PhaseStarting, memory: m.Memory, parts: m.Parts, startedAt: s.now}
	s.instances = append(s.instances, in)
	m.inst, m.wants = in, false
	s.do(Start{Instance: in.id, Key: m.Key})
}

// makeRoom lets instances go until need bytes are free or becoming free. Nothing is let go when all of it together would
// not suffice.
func (s *State) makeRoom(need int64) {
	lacking := need - s.free() - s.coming()
	if lacking <= 0 {
		return
	}
	for _, in := range s.victims(lacking, inMemory, func(in *instance) bool { return s.now >= in.residentUntil(s.cfg.Residency) }) {
		s.drain(in, ReasonEvicted, 0, nil)
	}
}

// inMemory is what an instance takes of the machine's memory.
func inMemory(in *instance) int64 { return in.memory }

// victims chooses instances that together free the lacking bytes of what size tells: idle ones before busy ones, those of least value
// first, and none that is not needed. It returns nil when no choice suffices.
func (s *State) victims(lacking int64, size func(*instance) int64, may func(*instance) bool) []*instance {
	var can []*instance
	for _, in := range s.instances {
		if in.phase == PhaseReady && !in.m.Pinned && may(in) {
			can = append(can, in)
		}
	}
	slices.SortStableFunc(can, func(a, b *instance) int {
		return cmp.Or(cmp.Compare(min(1, len(a.running)), min(1, len(b.running))), cmp.Compare(a.m.value(s.now), b.m.value(s.now)),
			cmp.Compare(a.m.lastUsed, b.m.lastUsed))
	})
	n := 0
	for ; n < len(can) && lacking > 0; n++ {
		lacking -= size(can[n])
	}
	if lacking > 0 {
		return nil
	}
	// The last ones taken are the dearest: keep those that the rest does not need.
	can = can[:n]
	for i := n - 1; i >= 0; i-- {
		if lacking+size(can[i]) <= 0 {
			lacking += size(can[i])
			can = slices.Delete(can, i, i+1)
		}
	}
	return can
}

// value is what losing an instance would cost: how often it is used, times how long it takes to load again.
func (m *model) value(now time.Duration) float64 {
	return m.usesNow(now) * max(0.1, m.loadTook.Seconds())
}

// residentUntil is when an instance may be let go for another. It is bound to the time of its load, so that two models
// that do not fit together spend at most a fifth of the time loading.
func (in *instance) residentUntil(most time.Duration) time.Duration {
	return in.readyAt + min(most, max(minResidency, residencyFactor*in.m.loadTook))
}

func (e Loaded) apply(s *State) {
	in := s.instance(e.Instance)
	if in == nil || in.phase != PhaseStarting {
		return
	}
	m := in.m
	in.phase, in.sequences = PhaseReady, max(1, e.Sequences)
	in.readyAt, in.idleSince, in.parts = s.now, s.now, e.Parts
	m.loadTook = s.now - in.startedAt
	m.failures, m.loadErr = 0, nil
	if e.Memory > 0 {
		in.memory, m.Memory, m.measured = e.Memory, e.Memory, true
	}
	s.keepBudget(in)
}

// keepBudget makes room for what a load took beyond its estimate. Where nothing idle can go, the load is given up: what
// waits for it goes on waiting, and the next load is planned with the real number.
func (s *State) keepBudget(in *instance) {
	over := -s.free()
	for _, o := range s.instances {
		if o.phase >= PhaseStopping {
			over -= o.memory
		}
	}
	if over <= 0 {
		return
	}
	idle := s.victims(over, inMemory, func(o *instance) bool { return o != in && len(o.running) == 0 })
	if idle == nil {
		s.stop(in, ReasonTooBig)
		return
	}
	for _, o := range idle {
		s.stop(o, ReasonEvicted)
	}
}

// bytes writes a number of bytes for people, in powers of 1024.
func bytes(n int64) string {
	const unit = 1024
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	v, names, i := float64(n)/unit, []string{"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}, 0
	for v >= unit && i < len(names)-1 {
		v, i = v/unit, i+1
	}
	return fmt.Sprintf("%.1f %s", v, names[i])
}
