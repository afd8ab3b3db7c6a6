package prefix

import (
	"math"
	"time"
)

// halfLife is how long it takes until a use counts half. A conversation's next turn comes within minutes, a system prompt
// comes back all day: half an hour keeps both, and an hour's burst does not outlive the night.
const halfLife = 30 * time.Minute

// heat is how often an entry was used, an exponentially decayed count: what is expected of the near future when uses come
// at random with a slowly changing rate. A short half-life would be plain "least recently used", an endless one "least
// frequently used".
type heat struct {
	uses float64 // at last
	last int64   // ns
}

// use counts a use at now.
func (h heat) use(now int64) heat { return h.add(heat{uses: 1, last: now}) }

// add is the heat of the uses of both.
func (h heat) add(g heat) heat {
	if h.last > g.last {
		h, g = g, h
	}
	if h.uses > 0 {
		g.uses += h.uses * math.Exp2(-halves(g.last-h.last))
	}
	return g
}

func halves(ns int64) float64 { return float64(ns) / float64(halfLife) }

// log is the logarithm of the decayed count at a fixed moment. All entries decay alike, so their order never changes by
// time alone, and the value needs no clock.
func (h heat) log() float64 {
	return math.Log2(max(h.uses, math.SmallestNonzeroFloat64)) + halves(h.last)
}

// worth orders entries for eviction.
type worth struct {
	pinned bool
	log    float64 // logarithm of the value per byte
}

func (w worth) less(v worth) bool {
	if w.pinned != v.pinned {
		return v.pinned
	}
	return w.log < v.log
}

// worth of e is what its loss is expected to cost for each byte that it takes: the time to compute again what no other
// entry of the tier covers, times the probability of its use, per byte. Of the tokens that another entry covers too
// nothing is lost: among a hundred questions behind one system prompt, the prompt survives and old questions go.
func (e *entry) worth(shared int) worth {
	alone := float64(len(e.tokens)-shared+1) / float64(len(e.tokens)+1)
	return worth{pinned: e.pinned, log: math.Log2(float64(e.cost)*alone/float64(e.weight())) + e.heat.log()}
}

// The speeds are for deciding whether fetching pays. That of the disk is measured, see index.measured.
const (
	hostSpeed = 4e9 // bytes/s, from memory into a context
	diskSpeed = 5e8 // bytes/s, read and checked, until it was measured
	diskDelay = time.Millisecond
)

// wait is how long fetching e is expected to take.
func (x *index) wait(e *entry) time.Duration {
	d := seconds(float64(e.size) / hostSpeed)
	if !e.inMemory() {
		d += diskDelay + seconds(float64(e.size)/x.speed)
	}
	return d
}

// gain is the time that fetching e saves when that makes tokens fewer to compute.
func (x *index) gain(e *entry, tokens int) time.Duration {
	return time.Duration(float64(e.cost)/float64(len(e.tokens))*float64(tokens)) - x.wait(e)
}

// measured notes how long a file took.
func (x *index) measured(bytes int64, d time.Duration) {
	if d > 0 {
		x.speed += (float64(bytes)/d.Seconds() - x.speed) / 4
	}
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
