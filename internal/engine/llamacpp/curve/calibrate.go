package curve

import (
	"sort"
	"time"
)

// Point is a step worth measuring: Rows rows, of one sequence, or for Decode of as many sequences.
type Point struct {
	Kind Kind
	Rows int
}

// Bounds say what the caller can compute.
type Bounds struct {
	Decode    int // threads of a step for one token of each sequence
	Several   int // threads of the other steps
	Batch     int // rows of one call at most
	Sequences int
}

func (b Bounds) threads(k Kind) int {
	if k == Decode {
		return b.Decode
	}
	return b.Several
}

const repeats = 2 // measurements of a point: the first call of its shape is often slower

// Next is the next step worth measuring while the model is idle, for which the time left suffices by what is known so
// far. It reports false when there is none. The caller measures it with empty sequences, tells Observe, subtracts what it
// took and asks again.
func (c *Curve) Next(b Bounds, left time.Duration) (Point, bool) {
	several := c.grid.sizes[max(sort.SearchInts(c.grid.sizes, b.Sequences+1)-1, 0)]
	for _, p := range []Point{ // a little of everything first, cheap ones before dear ones
		{Decode, 1},
		{Prefill, 16},
		{Decode, min(4, several)},
		{Prefill, 64},
		{Verify, 16},
		{Prefill, 128},
		{Decode, several},
		{Verify, 8},
		{Prefill, 32},
		{Prefill, 96},
		{Prefill, 256},
		{Prefill, 512},
	} {
		most := b.Batch
		if p.Kind == Decode {
			most = b.Sequences
		}
		if p.Rows < 1 || p.Rows > most || c.samples(p, b.threads(p.Kind)) >= repeats {
			continue
		}
		if c.Estimate(Sample{Kind: p.Kind, Threads: b.threads(p.Kind), Runs: []int{p.Rows}}) <= left {
			return p, true
		}
	}
	return Point{}, false
}

// samples counts the measurements of a point at any depth.
func (c *Curve) samples(p Point, threads int) int {
	t := c.tables[place{p.Kind, threads}]
	if t == nil {
		return 0
	}
	n := 0
	size := c.grid.size(p.Rows)
	for _, cl := range t.cells[size] {
		if cl.exact {
			n += cl.n
		}
	}
	return n
}
