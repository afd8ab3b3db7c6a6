package prefix

import (
	"maps"
	"time"
)

type entryID uint64

// entry is what is known of one state. It is in memory (held by the host tier, or kept until it is written), on disk, both,
// or in neither: then it is a ghost, which is remembered for a while to tell why a lookup missed and how often it was used.
type entry struct {
	id      entryID
	tenant  string
	tokens  []int32
	next    int   // tokens shared with the next entry of the tenant
	size    int64 // bytes of the state
	file    int64 // bytes of its file; 0: not on disk
	name    string
	cost    time.Duration
	pinned  bool
	created int64 // ns
	heat    heat
	mem     bool // its state is in memory
	ghost   bool // is nowhere
	held    bool // counts in the host tier
	queued  bool // waits for the writer
	writing bool // the writer has it
}

func (e *entry) inMemory() bool { return e.held || e.queued || e.writing }
func (e *entry) onDisk() bool   { return e.file > 0 }
func (e *entry) resident() bool { return e.inMemory() || e.onDisk() }

// settling reports whether e is on disk or soon is.
func (e *entry) settling() bool { return e.onDisk() || e.queued || e.writing }

// weight is the memory that e takes.
func (e *entry) weight() int64 { return e.size + tokensSize(e.tokens) }

func tokensSize(tokens []int32) int64 { return 4 * int64(len(tokens)) }

// foreign is a file with another key: of another model, setting or release, maybe in use by another process.
type foreign struct {
	tenant  string
	bytes   int64
	created int64 // ns
	last    int64 // ns
	pinned  bool
}

// limits bound an index. Bytes of 0 switch a tier off.
type limits struct {
	host, disk, queue int64
	queueLen          int // entries that wait for the writer
	minTokens         int
	maxAge            time.Duration // 0: none
	ghosts            int64         // bytes of the tokens of ghosts
}

// effects is what a change asks of its caller.
type effects struct {
	free []entryID // whose memory is not needed any more
	del  []string  // files to delete
}

// index decides. It does no I/O, has no clock, and one caller at a time.
type index struct {
	limits   limits
	tenants  map[string]order
	byID     map[entryID]*entry
	byName   map[string]*entry // by the name of the file, whether there is one or not
	last     entryID
	queue    []*entry // for the writer, oldest first
	ghosts   []*entry // oldest first
	foreign  map[string]foreign
	host     int64 // bytes of entries held
	disk     int64 // bytes of own files
	others   int64 // bytes of foreign files
	ghostly  int64 // bytes of the tokens of ghosts
	speed    float64
	reserved int64 // bytes of the file that is being written
	stats    Stats
}

func newIndex(l limits) *index {
	return &index{
		limits: l, tenants: map[string]order{}, byID: map[entryID]*entry{}, byName: map[string]*entry{}, foreign: map[string]foreign{},
		speed: diskSpeed,
		stats: Stats{Misses: map[Reason]uint64{ // all of them from the start, for whoever watches them change
			MissNone: 0, MissTooShort: 0, MissLive: 0, MissNotWorth: 0, MissEvicted: 0, MissCorrupt: 0, MissFailed: 0,
		}},
	}
}

func (x *index) expired(created, now int64) bool {
	return x.limits.maxAge > 0 && now-created > int64(x.limits.maxAge)
}

// find looks the prompt up. It changes nothing.
func (x *index) find(q Query, now int64) Hit {
	o := x.tenants[q.Tenant]
	live := func(e *entry) bool { return e.resident() && !x.expired(e.created, now) }
	first, n := o.best(q.Prompt, live)
	if n < x.limits.minTokens || n <= q.Have {
		return Hit{Miss: x.why(o, q, n, now)}
	}
	// Several may share n tokens; and one in memory that shares a little less may be there sooner.
	best, most, gain := first, n, x.gain(first, n-q.Have)
	consider := func(e *entry, n int) {
		if g := x.gain(e, n-q.Have); g > gain {
			best, most, gain = e, n, g
		}
	}
	for _, e := range o.under(q.Prompt[:n]) {
		if live(e) {
			consider(e, n)
		}
	}
	near, k := o.best(q.Prompt, func(e *entry) bool { return e.inMemory() && live(e) })
	if k >= x.limits.minTokens && k > q.Have {
		consider(near, k)
	}
	if gain <= 0 {
		return Hit{Miss: MissNotWorth}
	}
	h := Hit{Tokens: most, Held: len(best.tokens), Bytes: best.size, Tier: TierDisk, Wait: x.wait(best), id: best.id}
	if best.inMemory() {
		h.Tier = TierHost
	}
	return h
}

// why explains a miss where n tokens are the most that anything resident shares.
func (x *index) why(o order, q Query, n int, now int64) Reason {
	_, gone := o.best(q.Prompt, func(e *entry) bool { return !e.resident() && !x.expired(e.created, now) })
	switch {
	case gone >= x.limits.minTokens && gone > q.Have:
		return MissEvicted
	case n >= x.limits.minTokens || n > 0 && n <= q.Have:
		return MissLive
	case n > 0:
		return MissTooShort
	}
	return MissNone
}

// covers reports whether a resident entry begins with all of tokens.
func (x *index) covers(tenant string, tokens []int32, now int64) *entry {
	for _, e := range x.tenants[tenant].under(tokens) {
		if e.resident() && !x.expired(e.created, now) {
			return e
		}
	}
	return nil
}

// touch counts a use of the longest prefix of tokens that is known, when that is long enough to be one.
func (x *index) touch(tenant string, tokens []int32, now int64) {
	e, n := x.tenants[tenant].best(tokens, (*entry).resident)
	if n >= x.limits.minTokens {
		e.heat = e.heat.use(now)
	}
}

// victim is the entry, of those wanted, whose loss costs least.
func (x *index) victim(want func(*entry) bool) (*entry, worth) {
	var found *entry
	var least worth
	for _, o := range x.tenants {
		o.shared(want, func(e *entry, n int) {
			w := e.worth(n)
			if found == nil || w.less(least) || !least.less(w) && e.id < found.id {
				found, least = e, w
			}
		})
	}
	return found, least
}

// figures is a copy of the statistics.
func (x *index) figures() Stats {
	s := x.stats
	s.Misses = maps.Clone(s.Misses)
	for _, e := range x.byID {
		if e.held {
			s.HostEntries++
		}
		if e.onDisk() {
			s.DiskEntries++
		}
		if e.queued || e.writing {
			s.Queued++
		}
	}
	s.HostBytes, s.DiskBytes, s.ForeignBytes, s.ForeignFiles = x.host, x.disk, x.others, len(x.foreign)
	s.QueuedBytes = x.waiting()
	return s
}
