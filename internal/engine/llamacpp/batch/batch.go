// Package batch decides what the next call into the library computes. It is pure: no clock, no model, no memory of its own.
//
// The rules keep numbers the same whatever else is running. Rows of running streams and prompt tokens are never in one
// call, and all prompts of a call give the same number of tokens, at least two: the library computes a single token of a
// sequence along another path than several, with slightly different sums.
package batch

import (
	"cmp"
	"slices"
)

// Prompt is a sequence whose prompt is not computed yet.
type Prompt struct {
	Seq  int
	Left int // tokens to compute, at least 1
	Done int // tokens computed since it arrived
}

// Limits bound a plan.
type Limits struct {
	Batch int // tokens of one call, as the context was made
	Chunk int // prompt tokens of one step while streams run, so that their gap stays short; at least 2
}

// Plan is what one step computes: first a call with a row for each running stream, then a call with Tokens tokens of each
// of Prompts.
type Plan struct {
	Streams []int // sequences, ascending, as the library computes neighbours together
	Prompts []int // sequences, ascending
	Tokens  int   // of each prompt
}

// Next plans a step. Streams lists the sequences that generate. The prompt that was served least comes first, and of those
// the shortest, so that a short one does not wait for a long one; others join while they fit.
func Next(streams []int, prompts []Prompt, lim Limits) Plan {
	p := Plan{Streams: slices.Sorted(slices.Values(streams))}
	if len(prompts) == 0 {
		return p
	}
	room := lim.Batch
	if len(streams) > 0 {
		room = min(room, lim.Chunk)
	}
	order := slices.Clone(prompts)
	slices.SortStableFunc(order, func(a, b Prompt) int {
		return cmp.Or(cmp.Compare(a.Done, b.Done), cmp.Compare(a.Left, b.Left))
	})

	group := order[:1]
	size := even(group, room)
	for n := 2; n <= len(order); n++ {
		s := even(order[:n], room/n)
		// Another prompt joins when the call gets fuller and no prompt of the group is slowed down.
		if s < size && s*n <= size*(n-1) || s < 1 {
			break
		}
		if s*n > size*len(group) {
			group, size = order[:n], s
		}
	}
	for _, g := range group {
		p.Prompts = append(p.Prompts, g.Seq)
	}
	slices.Sort(p.Prompts)
	p.Tokens = size
	return p
}

// even is the largest number of tokens, at most limit, that every prompt of the group can give without having exactly
// one left. It is 0 when there is none.
func even(group []Prompt, limit int) int {
	size := limit
	for _, g := range group {
		size = min(size, g.Left)
	}
	for ; size > 0; size-- {
		if size == 1 && !slices.ContainsFunc(group, func(g Prompt) bool { return g.Left != 1 }) {
			return 1
		}
		if size > 1 && !slices.ContainsFunc(group, func(g Prompt) bool { return g.Left-size == 1 }) {
			return size
		}
	}
	return 0
}
