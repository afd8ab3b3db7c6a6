package batch

import "slices"

// Runs are the lengths of the stretches of neighbouring ids; ids ascend. With separate KV streams the library computes
// each stretch as a graph of its own, so two of them cost about as much as two calls.
func Runs(ids []int) []int {
	var out []int
	for i, id := range ids {
		if i > 0 && id == ids[i-1]+1 {
			out[len(out)-1]++
		} else {
			out = append(out, 1)
		}
	}
	return out
}

// fits reports whether a piece of so many tokens may be cut from a prompt: the whole of it, or neither the piece nor what
// is left is shorter than tile.
func (p Prompt) fits(size, tile int) bool {
	return size == p.Left || size >= tile && p.Left-size >= tile
}

// even is the largest number of tokens, at most limit, that every prompt of the group can give. It is 0 when there is
// none.
func even(group []Prompt, limit, tile int) int {
	size := limit
	for _, g := range group {
		size = min(size, g.Left)
	}
	for ; size > 0; size-- {
		if !slices.ContainsFunc(group, func(g Prompt) bool { return !g.fits(size, tile) }) {
			return size
		}
	}
	return 0
}

// level is about size tokens of a prompt, so that all its pieces are equal: where they were cut one by one, what is left at the
// end could be up to two of them long, as neither half would be a tile.
func level(p Prompt, size int) int {
	pieces := max(1, p.Left/size)
	return (p.Left + pieces - 1) / pieces
}
