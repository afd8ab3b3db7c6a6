package curve

import (
	"cmp"
	"math"
	"slices"
	"sort"
	"time"
)

const maxTime = 1e15 // nanoseconds that an estimate says at most, so that sums of them do not overflow

// Line is cost by rows, for one kind of step, threads and context. It is a value; the zero Line knows nothing.
type Line struct {
	rows []int
	cost []float64 // nanoseconds, never falling
}

// Points makes a Line from pairs of rows and cost, ascending in rows.
func Points(pairs map[int]time.Duration) Line {
	var l Line
	for rows := range pairs {
		l.rows = append(l.rows, rows)
	}
	slices.Sort(l.rows)
	for _, rows := range l.rows {
		l.cost = append(l.cost, float64(pairs[rows]))
	}
	return l
}

// Known reports whether the line stands on any measurement.
func (l Line) Known() bool { return len(l.rows) > 0 }

// Cost is the time of a run with so many rows: measured, between two measured points, or in proportion to the last one.
// Zero rows cost nothing.
func (l Line) Cost(rows int) time.Duration {
	return time.Duration(min(l.at(rows), maxTime))
}

// Rows is how many rows, at most limit, a run may have that takes no longer than d.
func (l Line) Rows(d time.Duration, limit int) int {
	return sort.Search(limit, func(i int) bool { return l.Cost(i+1) > d })
}

func (l Line) at(rows int) float64 {
	n := len(l.rows)
	switch {
	case rows <= 0:
		return 0
	case n == 0:
		return float64(rows) * float64(nominal)
	case rows < l.rows[0]:
		// Between no saving and saving in proportion; the truth depends on what bounds the machine.
		return l.cost[0] * (1 + float64(rows)/float64(l.rows[0])) / 2
	case rows >= l.rows[n-1]:
		return l.cost[n-1] * float64(rows) / float64(l.rows[n-1])
	}
	i := sort.SearchInts(l.rows, rows)
	if l.rows[i] == rows {
		return l.cost[i]
	}
	part := float64(rows-l.rows[i-1]) / float64(l.rows[i]-l.rows[i-1])
	return l.cost[i-1] + part*(l.cost[i]-l.cost[i-1])
}

// row is the costs of a line at all sizes; 0 is unknown.
type row [nSizes]float64

// Line returns the costs for one kind of step. What was not measured for this kind and these threads is taken from
// other kinds, then from other numbers of threads, as far as they agree where both are known.
func (c *Curve) Line(k Kind, threads, context int) Line {
	own := c.row(place{k, threads}, context)
	c.repair(&own, place{k, threads}, context)
	out, known := own, own != row{}
	for _, p := range c.kin(k, threads) {
		other := c.row(p, context)
		ratio := agreement(&out, &other)
		if ratio == 0 {
			ratio = 1
			if p.threads > threads {
				ratio = float64(p.threads) / float64(threads) // fewer threads may be slower; more need not be faster
			}
		}
		for i, v := range other {
			if out[i] == 0 {
				out[i] = v * ratio
			}
		}
	}
	if known {
		between(&out, &own)
	}
	rise(&out)
	l := Line{rows: make([]int, 0, nSizes), cost: make([]float64, 0, nSizes)}
	for i, v := range out {
		if v > 0 {
			l.rows, l.cost = append(l.rows, c.grid.sizes[i]), append(l.cost, v)
		}
	}
	return l
}

// kin lists the tables that a line may borrow from, the nearest first.
func (c *Curve) kin(k Kind, threads int) []place {
	out := c.places()
	out = slices.DeleteFunc(out, func(p place) bool { return p == place{k, threads} })
	far := func(p place) float64 { return math.Abs(math.Log2(float64(p.threads) / float64(threads))) }
	near := func(p place) int { // steps with several rows of a sequence are nearest to each other
		if p.kind == k {
			return 0
		}
		if p.kind != Decode && k != Decode {
			return 1
		}
		return 2
	}
	slices.SortStableFunc(out, func(a, b place) int { return cmp.Or(cmp.Compare(far(a), far(b)), cmp.Compare(near(a), near(b))) })
	return out
}

// row is what a table says about a context.
func (c *Curve) row(p place, context int) row {
	var out row
	t := c.tables[p]
	if t == nil {
		return out
	}
	slope := c.slope(t)
	for i := range out {
		out[i] = t.at(c.grid, i, context, slope)
	}
	return out
}

// at is the cost of a size with a context: between two measured depths, or from the nearest one by the slope.
func (t *table) at(g grid, size, context int, slope float64) float64 {
	lo, hi := -1, -1
	for d, x := range g.depths {
		if t.cells[size][d].cost == 0 {
			continue
		}
		if x <= context {
			lo = d
		} else {
			hi = d
			break
		}
	}
	switch {
	case lo < 0 && hi < 0:
		return 0
	case hi < 0:
		return t.value(size, lo) * factor(slope, context) / factor(slope, g.depths[lo])
	case lo < 0:
		return t.value(size, hi) * factor(slope, context) / factor(slope, g.depths[hi])
	}
	b := t.value(size, hi)
	a := min(t.value(size, lo), b) // more context is never cheaper; what says so was disturbed
	part := float64(context-g.depths[lo]) / float64(g.depths[hi]-g.depths[lo])
	return a + part*(b-a)
}

// repair puts right what cannot be. Disturbance only makes a step longer: so a step that cost more than a larger one was
// disturbed, and so was one of a few samples whose rows cost clearly more than those of a smaller step. The latter would
// otherwise never be tried again.
func (c *Curve) repair(r *row, p place, context int) {
	t := c.tables[p]
	if t == nil {
		return
	}
	depth := c.grid.depth(context)
	perRow := math.Inf(1)
	for i, v := range r {
		if v == 0 {
			continue
		}
		size := float64(c.grid.sizes[i])
		if t.cells[i][depth].n <= young && v > dearer*perRow*size {
			r[i] = dearer * perRow * size
		}
		perRow = min(perRow, r[i]/size)
	}
	least := math.Inf(1)
	for i := len(r) - 1; i >= 0; i-- {
		if r[i] > 0 {
			r[i] = min(r[i], least)
			least = r[i]
		}
	}
}

// agreement is how much dearer a is than b where both are known; 0 when nowhere.
func agreement(a, b *row) float64 {
	var ratios []float64
	for i := range a {
		if a[i] > 0 && b[i] > 0 {
			ratios = append(ratios, a[i]/b[i])
		}
	}
	return median(ratios)
}

// between keeps borrowed costs within the measured ones around them.
func between(out, own *row) {
	above := math.Inf(1)
	for i := len(out) - 1; i >= 0; i-- {
		if own[i] > 0 {
			above = own[i]
		} else {
			out[i] = min(out[i], above)
		}
	}
}

// rise makes costs never fall with rows.
func rise(r *row) {
	most := 0.0
	for i, v := range r {
		if v > 0 {
			most = max(most, v)
			r[i] = most
		}
	}
}
