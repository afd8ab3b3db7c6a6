package obs

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"ashatai/internal/core"
)

// Activity knows what is being answered now and what was answered in the last minutes: what an operator looks at, where
// Metrics is what a machine collects. It keeps no text of anybody's. All methods may be called at once.
type Activity struct {
	now   func() time.Time
	began time.Time

	mu    sync.Mutex
	next  uint64
	live  map[uint64]*Work
	users map[[2]string]*Use
	first []uint64 // answers by the time to their first token, in the buckets of FirstBounds
	steps [activitySteps]step
}

const (
	activityStep  = 5 * time.Second
	activitySteps = 180 // a quarter of an hour
	maxUsers      = 1000
)

// step is what happened in one stretch of time.
type step struct {
	at                       int64 // which stretch since 1970
	pieces, done             int
	prompt, cached           int
	mostRunning, mostWaiting int
}

// The phases of a request.
const (
	PhaseWaiting   = "waiting"   // for its model, or for a place
	PhaseReading   = "reading"   // its prompt is computed
	PhaseAnswering = "answering" // text comes
)

// Work is one request that is being answered. It is changed by the methods of Activity alone.
type Work struct {
	ID           string // of the request
	Tenant, User string
	Model        string // as it was asked for, then the canonical name
	Class        core.Class
	Phase        string
	Began        time.Time
	First        time.Time // of its text
	Pieces       int       // of text, mostly one token each
	Ahead        int       // how many that came before it wait for the same model; counted by Snapshot

	key uint64
}

// Use is what one user used since the server started.
type Use struct {
	Tenant, User              string
	Requests                  int
	Prompt, Cached, Generated int
}

// Moment is one stretch of the last minutes.
type Moment struct {
	At               time.Time // its beginning
	Pieces, Done     int       // of text, mostly one token each; requests that ended by themselves
	Prompt, Cached   int       // tokens
	Running, Waiting int       // the most at once
}

// Snapshot is a copy of everything that Activity knows.
type Snapshot struct {
	Began time.Time
	Step  time.Duration
	Live  []Work // the oldest first
	Users []Use  // who generated most first
	Past  []Moment
	First []uint64 // see FirstBounds; one more than there are bounds
}

// NewActivity makes an empty one. now is the clock; nil is time.Now.
func NewActivity(now func() time.Time) *Activity {
	if now == nil {
		now = time.Now
	}
	return &Activity{
		now: now, began: now(), live: map[uint64]*Work{}, users: map[[2]string]*Use{}, first: make([]uint64, len(FirstBounds())+1),
	}
}

// FirstBounds are the upper bounds of the buckets of the time to the first token, in seconds.
func FirstBounds() []float64 { return []float64{.05, .1, .2, .5, 1, 2, 5, 10, 30} }

// Begin notes a request that waits. End it whatever happens.
func (a *Activity) Begin(req *core.Request) *Work {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.next++
	w := &Work{
		ID: req.ID, Tenant: req.Principal.Tenant, User: req.Principal.User, Model: req.Model, Class: req.Principal.Class,
		Phase: PhaseWaiting, Began: a.now(), key: a.next,
	}
	a.live[w.key] = w
	a.peak()
	return w
}

// Accepted says that a model took the request.
func (a *Activity) Accepted(w *Work, model string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	w.Model, w.Phase = model, PhaseReading
	a.peak()
}

// Piece counts a piece of text.
func (a *Activity) Piece(w *Work) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.here().pieces++
	if w.Pieces++; w.Pieces == 1 {
		w.Phase, w.First = PhaseAnswering, a.now()
	}
}

// Used adds what an answer that ended by itself cost.
func (a *Activity) Used(w *Work, u core.Usage) {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := a.here()
	s.done++
	s.prompt += u.Prompt
	s.cached += u.Cached
	if u.Completion > 0 {
		i, _ := slices.BinarySearch(FirstBounds(), (u.Queued + u.Prefill).Seconds())
		a.first[i]++
	}
	key := [2]string{w.Tenant, w.User}
	use := a.users[key]
	if use == nil {
		if len(a.users) >= maxUsers {
			return
		}
		use = &Use{Tenant: w.Tenant, User: w.User}
		a.users[key] = use
	}
	use.Requests++
	use.Prompt += u.Prompt
	use.Cached += u.Cached
	use.Generated += u.Completion
}

// End forgets a request; ending it again does nothing.
func (a *Activity) End(w *Work) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.live, w.key)
}

// here is the stretch of now.
func (a *Activity) here() *step {
	at := a.now().UnixNano() / int64(activityStep)
	s := &a.steps[at%activitySteps]
	if s.at != at {
		*s = step{at: at}
	}
	return s
}

// peak raises the most that were at work at once.
func (a *Activity) peak() {
	waiting := 0
	for _, w := range a.live {
		if w.Phase == PhaseWaiting {
			waiting++
		}
	}
	s := a.here()
	s.mostWaiting = max(s.mostWaiting, waiting)
	s.mostRunning = max(s.mostRunning, len(a.live)-waiting)
}

// Snapshot copies what there is. Past has every stretch from the oldest that is kept, or the start, to now.
func (a *Activity) Snapshot() Snapshot {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.peak()
	out := Snapshot{Began: a.began, Step: activityStep, First: slices.Clone(a.first)}
	for _, w := range a.live {
		out.Live = append(out.Live, *w)
	}
	slices.SortFunc(out.Live, func(x, y Work) int { return cmp.Compare(x.key, y.key) })
	ahead := map[string]int{}
	for i := range out.Live {
		if w := &out.Live[i]; w.Phase == PhaseWaiting {
			w.Ahead = ahead[w.Model]
			ahead[w.Model]++
		}
	}
	for _, u := range a.users {
		out.Users = append(out.Users, *u)
	}
	slices.SortFunc(out.Users, func(x, y Use) int {
		return cmp.Or(cmp.Compare(y.Generated, x.Generated), cmp.Compare(x.Tenant, y.Tenant), cmp.Compare(x.User, y.User))
	})
	now := a.now().UnixNano() / int64(activityStep)
	for at := max(now-activitySteps+1, a.began.UnixNano()/int64(activityStep)); at <= now; at++ {
		m := Moment{At: time.Unix(0, at*int64(activityStep)).UTC()}
		if s := a.steps[at%activitySteps]; s.at == at {
			m.Pieces, m.Done, m.Prompt, m.Cached, m.Running, m.Waiting = s.pieces, s.done, s.prompt, s.cached, s.mostRunning, s.mostWaiting
		}
		out.Past = append(out.Past, m)
	}
	return out
}
