// Package curve knows what a call into the library costs on this machine: time by kind of step, threads, rows and context
// length. It learns from measured steps and is pure: no clock, no files; its caller measures, and keeps the encoded form.
//
// Costs are uneven: 32 rows may cost nearly as much as 64. So figures stay as they were measured, and only what lies
// between them is interpolated.
package curve

import (
	"cmp"
	"slices"
	"time"
)

// Kind is what a step computes.
type Kind uint8

// The kinds.
const (
	Decode  Kind = iota // one row of each of several sequences, a token chosen from each
	Prefill             // many rows of a prompt; at most the last one's logits are wanted
	Verify              // a drafted continuation of one sequence; the logits of all rows are wanted
	kinds
)

// String is the name used in the encoded form and for metrics.
func (k Kind) String() string {
	switch k {
	case Decode:
		return "decode"
	case Prefill:
		return "prefill"
	case Verify:
		return "verify"
	case kinds:
	}
	return "unknown"
}

// Sample describes one call into the library.
type Sample struct {
	Kind    Kind
	Threads int
	// Rows of each run of the graph, see batch.Runs: the library splits a call where sequence ids are not neighbours.
	Runs    []int
	Context int // tokens that the fullest sequence of the call held before it
}

const (
	maxThreads = 4096
	maxTables  = 24 // threads change little, so more are a defect or a foreign cache
	maxContext = 1 << 24
	reslope    = 16  // samples between two looks at the slope
	noSlope    = 0.1 // the slope until it is known: little, as for large models
	maxSlope   = 8
	nominal    = 10 * time.Millisecond // of a row, while nothing was measured
)

type place struct {
	kind    Kind
	threads int
}

// Curve is the measured cost of one model on one machine. It has one owner.
type Curve struct {
	grid   grid
	tables map[place]*table
}

// New makes a curve that knows nothing.
func New() *Curve { return &Curve{grid: newGrid(), tables: map[place]*table{}} }

// Observe records a call that was computed completely and took so long. A sample that makes no sense is ignored.
func (c *Curve) Observe(s Sample, took time.Duration) {
	if took <= 0 || s.Kind >= kinds || s.Threads < 1 || s.Threads > maxThreads || s.Context < 0 || s.Context > maxContext || len(s.Runs) == 0 {
		return
	}
	if slices.ContainsFunc(s.Runs, func(n int) bool { return n < 1 || n > 2*c.grid.sizes[nSizes-1] }) {
		return
	}
	p := place{s.Kind, s.Threads}
	t := c.tables[p]
	if t == nil {
		if len(c.tables) >= maxTables {
			return
		}
		t = newTable()
		c.tables[p] = t
	}
	line := c.Line(s.Kind, s.Threads, s.Context)
	var all time.Duration
	for _, rows := range s.Runs {
		all += line.Cost(rows)
	}
	for _, rows := range s.Runs {
		// The runs of a call share its time as the curve would have it.
		share := float64(took) * float64(line.Cost(rows)) / float64(all)
		c.add(t, line, rows, s.Context, share)
	}
	if t.due--; t.due <= 0 {
		t.due = reslope
		t.slope = t.slopes(c.grid)
	}
}

func (c *Curve) add(t *table, line Line, rows, context int, ns float64) {
	size, depth := c.grid.size(rows), c.grid.depth(context)
	at := c.grid.sizes[size]
	if rows != at {
		ns *= float64(line.Cost(at)) / float64(line.Cost(rows))
	}
	slope := c.slope(t)
	ns *= factor(slope, c.grid.depths[depth]) / factor(slope, context)
	t.add(size, depth, ns, rows == at)
}

// factor is how much dearer a step is with so much context than with none.
func factor(slope float64, context int) float64 { return 1 + slope*float64(context)/1024 }

// slope of a table, or of another one, or a guess.
func (c *Curve) slope(t *table) float64 {
	if t != nil && t.slope > 0 {
		return t.slope
	}
	for _, p := range c.places() {
		if s := c.tables[p].slope; s > 0 {
			return s
		}
	}
	return noSlope
}

// places lists the tables in a fixed order.
func (c *Curve) places() []place {
	out := make([]place, 0, len(c.tables))
	for p := range c.tables {
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b place) int { return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.threads, b.threads)) })
	return out
}

// slopes works out the slope from sizes that were measured at several depths; 0 when there is none.
func (t *table) slopes(g grid) float64 {
	var found []float64
	for i := range g.sizes {
		lo, hi := -1, -1
		for d := range g.depths {
			if t.cells[i][d].cost > 0 {
				if lo < 0 {
					lo = d
				}
				hi = d
			}
		}
		if lo == hi {
			continue
		}
		r := t.cells[i][hi].cost / t.cells[i][lo].cost
		x, y := float64(g.depths[lo])/1024, float64(g.depths[hi])/1024
		if r > 1 && y > r*x { // otherwise noise, or more than proportional
			found = append(found, min((r-1)/(y-r*x), maxSlope))
		}
	}
	return median(found)
}

// Estimate is what a call will take. While nothing was measured it is a nominal figure.
func (c *Curve) Estimate(s Sample) time.Duration {
	line := c.Line(s.Kind, s.Threads, s.Context)
	var d time.Duration
	for _, rows := range s.Runs {
		d += line.Cost(rows)
	}
	return d
}

// View is a curve for the numbers of threads in use: what a planner asks.
type View struct {
	curve           *Curve
	decode, several int
}

// View fixes the threads of decode steps, and of prefill and verify steps.
func (c *Curve) View(decode, several int) View { return View{c, decode, several} }

// Line is the curve's line for a kind of step when the fullest sequence holds context tokens.
func (v View) Line(k Kind, context int) Line {
	if k == Decode {
		return v.curve.Line(k, v.decode, context)
	}
	return v.curve.Line(k, v.several, context)
}
