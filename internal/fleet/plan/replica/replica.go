// Package replica decides which of a model's replicas serves a request: it filters, scores, balances, and keeps a breaker
// for each. It has no clock (times come with the calls), does no I/O, takes no lock and knows nothing of queues: package
// plan decides what happens at the place that was chosen. Times are durations since a zero point of the owner's.
package replica

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// Policy says how requests are spread over the replicas that can serve them.
type Policy string

// The policies; the empty one is Best.
const (
	Best       Policy = "best"        // the highest score
	RoundRobin Policy = "round-robin" // in turn
	Weighted   Policy = "weighted"    // in turn, as often as the weights say
	LeastWork  Policy = "least-work"  // the fewest outstanding tokens per weight
	Affine     Policy = "prefix"      // the same beginning of a prompt to the same replica, unless that is far busier
)

// Candidate is a replica as its owner sees it now.
type Candidate struct {
	Label   string // unique in the set
	Runtime string
	Device  string // where it runs, or would
	Weight  int    // 0 means 1
	Cost    int    // of a token, relative to others; 0: not known
	Loaded  bool
	Refused string // why it cannot serve this request, in words; empty: it can

	Fallback string // why it is loaded as something weaker than was asked for; empty: it is not
}

// Wish is what a request asks of its place.
type Wish struct {
	Policy Policy
	Prefix uint64 // hash of the prompt's beginning; 0: not known
	Tried  map[string]bool
}

// Verdict says what was found about one candidate.
type Verdict struct {
	Candidate

	Score   float64            // between 0 and 1; 0 where it cannot serve
	Parts   map[string]float64 // of the score, each between 0 and 1
	Speed   float64            // tokens per second, measured here; 0: nothing was measured
	Work    int64              // outstanding tokens
	Breaker string             // closed, open, trial
	Reason  string             // why it was chosen, or was not
}

// Decision is where a request goes, and why.
type Decision struct {
	Policy     Policy
	Chosen     int // index of the candidate; -1: none can serve
	Candidates []Verdict
}

// Terms of the breaker and of the score.
const (
	trip       = 3 // faults in a row that open a breaker
	firstCool  = time.Second
	longCool   = time.Minute
	fresh      = 0.25 // part that the newest measurement has in the speed
	busyFactor = 2    // an affine replica may have so many times the work of the least busy one
	slack      = 2048 // and so many tokens more
	halfLoad   = 4096 // outstanding tokens at which the part for load is a half
)

// member is what is known of a replica.
type member struct {
	work    int64
	speed   float64
	current int // of smooth weighted round-robin
	faults  int // in a row
	cool    time.Duration
	until   time.Duration // its breaker is open until then; 0: it is closed
	trial   bool          // one request, or a check, is trying it
}

// Set is one model's replicas. It belongs to one caller at a time. The zero value is ready to use.
type Set struct {
	members map[string]*member
	turns   uint64
}

func (s *Set) member(label string) *member {
	if s.members == nil {
		s.members = map[string]*member{}
	}
	m := s.members[label]
	if m == nil {
		m = &member{}
		s.members[label] = m
	}
	return m
}

func (m *member) breaker(now time.Duration) string {
	switch {
	case m.until == 0:
		return "closed"
	case m.trial || now >= m.until:
		return "trial"
	}
	return "open"
}

// closedOff says why a breaker lets nothing through; empty where it does.
func (m *member) closedOff(now time.Duration) string {
	switch {
	case m.until == 0:
		return ""
	case m.trial:
		return "it failed, and is being tried again now"
	case now < m.until:
		return fmt.Sprintf("it failed %d times in a row, and rests for %s", m.faults, (m.until - now).Round(100*time.Millisecond))
	}
	return ""
}

// Explain says where a request would go, and changes nothing.
func (s *Set) Explain(now time.Duration, w Wish, list []Candidate) Decision {
	d := s.look(now, w, list)
	able := d.able()
	if len(able) == 0 {
		return d
	}
	turns := s.turns
	current := make(map[string]int, len(list))
	for _, c := range list {
		current[c.Label] = s.member(c.Label).current
	}
	s.choose(&d, w, able)
	s.turns = turns
	for label, n := range current {
		s.members[label].current = n
	}
	return d
}

// Decide chooses. What it chose must be begun.
func (s *Set) Decide(now time.Duration, w Wish, list []Candidate) Decision {
	d := s.look(now, w, list)
	if able := d.able(); len(able) > 0 {
		s.choose(&d, w, able)
	}
	return d
}

// look filters and scores.
func (s *Set) look(now time.Duration, w Wish, list []Candidate) Decision {
	d := Decision{Policy: w.Policy, Chosen: -1}
	if d.Policy == "" {
		d.Policy = Best
	}
	fastest, cheapest, heaviest := 0.0, math.MaxInt, 1
	for _, c := range list {
		fastest = max(fastest, s.member(c.Label).speed)
		heaviest = max(heaviest, c.Weight)
		if c.Cost > 0 {
			cheapest = min(cheapest, c.Cost)
		}
	}
	for _, c := range list {
		c.Weight = max(1, c.Weight)
		m := s.member(c.Label)
		v := Verdict{Candidate: c, Speed: m.speed, Work: m.work, Breaker: m.breaker(now), Reason: c.Refused}
		switch {
		case v.Reason != "":
		case w.Tried[c.Label]:
			v.Reason = "it was tried for this request and could not begin it"
		default:
			v.Reason = m.closedOff(now)
		}
		if v.Reason == "" {
			v.score(fastest, cheapest, heaviest)
		}
		d.Candidates = append(d.Candidates, v)
	}
	return d
}

// score weighs what speaks for a candidate. What was not measured counts as the middle.
func (v *Verdict) score(fastest float64, cheapest, heaviest int) {
	p := map[string]float64{
		"speed": 0.5, "cost": 0.5, "load": halfLoad / (halfLoad + float64(v.Work)), "preference": float64(v.Weight) / float64(heaviest), "locality": 0,
	}
	if v.Speed > 0 && fastest > 0 {
		p["speed"] = v.Speed / fastest
	}
	if v.Cost > 0 {
		p["cost"] = float64(cheapest) / float64(v.Cost)
	}
	if v.Loaded {
		p["locality"] = 1
	}
	v.Parts = p
	v.Score = 0.25*p["speed"] + 0.15*p["cost"] + 0.25*p["load"] + 0.2*p["preference"] + 0.15*p["locality"]
}

// able are the indexes of those that can serve.
func (d *Decision) able() []int {
	var out []int
	for i, v := range d.Candidates {
		if v.Reason == "" {
			out = append(out, i)
		}
	}
	return out
}

func (s *Set) choose(d *Decision, w Wish, able []int) {
	var why string
	switch d.Policy {
	case RoundRobin:
		d.Chosen, why = able[s.turns%uint64(len(able))], "its turn"
		s.turns++
	case Weighted:
		d.Chosen, why = s.smooth(d, able), "its turn by weight"
	case LeastWork:
		d.Chosen, why = least(d, able), "the least outstanding work for its weight"
	case Affine:
		d.Chosen, why = affine(d, able, w.Prefix)
	case Best:
		fallthrough
	default:
		d.Chosen, why = able[0], "the highest score"
		for _, i := range able[1:] {
			if d.Candidates[i].Score > d.Candidates[d.Chosen].Score {
				d.Chosen = i
			}
		}
	}
	if len(d.Candidates) == 1 {
		why = "the only one"
	}
	for _, i := range able {
		d.Candidates[i].Reason = "not chosen: another was better by the policy " + string(d.Policy)
	}
	d.Candidates[d.Chosen].Reason = why
}

// smooth is nginx's smooth weighted round-robin: over any stretch of picks each replica has its share, spread evenly.
func (s *Set) smooth(d *Decision, able []int) int {
	best, total := -1, 0
	for _, i := range able {
		v := d.Candidates[i]
		m := s.member(v.Label)
		m.current += v.Weight
		total += v.Weight
		if best < 0 || m.current > s.member(d.Candidates[best].Label).current {
			best = i
		}
	}
	s.member(d.Candidates[best].Label).current -= total
	return best
}

func perWeight(v Verdict) float64 { return float64(v.Work) / float64(v.Weight) }

// least is the one with the fewest outstanding tokens per weight; of equals the heavier, then the first.
func least(d *Decision, able []int) int {
	best := able[0]
	for _, i := range able[1:] {
		a, b := d.Candidates[i], d.Candidates[best]
		if perWeight(a) < perWeight(b) || perWeight(a) == perWeight(b) && a.Weight > b.Weight {
			best = i
		}
	}
	return best
}

// affine is rendezvous hashing: a prefix keeps its replica when others come or go. A replica that is far busier than the
// least busy one gives the request away.
func affine(d *Decision, able []int, prefix uint64) (int, string) {
	idle := least(d, able)
	if prefix == 0 {
		return idle, "the least outstanding work: nothing is known of the prompt's beginning"
	}
	order := slices.Clone(able)
	slices.SortStableFunc(order, func(a, b int) int {
		switch x, y := rank(prefix, d.Candidates[a]), rank(prefix, d.Candidates[b]); {
		case x > y:
			return -1
		case x < y:
			return 1
		}
		return 0
	})
	first := d.Candidates[order[0]]
	if perWeight(first) > busyFactor*perWeight(d.Candidates[idle])+slack {
		return idle, "the replica of this prompt's beginning is far busier"
	}
	return order[0], "this prompt's beginning belongs to it"
}

// rank is a weighted rendezvous score (Schindelhauer, Schomaker: "Weighted distributed hash tables", 2005).
func rank(prefix uint64, v Verdict) float64 {
	h := prefix ^ 0x9e3779b97f4a7c15
	for _, c := range []byte(v.Label) {
		h = (h ^ uint64(c)) * 0x100000001b3
	}
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	h ^= h >> 33
	unit := (float64(h>>11) + 0.5) / (1 << 53)
	return float64(v.Weight) / -math.Log(unit)
}

// Begin says that a request of so many expected tokens goes to a replica.
func (s *Set) Begin(now time.Duration, label string, cost int) {
	m := s.member(label)
	m.work += int64(max(1, cost))
	if m.until > 0 && now >= m.until {
		m.trial = true
	}
}

// Outcome is how a request left its replica.
type Outcome int

// The outcomes.
const (
	Left   Outcome = iota // it ended for a reason that says nothing of the replica
	Served                // it was served
	Failed                // the replica failed it
)

// End says that a request that was begun has left. Tokens and took are what it made and how long that took, where known.
func (s *Set) End(now time.Duration, label string, cost int, o Outcome, tokens int, took time.Duration) {
	m := s.member(label)
	m.work = max(0, m.work-int64(max(1, cost)))
	s.note(now, m, o)
	if o == Served && tokens > 0 && took > 0 {
		v := float64(tokens) / took.Seconds()
		if m.speed == 0 {
			m.speed = v
		}
		m.speed += fresh * (v - m.speed)
	}
}

// Note is an outcome of a replica that no request of its own had: one that goes on, or a check.
func (s *Set) Note(now time.Duration, label string, o Outcome) { s.note(now, s.member(label), o) }

func (s *Set) note(now time.Duration, m *member, o Outcome) {
	switch o {
	case Left:
		m.trial = false
	case Served:
		m.faults, m.cool, m.until, m.trial = 0, 0, 0, false
	case Failed:
		m.faults++
		open := m.until > 0 && now < m.until && !m.trial // what began before it opened says nothing new
		if m.faults >= trip && !open {
			m.cool = min(max(2*m.cool, firstCool), longCool)
			m.until, m.trial = now+m.cool, false
		}
	}
}

// Due lists the replicas whose breakers wait to be tried. A caller who checks one begins it with Checking and says how it
// went with Note.
func (s *Set) Due(now time.Duration, list []Candidate) []string {
	var out []string
	for _, c := range list {
		if m := s.member(c.Label); m.until > 0 && !m.trial && now >= m.until {
			out = append(out, c.Label)
		}
	}
	return out
}

// Checking says that a replica is being asked whether it would serve.
func (s *Set) Checking(label string) { s.member(label).trial = true }

// Open reports whether a replica's breaker lets nothing through.
func (s *Set) Open(now time.Duration, label string) bool { return s.member(label).closedOff(now) != "" }
