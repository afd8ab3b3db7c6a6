// Package batch decides what the next step computes. It is pure: no clock, no model, no memory but whose turn it is.
//
// The rules keep numbers the same whatever else is running. Rows of running streams and prompt tokens are never in one
// call, and all prompts of a call give the same number of tokens, at least State.Tile unless a prompt has no more: the
// library computes short pieces along another path than long ones, with slightly different sums. Pieces of different
// lengths would save nothing: the library cuts a call into parts of equal pieces and computes one graph for each.
package batch

import (
	"cmp"
	"math"
	"slices"
	"time"

	"ashatai/internal/engine/llamacpp/curve"
)

// Prompt is a sequence whose prompt is not computed yet.
type Prompt struct {
	Seq  int
	Left int  // tokens to compute, at least 1
	Held int  // tokens that the sequence holds
	Turn Turn // Turns.Of(Seq)
}

// Plan is what one step computes: first a call with a row for each running stream, then a call with Tokens tokens of each
// of Prompts.
type Plan struct {
	Streams []int         // sequences, ascending, as the library computes neighbours together
	Prompts []int         // sequences, ascending
	Waiting []int         // sequences that have a prompt, those of Prompts included
	Tokens  int           // of each prompt
	Gap     time.Duration // what a step with prompts is expected to take: the gap between two tokens of a stream
	Bound   time.Duration // what it should take at most, 0 without prompts or streams
}

// Spare is how long checks of drafts may take on top of a plan that was made without them: what the piece of a prompt leaves of the
// gap, so that who waits for a first token comes before who would have several at once.
func (p Plan) Spare() time.Duration {
	if p.Bound == 0 {
		return math.MaxInt64
	}
	return max(0, p.Bound-p.Gap)
}

// Costs tells what a run of the graph costs; curve.View is one.
type Costs interface {
	// Line is cost by rows when the fullest sequence of the call holds context tokens.
	Line(k curve.Kind, context int) curve.Line
}

// State is all that a step depends on.
type State struct {
	Streams []int // sequences that generate, without those in Drafts
	Drafts  []int // rows of each drafted continuation that this step checks, in calls of their own
	Context int   // tokens that the fullest running sequence holds
	Prompts []Prompt
	Batch   int // tokens of one call, at least twice Tile
	Tile    int // shortest piece of a prompt that has more, and shortest rest; 2 where it is less
	// MaxGap bounds the time between two tokens of a running stream, as far as prompts can help it. 0 chooses, see
	// DefaultGap.
	MaxGap time.Duration
	Costs  Costs
}

const (
	decodeSteps = 5                      // of the default gap at least
	unnoticed   = 400 * time.Millisecond // a pause in a text that its reader hardly sees
	slowdown    = 1.15                   // how much longer a newcomer may wait for being cut into pieces
	clearly     = 1.1                    // by how much faster a call must be for more prompts to share it
	nearly      = 1.03                   // by how much slower pieces may be for the sake of being equal
	together    = 16                     // prompts that may share a call
)

// DefaultGap is the gap while streams run whose part of a step takes decode, and prompts cost what the line says: short,
// but long enough that a newcomer's prompt is computed about a sixth slower than with the whole width, though no longer
// than 0.4 s for its sake; and at least five decode steps.
func DefaultGap(decode time.Duration, prefill curve.Line, batch int) time.Duration {
	whole := float64(prefill.Cost(batch)) / float64(batch)
	gap := decode + prefill.Cost(batch)
	for _, n := range curve.Sizes() {
		if g := decode + prefill.Cost(n); n <= batch && float64(g) <= slowdown*whole*float64(n) {
			gap = g
			break
		}
	}
	return max(decodeSteps*decode, min(gap, unnoticed))
}

// DecodeCost is the time of a call with one row for each of the sequences, which ascend.
func DecodeCost(decode curve.Line, ids []int) time.Duration {
	var d time.Duration
	for _, rows := range Runs(ids) {
		d += decode.Cost(rows)
	}
	return d
}

// Step plans the next step. Every stream gets its row. The prompt whose turn it is always gets a piece; its size, and
// whether others share the call, is what computes most tokens in the time within the gap. With no stream running the
// width is used up. Where even the smallest piece breaks the bound, the smallest is computed, so that a prompt always
// comes to its end.
func Step(s State) Plan {
	s.Tile = max(s.Tile, 2)
	p := Plan{Streams: slices.Sorted(slices.Values(s.Streams))}
	if len(s.Prompts) == 0 { // nothing to choose, so no costs are asked
		return p
	}
	p.Gap = s.decode(p.Streams)
	order := slices.Clone(s.Prompts)
	slices.SortStableFunc(order, func(a, b Prompt) int {
		return cmp.Or(a.Turn.compare(b.Turn), cmp.Compare(a.Left, b.Left), cmp.Compare(a.Seq, b.Seq))
	})
	if len(s.Streams)+len(s.Drafts) > 0 {
		if p.Bound = s.MaxGap; p.Bound <= 0 {
			p.Bound = DefaultGap(s.usual(p.Streams), s.Costs.Line(curve.Prefill, order[0].Held), s.Batch)
		}
	}
	best := s.best(order, p)
	for _, g := range order {
		p.Waiting = append(p.Waiting, g.Seq)
	}
	for _, g := range order[:best.prompts] {
		p.Prompts = append(p.Prompts, g.Seq)
	}
	slices.Sort(p.Prompts)
	p.Tokens, p.Gap = best.tokens, p.Gap+best.cost
	return p
}

// decode is the time that the running streams take in a step.
func (s State) decode(streams []int) time.Duration {
	var d time.Duration
	if len(streams) > 0 {
		d = DecodeCost(s.Costs.Line(curve.Decode, s.Context), streams)
	}
	if len(s.Drafts) > 0 {
		line := s.Costs.Line(curve.Verify, s.Context)
		for _, rows := range s.Drafts {
			d += line.Cost(rows)
		}
	}
	return d
}

// usual is what the running streams take with a row each. The default gap goes by it, so that drafts fill the gap and do not widen it.
func (s State) usual(streams []int) time.Duration {
	if len(streams)+len(s.Drafts) == 0 {
		return 0
	}
	line := s.Costs.Line(curve.Decode, s.Context)
	d := DecodeCost(line, streams)
	if n := len(s.Drafts); n > 0 {
		d += line.Cost(n)
	}
	return d
}

// call is a choice: how many prompts, in order, give how many tokens each.
type call struct {
	prompts, tokens int
	cost            time.Duration
}

// rate is tokens per nanosecond of the whole step.
func (c call) rate(decode time.Duration) float64 {
	return float64(c.prompts*c.tokens) / float64(max(decode+c.cost, 1))
}

// best chooses a call for the prompts in their order; of the plan, the gap is what the streams take and the bound is known.
func (s State) best(order []Prompt, p Plan) call {
	var best call
	decode := p.Gap
	line, depth := s.Costs.Line(curve.Prefill, order[0].Held), order[0].Held
	for n := 1; n <= min(len(order), together, s.Batch/2); n++ {
		group := order[:n]
		if held := group[n-1].Held; held > depth {
			line, depth = s.Costs.Line(curve.Prefill, held), held
		}
		c := call{prompts: n}
		if p.Bound == 0 {
			if c.tokens = even(group, s.Batch/n, s.Tile); c.tokens > 0 {
				c.cost = cost(line, group, c.tokens)
			}
		} else {
			c = within(group, line, s.Batch/n, s.Tile, decode, p.Bound)
		}
		if c.tokens > 0 && (best.tokens == 0 || c.rate(decode) > clearly*best.rate(decode)) {
			best = c
		}
	}
	if best.tokens == 0 { // the bound cannot be kept
		best = call{prompts: 1, tokens: level(order[0], s.Tile)}
		best.cost = cost(line, order[:1], best.tokens)
	}
	return best
}

// within is the call of the group with the best rate that keeps the bound; it has no tokens when there is none.
func within(group []Prompt, line curve.Line, limit, tile int, decode, bound time.Duration) call {
	best := call{prompts: len(group)}
	most := limit
	for _, g := range group {
		most = min(most, g.Left)
	}
	for _, size := range append(curve.Sizes(), most) {
		if size > most {
			continue
		}
		c := call{prompts: len(group), tokens: even(group, size, tile)}
		if c.tokens == 0 {
			continue
		}
		c.cost = cost(line, group, c.tokens)
		if decode+c.cost <= bound && (best.tokens == 0 || c.rate(decode) >= best.rate(decode)) {
			best = c
		}
	}
	if len(group) > 1 || best.tokens == 0 {
		return best
	}
	c := call{prompts: 1, tokens: level(group[0], best.tokens)}
	c.cost = cost(line, group, c.tokens)
	if c.tokens > limit || decode+c.cost > bound || nearly*c.rate(decode) < best.rate(decode) {
		return best
	}
	return c
}

// cost is the time of a call with so many tokens of each prompt of the group.
func cost(line curve.Line, group []Prompt, tokens int) time.Duration {
	ids := make([]int, len(group))
	for i, g := range group {
		ids[i] = g.Seq
	}
	slices.Sort(ids)
	var d time.Duration
	for _, n := range Runs(ids) {
		d += line.Cost(n * tokens)
	}
	return d
}
