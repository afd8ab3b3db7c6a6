package model

import "math"

// fewSymbols is up to how many symbols looking through all pairs is quicker than a heap.
const fewSymbols = 48

// noRank is the rank of a pair that does not merge.
const noRank = math.MaxInt32

// merge joins pairs in place until none is left that merges: always the one of the lowest rank, of equals the leftmost.
func (m *bpe) merge(s []int32) []int32 {
	switch {
	case len(s) < 2:
		return s
	case len(s) <= fewSymbols:
		return m.mergeFew(s)
	}
	return m.mergeMany(s)
}

// mergeFew looks through all pairs each time.
func (m *bpe) mergeFew(s []int32) []int32 {
	var room [fewSymbols]int32
	ranks := room[:len(s)-1]
	for i := range ranks {
		ranks[i] = m.merges.get(key(s[i], s[i+1]))
	}
	for {
		best, at := int32(noRank), -1
		for i, r := range ranks {
			if r < best {
				best, at = r, i
			}
		}
		if at < 0 {
			return s
		}
		s[at] = m.made[best]
		copy(s[at+1:], s[at+2:])
		s = s[:len(s)-1]
		copy(ranks[at:], ranks[at+1:])
		ranks = ranks[:len(ranks)-1]
		if at > 0 {
			ranks[at-1] = m.merges.get(key(s[at-1], s[at]))
		}
		if at < len(ranks) {
			ranks[at] = m.merges.get(key(s[at], s[at+1]))
		}
	}
}

// mergeMany keeps the pairs in a heap, and the symbols in a list whose links are indices.
func (m *bpe) mergeMany(s []int32) []int32 {
	n := len(s)
	links := make([]int32, 3*n)
	prev, next, ranks := links[:n:n], links[n:2*n:2*n], links[2*n:]
	q := make(heap, 0, n)
	for i := range s {
		prev[i], next[i] = int32(i-1), int32(i+1)
		ranks[i] = noRank
		if i+1 < n {
			ranks[i] = m.merges.get(key(s[i], s[i+1]))
		}
		if ranks[i] != noRank {
			q = append(q, entry(ranks[i], int32(i)))
		}
	}
	q.order()
	const gone = -1
	for len(q) > 0 {
		rank, at := q.pop()
		if ranks[at] != rank {
			continue // the pair has changed since
		}
		s[at] = m.made[rank]
		right := next[at]
		s[right], ranks[right] = gone, noRank
		next[at] = next[right]
		ranks[at] = noRank
		if next[at] < int32(n) { //nolint:gosec // a piece is shorter than 2³¹
			prev[next[at]] = at
			m.pair(&q, s, ranks, at, next[at])
		}
		if before := prev[at]; before >= 0 {
			m.pair(&q, s, ranks, before, at)
		}
	}
	out := s[:0]
	for i := int32(0); i < int32(n); i = next[i] { //nolint:gosec // a piece is shorter than 2³¹
		out = append(out, s[i])
	}
	return out
}

// pair notes the rank of two neighbours.
func (m *bpe) pair(q *heap, s, ranks []int32, left, right int32) {
	ranks[left] = m.merges.get(key(s[left], s[right]))
	if ranks[left] != noRank {
		q.push(entry(ranks[left], left))
	}
}

// heap holds rank and place in one number each, the smallest first. Each has four children, which fit a cache line better.
type heap []uint64

func entry(rank, at int32) uint64 { return uint64(rank)<<32 | uint64(at) } //nolint:gosec // neither is negative

const fan = 4

func (h *heap) order() {
	for i := len(*h)/fan + 1; i >= 0; i-- {
		h.down(i)
	}
}

func (h *heap) push(e uint64) {
	q := append(*h, e)
	i := len(q) - 1
	for i > 0 {
		up := (i - 1) / fan
		if q[up] <= e {
			break
		}
		q[i] = q[up]
		i = up
	}
	q[i] = e
	*h = q
}

func (h *heap) pop() (rank, at int32) {
	q := *h
	top := q[0]
	q[0] = q[len(q)-1]
	*h = q[:len(q)-1]
	h.down(0)
	return int32(top >> 32), int32(top & math.MaxUint32) //nolint:gosec // as entry made them
}

func (h *heap) down(i int) {
	q := *h
	if i >= len(q) {
		return
	}
	e := q[i]
	for {
		least, child := e, -1
		for c := fan*i + 1; c <= fan*i+fan && c < len(q); c++ {
			if q[c] < least {
				least, child = q[c], c
			}
		}
		if child < 0 {
			break
		}
		q[i] = least
		i = child
	}
	q[i] = e
}

// pairs maps two tokens to the rank of their merge: a hash table with open addressing, never more than half full.
type pairs struct {
	keys  []uint64 // 0: free; a key is never 0
	ranks []int32
	shift uint
	used  int
}

// key packs two tokens. One is added so that no key is zero.
func key(a, b int32) uint64 { return uint64(a+1)<<32 | uint64(b) } //nolint:gosec // neither is negative

func newPairs(expect int) pairs {
	bits := uint(4)
	for 1<<bits < 2*expect {
		bits++
	}
	return pairs{keys: make([]uint64, 1<<bits), ranks: make([]int32, 1<<bits), shift: 64 - bits}
}

// slot returns where a key is, or would be. The multiplier is 2⁶⁴ divided by the golden ratio.
func (p *pairs) slot(k uint64) uint64 {
	mask := uint64(1)<<(64-p.shift) - 1
	i := k * 0x9e3779b97f4a7c15 >> p.shift
	for p.keys[i] != 0 && p.keys[i] != k {
		i = (i + 1) & mask
	}
	return i
}

func (p *pairs) get(k uint64) int32 {
	i := p.slot(k)
	if p.keys[i] == 0 {
		return noRank
	}
	return p.ranks[i]
}

// put notes a rank; a pair that is listed twice has the later one.
func (p *pairs) put(k uint64, rank int32) {
	if 2*(p.used+1) > len(p.keys) {
		old := *p
		*p = newPairs(len(p.keys))
		for i, k := range old.keys {
			if k != 0 {
				p.put(k, old.ranks[i])
			}
		}
	}
	i := p.slot(k)
	if p.keys[i] == 0 {
		p.keys[i] = k
		p.used++
	}
	p.ranks[i] = rank
}
