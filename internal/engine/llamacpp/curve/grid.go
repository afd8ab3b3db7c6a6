package curve

import (
	"slices"
	"sort"
)

// Sizes are the numbers of rows at which costs are kept, ascending: every one where streams are counted, and from 16 on
// the multiples at which the library's kernels change their pace. Whoever cuts a prompt should cut at these.
func Sizes() []int {
	return []int{
		1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512,
		640, 768, 896, 1024, 1536, 2048,
	}
}

// depths are the context lengths at which costs are kept. Attention makes a step dearer the more a sequence holds.
func depths() []int { return []int{0, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536, 131072} }

const (
	nSizes  = 38
	nDepths = 10
)

// grid is Sizes and depths, made once for a curve.
type grid struct{ sizes, depths []int }

func newGrid() grid { return grid{Sizes(), depths()} }

// size is the index of the nearest size by ratio.
func (g grid) size(rows int) int {
	i := sort.SearchInts(g.sizes, rows)
	switch {
	case i == len(g.sizes):
		return i - 1
	case i > 0 && rows*rows < g.sizes[i-1]*g.sizes[i]:
		return i - 1
	}
	return i
}

// depth is the index of the nearest depth.
func (g grid) depth(context int) int {
	i := sort.SearchInts(g.depths, context)
	switch {
	case i == len(g.depths):
		return i - 1
	case i > 0 && context-g.depths[i-1] < g.depths[i]-context:
		return i - 1
	}
	return i
}

// median of v, which is sorted on the way; 0 when it is empty.
func median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	slices.Sort(v)
	return v[len(v)/2]
}
