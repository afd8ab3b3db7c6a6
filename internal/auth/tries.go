package auth

import (
	"sync"
	"time"

	"ashatai/internal/core"
)

// rate is how many tries may come at once, and how long each takes to be given back.
type rate struct {
	burst int
	each  time.Duration
}

// Tries at a password: of one name from one address, of one address, and of one name from everywhere. The last one is
// wide, since somebody else can use it up. All of them come back by themselves: nobody is locked out for good.
func tryRates() (pair, address, name rate) {
	return rate{10, 30 * time.Second}, rate{60, time.Second}, rate{100, 3 * time.Second}
}

// tries counts by GCRA: for each subject one time, at which everything is given back.
type tries struct {
	mu    sync.Mutex
	free  map[string]time.Time
	sweep time.Time
}

const (
	sweepEach = time.Minute
	maxTried  = 100_000 // subjects; beyond it new ones wait
)

// take counts one try for each subject, or for none and says how long to wait. The order of rates is that of subjects.
func (t *tries) take(now time.Time, subjects []string, rates []rate) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.forget(now)
	var wait time.Duration
	for i, s := range subjects {
		at := t.at(s, now).Add(rates[i].each)
		wait = max(wait, at.Sub(now)-time.Duration(rates[i].burst)*rates[i].each)
	}
	if len(t.free) >= maxTried {
		wait = max(wait, sweepEach)
	}
	if wait > 0 {
		return &core.Error{
			Code: core.CodeRateLimited, RetryAfter: wait,
			Message: "There were too many tries to log in; wait before the next one.",
		}
	}
	for i, s := range subjects {
		t.free[s] = t.at(s, now).Add(rates[i].each)
	}
	return nil
}

func (t *tries) at(subject string, now time.Time) time.Time {
	if at := t.free[subject]; at.After(now) {
		return at
	}
	return now
}

// succeeded gives back what a subject has used.
func (t *tries) succeeded(subject string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.free, subject)
}

func (t *tries) forget(now time.Time) {
	if t.free == nil {
		t.free = map[string]time.Time{}
	}
	if now.Before(t.sweep) {
		return
	}
	t.sweep = now.Add(sweepEach)
	for s, at := range t.free {
		if !at.After(now) {
			delete(t.free, s)
		}
	}
}
