package spec

import "math/bits"

// odds keeps how often a repetition goes on, by its length: the acceptance that a draft may hope for. Every generated
// token that follows a match is a trial, drafted or not, so watching costs nothing.
type odds struct {
	went  [bins]float64
	tries [bins]float64
}

const (
	bins   = 8
	memory = 0.98 // of a bin's trials per new one: some fifty count
	first  = 0.3  // the odds of the shortest repetition until something is known
	weight = 2    // trials that the next shorter bin's odds count for
)

// bin of a match length: 1, 2, 3, 4–5, 6–9, 10–17, 18–33, 34 and more.
func bin(length int) int {
	if length <= 2 {
		return max(length-1, 0)
	}
	return min(2+bits.Len(uint(length-2)>>1), bins-1)
}

func (o *odds) tell(length int, went bool) {
	b := bin(length)
	o.went[b] *= memory
	o.tries[b] = o.tries[b]*memory + 1
	if went {
		o.went[b]++
	}
}

// table is the odds of all bins. What is not known of longer repetitions is as for shorter ones.
func (o *odds) table() [bins]float64 {
	var out [bins]float64
	p := first
	for b := range bins {
		p = (o.went[b] + weight*p) / (o.tries[b] + weight)
		out[b] = p
	}
	return out
}

// Record is how often something came true that was all but certain. The zero value is ready.
type Record struct{ tries, hits float64 }

// Tell adds what became of one token.
func (r *Record) Tell(hit bool) {
	if r.tries++; hit {
		r.hits++
	}
}

// Worth reports whether the next one is worth a row more in a call that computes several rows anyway. Such a row costs less than
// share of the step that it saves, wherever it was measured. The odds begin at 0.95, which counts for ten.
func (r *Record) Worth() bool {
	const share = 0.6
	return r.hits+9.5 >= share*(r.tries+10)
}
