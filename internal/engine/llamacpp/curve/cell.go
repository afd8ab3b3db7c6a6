package curve

import "slices"

const (
	settled  = 8    // samples from which a figure follows slowly instead of being chosen among all
	quantile = 0.3  // which of the samples counts: noise only ever makes a step longer
	pace     = 0.02 // how far one sample moves a settled figure, relative
	shared   = 0.25 // which part of that movement is taken for a change of the machine and moves all figures of a table
	young    = 4    // samples up to which a figure that contradicts smaller steps is not believed
	dearer   = 1.25 // how much more than a smaller step a row of a larger one may cost before that is a contradiction
)

// cell is what is known of one kind of step at one number of rows and one depth.
type cell struct {
	cost  float64   // nanoseconds, to be multiplied by the table's scale; 0 is unknown
	n     int       // samples, no more than settled
	first []float64 // the samples until settled
	exact bool      // measured with exactly this number of rows
}

// table holds the cells of one kind and number of threads.
type table struct {
	cells [nSizes][nDepths]cell
	scale float64 // what all settled figures changed in common
	slope float64 // how much dearer a step is per 1,024 tokens of context, relative to none; kept by slopes
	due   int     // samples until slope is worked out again
}

func newTable() *table { return &table{scale: 1} }

func (t *table) value(size, depth int) float64 { return t.cells[size][depth].cost * t.scale }

// add takes a sample in nanoseconds, already put right for the distance from the cell.
func (t *table) add(size, depth int, ns float64, exact bool) {
	ns = min(max(ns, 1), maxCost)
	c := &t.cells[size][depth]
	if exact && !c.exact {
		*c = cell{exact: true}
	} else if c.exact && !exact {
		return // a neighbour's cost, guessed, says less than what was measured
	}
	if c.n < settled {
		c.first = append(c.first, ns)
		c.n++
		sorted := slices.Sorted(slices.Values(c.first))
		c.cost = sorted[int(float64(len(sorted)-1)*quantile)] / t.scale
		if c.n == settled {
			c.first = nil
		}
		return
	}
	// Steps up and down are in balance where the wanted part of the samples is below; how far off a sample is does not
	// matter, so a busy neighbour's huge ones do no more harm than slightly long ones.
	move := 1 + pace*quantile
	if ns < c.cost*t.scale {
		move = 1 - pace*(1-quantile)
	}
	common := 1 + (move-1)*shared
	t.scale *= common
	c.cost *= move / common
}
