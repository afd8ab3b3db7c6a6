package auth

import (
	"container/heap"
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
// wide, since somebody else can use it up. All of them come back by themselves: nobody is locked out for good. Subjects of one
// rate are counted together, under a word that tells them from others.
func tryRates() (pair, address, name rate) {
	return rate{10, 30 * time.Second}, rate{60, time.Second}, rate{100, 3 * time.Second}
}

// tries counts by GCRA: for each subject one time, at which everything is given back.
type tries struct {
	mu    sync.Mutex
	rates map[rate]*subjects
	most  int // subjects of a rate; 0: maxTried
}

// maxTried bounds the memory. Beyond it, who has the least against him is forgotten, so that whoever wants to be forgotten would
// have to bring that many others with more tries than his own.
const maxTried = 50_000

// take counts one try for each subject, or for none and says how long to wait. The order of rates is that of subjects.
func (t *tries) take(now time.Time, names []string, rates []rate) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	var wait time.Duration
	for i, s := range names {
		r := rates[i]
		at := t.of(r).at(s, now).Add(r.each)
		wait = max(wait, at.Sub(now)-time.Duration(r.burst)*r.each)
	}
	if wait > 0 {
		return &core.Error{
			Code: core.CodeRateLimited, RetryAfter: wait,
			Message: "There were too many tries to log in; wait before the next one.",
		}
	}
	for i, s := range names {
		all := t.of(rates[i])
		all.set(s, all.at(s, now).Add(rates[i].each), now, t.bound())
	}
	return nil
}

func (t *tries) bound() int {
	if t.most > 0 {
		return t.most
	}
	return maxTried
}

func (t *tries) of(r rate) *subjects {
	if t.rates == nil {
		t.rates = map[rate]*subjects{}
	}
	if t.rates[r] == nil {
		t.rates[r] = &subjects{by: map[string]*tried{}}
	}
	return t.rates[r]
}

// succeeded gives back what a subject has used.
func (t *tries) succeeded(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, all := range t.rates {
		if s := all.by[name]; s != nil {
			heap.Remove(all, s.index)
		}
	}
}

// tried is a subject with the time at which everything is given back to it.
type tried struct {
	name  string
	free  time.Time
	index int
}

// subjects are those of one rate, as a heap: the one with the least against it is the first.
type subjects struct {
	by    map[string]*tried
	order []*tried
}

func (s *subjects) at(name string, now time.Time) time.Time {
	if t := s.by[name]; t != nil && t.free.After(now) {
		return t.free
	}
	return now
}

func (s *subjects) set(name string, free, now time.Time, most int) {
	if t := s.by[name]; t != nil {
		t.free = free
		heap.Fix(s, t.index)
		return
	}
	for len(s.order) > 0 && (len(s.order) >= most || !s.order[0].free.After(now)) {
		heap.Pop(s)
	}
	heap.Push(s, &tried{name: name, free: free})
}

// Len implements heap.Interface.
func (s *subjects) Len() int { return len(s.order) }

// Less implements heap.Interface.
func (s *subjects) Less(i, j int) bool { return s.order[i].free.Before(s.order[j].free) }

// Swap implements heap.Interface.
func (s *subjects) Swap(i, j int) {
	s.order[i], s.order[j] = s.order[j], s.order[i]
	s.order[i].index, s.order[j].index = i, j
}

// Push implements heap.Interface.
func (s *subjects) Push(x any) {
	t, ok := x.(*tried)
	if !ok {
		return
	}
	t.index = len(s.order)
	s.order = append(s.order, t)
	s.by[t.name] = t
}

// Pop implements heap.Interface.
func (s *subjects) Pop() any {
	last := len(s.order) - 1
	t := s.order[last]
	s.order = s.order[:last]
	delete(s.by, t.name)
	return t
}
