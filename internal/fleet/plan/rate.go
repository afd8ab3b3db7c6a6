package plan

import (
	"math"
	"time"
)

// rateMemory is the time over which the drain rate forgets.
const rateMemory = 30 * time.Second

// rate measures how many tokens per second leave a model while it works: an average with exponential decay over busy
// time, corrected for its start. It counts expected costs, the unit of the queue, so that the two divide honestly.
type rate struct {
	sum, weight float64
	at          time.Duration
}

// resume starts measuring after a time without work.
func (r *rate) resume(now time.Duration) { r.at = now }

// add counts a completed request.
func (r *rate) add(now time.Duration, cost int) {
	dt := (now - r.at).Seconds()
	r.at = now
	if dt <= 0 {
		r.sum += float64(cost) / rateMemory.Seconds()
		return
	}
	keep := math.Exp(-dt / rateMemory.Seconds())
	r.sum = r.sum*keep + float64(cost)*(1-keep)/dt
	r.weight = r.weight*keep + (1 - keep)
}

// perSecond is the measured rate; 0 when nothing was measured.
func (r *rate) perSecond() float64 {
	if r.weight <= 0 {
		return 0
	}
	return r.sum / r.weight
}

// Bounds of a RetryAfter.
const (
	minRetryAfter = time.Second
	maxRetryAfter = 2 * time.Minute
)

// timeFor is how long the given cost takes at the measured rate, in whole seconds from 1 to 120.
func (r *rate) timeFor(cost float64) time.Duration {
	per := r.perSecond()
	if per <= 0 {
		return unknownDrain
	}
	seconds := math.Ceil(cost / per)
	if !(seconds < maxRetryAfter.Seconds()) {
		return maxRetryAfter
	}
	return max(minRetryAfter, time.Duration(seconds)*time.Second)
}
