package curve

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

const (
	version  = 1
	maxBytes = 1 << 20
	maxCost  = 1e12 // nanoseconds: a quarter of an hour
)

// ErrForeign is returned for a cache that is not whole or was written by another version. The caller starts anew.
var ErrForeign = errors.New("not a cost curve of this version")

type file struct {
	Version int         `json:"version"`
	Tables  []fileTable `json:"tables"`
}

type fileTable struct {
	Kind    string     `json:"kind"`
	Threads int        `json:"threads"`
	Cells   []fileCell `json:"cells"`
}

type fileCell struct {
	Rows    int     `json:"rows"`
	Context int     `json:"context"`
	Cost    float64 `json:"nanoseconds"`
	Samples int     `json:"samples"`
}

// Encode returns the curve as JSON, at most a megabyte. What model, machine and context it belongs to is the caller's to
// keep with it.
func (c *Curve) Encode() ([]byte, error) {
	f := file{Version: version, Tables: []fileTable{}}
	for _, p := range c.places() {
		t := c.tables[p]
		out := fileTable{Kind: p.kind.String(), Threads: p.threads, Cells: []fileCell{}}
		for i, rows := range c.grid.sizes {
			for d, context := range c.grid.depths {
				if cl := t.cells[i][d]; cl.exact && cl.cost > 0 {
					out.Cells = append(out.Cells, fileCell{Rows: rows, Context: context, Cost: min(max(t.value(i, d), 1), maxCost), Samples: cl.n})
				}
			}
		}
		f.Tables = append(f.Tables, out)
	}
	return json.Marshal(f)
}

// Read takes what Encode wrote. Any doubt makes it ErrForeign: a curve is cheap to measure again.
func Read(b []byte) (*Curve, error) {
	if len(b) > maxBytes {
		return nil, fmt.Errorf("%w: %d bytes", ErrForeign, len(b))
	}
	var f file
	if err := json.Unmarshal(b, &f); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrForeign, err)
	}
	if f.Version != version || len(f.Tables) > maxTables {
		return nil, fmt.Errorf("%w: version %d with %d tables", ErrForeign, f.Version, len(f.Tables))
	}
	c := New()
	for _, ft := range f.Tables {
		p := place{kindOf(ft.Kind), ft.Threads}
		if p.kind == kinds || p.threads < 1 || p.threads > maxThreads || c.tables[p] != nil {
			return nil, fmt.Errorf("%w: a table of %q with %d threads", ErrForeign, ft.Kind, ft.Threads)
		}
		t := newTable()
		c.tables[p] = t
		for _, fc := range ft.Cells {
			if err := c.restore(t, fc); err != nil {
				return nil, err
			}
		}
		t.slope = t.slopes(c.grid)
	}
	return c, nil
}

func kindOf(name string) Kind {
	for k := range kinds {
		if k.String() == name {
			return k
		}
	}
	return kinds
}

// restore puts a figure into its cell. It counts as many samples as it had, but the first new ones are weighed against it.
func (c *Curve) restore(t *table, fc fileCell) error {
	bad := fc.Rows < 1 || fc.Rows > c.grid.sizes[nSizes-1] || fc.Context < 0 || fc.Context > c.grid.depths[nDepths-1] ||
		!(fc.Cost >= 1 && fc.Cost <= maxCost) || fc.Samples < 1 || fc.Samples > settled
	if bad {
		return fmt.Errorf("%w: a cell of %d rows", ErrForeign, fc.Rows)
	}
	size, depth := c.grid.size(fc.Rows), c.grid.depth(fc.Context)
	cl := &t.cells[size][depth]
	if c.grid.sizes[size] != fc.Rows || c.grid.depths[depth] != fc.Context || cl.n > 0 {
		return fmt.Errorf("%w: a cell of %d rows at %d tokens is not of the grid", ErrForeign, fc.Rows, fc.Context)
	}
	*cl = cell{cost: fc.Cost, n: fc.Samples, exact: true}
	if fc.Samples < settled {
		cl.first = slices.Repeat([]float64{fc.Cost}, fc.Samples)
	}
	return nil
}
