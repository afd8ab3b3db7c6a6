// Package threads chooses how many threads compute the next step. It is pure: it is told how long steps took.
//
// The library's threads meet at spinning barriers, so a thread that the machine takes away for a moment stops all of
// them: two threads beside one busy core are twenty times slower than one. Nothing but the step times tells.
package threads

import "time"

// Group is a set of steps with a count of threads of its own.
type Group uint8

// The groups: steps that wait for memory, which few threads can fill, and steps that compute.
const (
	Decode Group = iota
	Prefill
)

// Counts are the most threads of each group.
type Counts struct{ Decode, Prefill int }

// Most is the larger one.
func (c Counts) Most() int { return max(c.Decode, c.Prefill) }

// AtMost bounds both.
func (c Counts) AtMost(n int) Counts { return Counts{min(c.Decode, n), min(c.Prefill, n)} }

// half is what a group falls to.
func (c Counts) half() Counts { return Counts{max(1, c.Decode/2), max(1, c.Prefill/2)} }

func (c Counts) of(g Group) int {
	if g == Prefill {
		return c.Prefill
	}
	return c.Decode
}

// Controller holds the choice for one model: all threads, or half of them while that is faster. Steps of different kinds
// cost too differently to be compared with each other, but a busy neighbour slows all kinds alike; so costs are kept by
// kind and the choice is one.
type Controller struct {
	most, fewer Counts
	fell        bool // the choice is fewer
	kinds       map[int]*kind
	slow        int           // steps in a row that were slower than fewer threads would be
	retry       time.Duration // how long to stay below most before trying it again
	stayed      time.Duration // time spent below most since it was last tried
	trial       int           // steps with all threads that are left to decide whether to stay
	checking    *kind         // the next step of this kind, with fewer threads, only refreshes a figure
}

// kind is what is known of one kind of step: nanoseconds per unit of work, smoothed; 0 is unknown.
type kind struct {
	most, fewer float64
	age         time.Duration // since fewer was measured
}

const (
	firstRetry = 250 * time.Millisecond
	lastRetry  = 15 * time.Second
	refresh    = 20 * time.Second // how old the figure for fewer threads may get
	smoothing  = 0.3
	cheap      = 50 * time.Millisecond // the longest step that is spent on measuring fewer threads
	patience   = 5                     // slow steps in a row before the count falls; 2 when they collapsed
	trialSteps = 3                     // steps of a trial of all threads
	tolerance  = 1.3                   // how much slower than fewer threads all may be for a moment
	collapse   = 4                     // how much slower than before all may be, while the figure for fewer is not known
)

// New makes a controller that uses most threads, or half of them when that is faster.
func New(most Counts) *Controller {
	return &Controller{most: most, fewer: most.half(), kinds: map[int]*kind{}, retry: firstRetry}
}

// Threads is the number for the steps of a group.
func (c *Controller) Threads(g Group) int {
	if c.fell {
		return c.fewer.of(g)
	}
	return c.most.of(g)
}

// Next is the number for the next step, which is of a kind. Now and then it is one that only refreshes a figure.
func (c *Controller) Next(g Group, what int) int {
	if k := c.kinds[key(g, what)]; k != nil && k == c.checking {
		return c.fewer.of(g)
	}
	return c.Threads(g)
}

func key(g Group, what int) int { return what<<1 | int(g) }

// Observe records a step of a kind, of units equal pieces of work, that took d with Next(g, what) threads.
func (c *Controller) Observe(g Group, what, units int, d time.Duration) {
	if c.most.of(g) == c.fewer.of(g) || units <= 0 { // it tells nothing
		return
	}
	k := c.kinds[key(g, what)]
	if k == nil {
		k = &kind{age: refresh}
		c.kinds[key(g, what)] = k
	}
	cost := float64(d) / float64(units)
	switch {
	case k == c.checking:
		k.fewer, k.age = smooth(k.fewer, cost), 0
		if c.checking = nil; !c.fell {
			c.trial = trialSteps
		}
	case c.fell:
		c.below(k, cost, d)
	default:
		c.above(k, cost, d)
	}
}

// above decides after a step with all threads.
func (c *Controller) above(k *kind, cost float64, d time.Duration) {
	k.age += d
	slow := k.tooSlow(cost)
	k.most = smooth(k.most, cost)
	if c.trial > 0 {
		c.try(k, cost)
		return
	}
	if slow {
		c.slow++
		if c.slow >= patience || c.slow >= 2 && k.fewer > 0 && cost > k.fewer*collapse {
			c.fall()
		}
		return
	}
	c.slow = 0
	if k.age >= refresh && d <= cheap {
		// One step with fewer threads keeps the comparison honest.
		c.checking, k.age = k, 0
	}
}

// try is a step of a trial: all threads stay when one of a few steps was faster than fewer threads are, since a single slow
// step is no neighbour. A step that collapsed ends the trial at once.
func (c *Controller) try(k *kind, cost float64) {
	c.trial--
	switch {
	case k.fewer == 0 || cost < k.fewer:
		c.trial, c.retry, c.slow = 0, firstRetry, 0
	case c.trial == 0 || cost > k.fewer*collapse:
		c.fall()
	}
}

// tooSlow compares a step with all threads with what fewer would take, or, while that is not known, with what it took
// before.
func (k *kind) tooSlow(cost float64) bool {
	if k.fewer > 0 {
		return cost > k.fewer*tolerance
	}
	return k.most > 0 && cost > k.most*collapse
}

// below decides after a step with fewer threads.
func (c *Controller) below(k *kind, cost float64, d time.Duration) {
	k.fewer, k.age = smooth(k.fewer, cost), 0
	if c.stayed += d; c.stayed >= c.retry {
		c.fell, c.trial, c.slow = false, trialSteps, 0
	}
}

// fall goes to fewer threads and waits longer each time before trying again.
func (c *Controller) fall() {
	c.fell, c.trial, c.slow, c.stayed = true, 0, 0, 0
	c.retry = min(2*c.retry, lastRetry)
}

func smooth(old, sample float64) float64 {
	if old == 0 {
		return sample
	}
	return old + smoothing*(sample-old)
}
