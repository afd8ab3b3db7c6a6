package plan

import (
	"cmp"
	"slices"
	"time"

	"ashatai/internal/core"
	"ashatai/internal/device"
)

// Phase says where an instance is in its life.
type Phase uint8

// The phases, in the order of a life. Dead is Stopping for an instance that ended by itself.
const (
	PhaseStarting Phase = iota
	PhaseReady
	PhaseDraining // takes nothing new; what runs may finish
	PhaseStopping
	PhaseDead
)

// String is the phase's name in the server's API.
func (p Phase) String() string {
	names := [...]string{"starting", "ready", "draining", "stopping", "dead"}
	if int(p) < len(names) {
		return names[p]
	}
	return "unknown"
}

// State is everything the plan knows. It belongs to one caller at a time.
type State struct {
	cfg       Config
	now       time.Duration
	models    []*model    // by key
	instances []*instance // by id
	requests  map[ID]*request
	suspects  suspects
	last      InstanceID
	arrivals  uint64
	draining  bool
	effects   []Effect
}

type model struct {
	Model
	measured bool // Memory comes from a load

	inst    *instance // the one that serves, or is going to
	queue   fairQueue
	holds   []*request    // wait for the model to be loaded and need no sequence
	replays []*request    // unstarted when their instance died; served before the queue
	soonest time.Duration // no waiting request has an earlier deadline

	since    time.Duration // wants memory since
	wants    bool
	loadTook time.Duration
	uses     float64 // admissions, decayed
	usesAt   time.Duration
	lastUsed time.Duration
	rate     rate
	habits   map[string]*habit // by tenant

	failures  int // loads failed in a row
	loadErr   *core.Error
	crashes   int // in a row
	notBefore time.Duration
}

type instance struct {
	id         InstanceID
	m          *model
	phase      Phase
	memory     int64
	parts      []device.Part // of devices; what was expected, until the load is done
	sequences  int
	used       int
	suspects   int
	running    []*request
	processors int // that it was told it may use; 0: nothing
	startedAt  time.Duration
	readyAt    time.Duration
	idleSince  time.Duration
	served     bool // completed a request

	// Of a draining instance: why, and when what still runs is ended with which error; zero time: never.
	reason  Reason
	endAt   time.Duration
	endWith *core.Error
}

type request struct {
	Request
	m        *model
	number   uint64        // order of arrival
	queuedAt time.Duration // when it began to wait, this time
	inst     *instance     // nil while it waits
	taken    int           // sequences, while admitted
	suspect  bool          // admitted as one
	seen     bool
	replayed bool
}

func byNumber(a, b *request) int { return cmp.Compare(a.number, b.number) }

// New makes a State without models, at time zero.
func New(cfg Config) *State {
	return &State{cfg: cfg.withDefaults(), requests: map[ID]*request{}}
}

// Apply takes one event and returns what is to be done now, in order.
func (s *State) Apply(e Event) []Effect {
	s.now = max(s.now, e.when())
	e.apply(s)
	s.settle()
	out := s.effects
	s.effects = nil
	return out
}

// settle brings everything that depends on time, memory and free sequences up to date.
func (s *State) settle() {
	for _, m := range s.models {
		s.dropLate(m)
	}
	for _, in := range slices.Clone(s.instances) {
		s.endDrain(in)
	}
	for _, m := range s.models {
		s.admit(m)
	}
	for _, m := range s.models {
		s.unloadIdle(m)
	}
	s.schedule()
	s.share()
	s.forget()
}

func (s *State) do(e Effect) { s.effects = append(s.effects, e) }

// model returns the entry of d's key with d's present wishes.
func (s *State) model(d Model) *model {
	i, ok := slices.BinarySearchFunc(s.models, d.Key, func(m *model, key string) int { return cmp.Compare(m.Key, key) })
	if !ok {
		s.models = slices.Insert(s.models, i, &model{Model: d})
		return s.models[i]
	}
	m := s.models[i]
	if m.measured {
		d.Memory = m.Memory
	}
	d.Pinned = d.Pinned || m.Pinned
	m.Model = d
	return m
}

func (s *State) instance(id InstanceID) *instance {
	i, ok := slices.BinarySearchFunc(s.instances, id, func(in *instance, id InstanceID) int { return cmp.Compare(in.id, id) })
	if !ok {
		return nil
	}
	return s.instances[i]
}

// waiting is the number of requests that wait for m.
func (m *model) waiting() int { return m.queue.len + len(m.holds) + len(m.replays) }

// waiters returns the requests that wait for m, in order of arrival.
func (m *model) waiters() []*request {
	out := slices.Concat(m.replays, m.holds, m.queue.all())
	slices.SortFunc(out, byNumber)
	return out
}

// drop takes a waiting request out.
func (m *model) drop(r *request) {
	is := func(o *request) bool { return o == r }
	switch {
	case slices.ContainsFunc(m.replays, is):
		m.replays = slices.DeleteFunc(m.replays, is)
	case r.Sequences == 0:
		m.holds = slices.DeleteFunc(m.holds, is)
	default:
		m.queue.remove(r)
	}
}

// fail ends a request that waits.
func (s *State) fail(r *request, err *core.Error) {
	r.m.drop(r)
	delete(s.requests, r.ID)
	s.went(r, false)
	s.do(Fail{ID: r.ID, Err: err})
}

func (s *State) failWaiting(m *model, err *core.Error) {
	for _, r := range m.waiters() {
		s.fail(r, err)
	}
}

// dropLate ends the waiting requests whose deadline passed.
func (s *State) dropLate(m *model) {
	if m.soonest == 0 || s.now < m.soonest {
		return
	}
	m.soonest = 0
	for _, r := range m.waiters() {
		if r.Deadline > 0 && r.Deadline <= s.now {
			s.fail(r, core.Errorf(core.CodeDeadline, "The request waited %s for the model %s and its time limit passed; try again later or with a longer limit.",
				round(s.now-r.queuedAt), m.Name))
			continue
		}
		m.expect(r.Deadline)
	}
}

// expect notes the deadline of a request that begins to wait.
func (m *model) expect(deadline time.Duration) {
	if deadline > 0 && (m.soonest == 0 || deadline < m.soonest) {
		m.soonest = deadline
	}
}

// forget drops what was learned of models that nobody used for long.
func (s *State) forget() {
	s.models = slices.DeleteFunc(s.models, func(m *model) bool {
		return m.inst == nil && m.waiting() == 0 && !m.Pinned && s.now >= m.notBefore && s.now-m.lastUsed > forgetModel &&
			!slices.ContainsFunc(s.instances, func(in *instance) bool { return in.m == m })
	})
}

func round(d time.Duration) time.Duration { return d.Round(100 * time.Millisecond) }
