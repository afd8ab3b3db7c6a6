package plan

import (
	"slices"
	"time"

	"ashatai/internal/core"
)

func (e LoadFailed) apply(s *State) {
	in := s.instance(e.Instance)
	if in == nil {
		return
	}
	s.remove(in.id)
	if in.phase != PhaseStarting {
		return // it was given up before; nobody waits for it
	}
	m := in.m
	m.inst = nil
	m.loadErr = e.Err
	s.backOffLoad(m)
	s.failWaiting(m, e.Err)
}

func (s *State) backOffLoad(m *model) {
	m.failures++
	m.notBefore = s.now + backOff(loadBackoff, m.failures)
}

// backOff doubles base with each failure after the first.
func backOff(base time.Duration, failures int) time.Duration {
	return min(maxBackoff, base<<min(failures-1, 16))
}

// Died: what the client has not seen anything of is done again, once; the rest fails. Who was there when an instance
// died is remembered.
func (e Died) apply(s *State) {
	in := s.instance(e.Instance)
	if in == nil || in.phase >= PhaseStopping {
		return
	}
	m := in.m
	// What did some of its work is worth starting at once; the request that ends it again and again is found by itself.
	if in.served || s.now-in.readyAt >= stableAfter {
		m.crashes = 0
	}
	m.crashes++
	m.notBefore = s.now + backOff(crashBackoff, m.crashes)
	running := slices.Clone(in.running)
	in.reason = ReasonDied
	blamed := map[uint64]bool{}
	for _, r := range running {
		// The same request sent twice was still present at one crash only.
		if !blamed[r.Fingerprint] {
			s.suspects.blame(r.Fingerprint, s.now)
		}
		blamed[r.Fingerprint] = true
	}
	for _, r := range running {
		s.lose(r, e.Err)
	}
	if in.phase < PhaseStopping {
		s.stop(in, ReasonDied)
	}
	in.phase = PhaseDead
}

// lose decides about a request whose instance died.
func (s *State) lose(r *request, cause *core.Error) {
	s.release(r)
	if !r.seen && !r.replayed && !s.draining && !s.suspects.guilty(r.Fingerprint, s.now) {
		r.replayed, r.queuedAt = true, s.now
		if r.Sequences == 0 {
			r.m.holds = append(r.m.holds, r)
		} else {
			r.m.replays = append(r.m.replays, r)
		}
		r.m.expect(r.Deadline)
		return
	}
	delete(s.requests, r.ID)
	s.went(r, false)
	err := core.Wrap(core.CodeWorkerDied, cause, "The process that served the model %s ended during this request; it is being started again. Try again.", r.m.Name)
	err.RetryAfter = minRetryAfter
	switch {
	case s.draining:
		err = errDraining()
	case !r.seen && s.suspects.guilty(r.Fingerprint, s.now):
		err = errQuarantined(r.m)
	}
	s.do(Fail{ID: r.ID, Err: err})
}

func errQuarantined(m *model) *core.Error {
	return core.Errorf(core.CodeQuarantined, "This request was being served twice when the process of the model %s ended, so it is not tried again for %s. Change the prompt or its parameters, or report it with its request id.",
		m.Name, quarantineTime)
}

// suspects remembers, for a while, which requests were there when an instance died.
type suspects struct {
	entries map[uint64]suspect
}

type suspect struct {
	crashes int
	until   time.Duration
}

// count is the number of crashes that a request was present at.
func (t *suspects) count(fingerprint uint64, now time.Duration) int {
	if e, ok := t.entries[fingerprint]; ok && now < e.until {
		return e.crashes
	}
	return 0
}

// guilty reports whether a request is in quarantine.
func (t *suspects) guilty(fingerprint uint64, now time.Duration) bool {
	return t.count(fingerprint, now) >= 2
}

// blame notes a request that was present at a crash. Zero stands for a request that is not known.
func (t *suspects) blame(fingerprint uint64, now time.Duration) {
	if fingerprint == 0 {
		return
	}
	if t.entries == nil {
		t.entries = map[uint64]suspect{}
	}
	n := t.count(fingerprint, now) + 1
	if _, ok := t.entries[fingerprint]; !ok && len(t.entries) >= maxSuspects {
		t.makeRoom(now)
	}
	t.entries[fingerprint] = suspect{crashes: n, until: now + quarantineTime}
}

// makeRoom drops what is over, or else the entry that would be over first.
func (t *suspects) makeRoom(now time.Duration) {
	var first uint64
	var until time.Duration
	for f, e := range t.entries {
		if now >= e.until {
			delete(t.entries, f)
			continue
		}
		if until == 0 || e.until < until || e.until == until && f < first {
			first, until = f, e.until
		}
	}
	if len(t.entries) >= maxSuspects {
		delete(t.entries, first)
	}
}

// clear takes back what was held against a request that has now completed.
func (t *suspects) clear(fingerprint uint64) { delete(t.entries, fingerprint) }
