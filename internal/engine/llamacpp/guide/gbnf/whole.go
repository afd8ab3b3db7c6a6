package gbnf

import (
	"fmt"
	"slices"
	"strings"
)

// whole looks at the rules together.
func (r *reader) whole() *Problem {
	for _, to := range r.rules {
		if !to.defined {
			return r.bad(to.at, "the rule %q is not defined", shortened(to.name))
		}
	}
	if _, ok := r.ids["root"]; !ok {
		return r.bad(0, `a rule with the name "root" was expected, with which every text begins`)
	}
	for _, l := range r.loops {
		if r.rules[l.rule].empty {
			return r.bad(l.at, endless)
		}
	}
	n := len(r.rules)
	w := walk{rules: r.rules, ways: make([]int, n), deep: make([]int, n), empty: make([]bool, n)}
	for i := range r.rules {
		if bad := w.from(i); bad != nil {
			return bad
		}
	}
	return nil
}

func shortened(name string) string {
	const most = 40
	if len(name) > most {
		return name[:most] + "…"
	}
	return name
}

// walk goes from rules to those that they may begin with.
type walk struct {
	rules []rule
	ways  []int  // from a rule; 0: not known yet
	deep  []int  // rules in the longest of them
	empty []bool // rules that may be nothing, also by way of others; known with their ways
	path  []step
}

// step is a rule on the way, and the place in it up to which it was looked at.
type step struct{ rule, alt, at int }

const walking = -1

// from counts the ways from a rule. It does not call itself: how deep the rules go is not known yet.
func (w *walk) from(start int) *Problem {
	if w.ways[start] == 0 {
		w.enter(start)
	}
	for len(w.path) > 0 {
		top := &w.path[len(w.path)-1]
		to := w.next(top)
		if to == terminal {
			if bad := w.leave(top.rule); bad != nil {
				return bad
			}
			continue
		}
		switch w.ways[to] {
		case walking:
			return w.circle(to)
		case 0:
			w.enter(to)
		}
	}
	return nil
}

func (w *walk) enter(id int) {
	w.ways[id] = walking
	w.path = append(w.path, step{rule: id})
}

// passes reports whether an item may be nothing, so that what is behind it may come first. Its rule was looked at.
func (w *walk) passes(it item) bool {
	return it.optional || it.rule != terminal && w.empty[it.rule]
}

// next is the next rule that the one of a step may begin with; terminal where there is no other.
func (w *walk) next(top *step) int {
	for alts := w.rules[top.rule].alts; top.alt < len(alts); top.alt, top.at = top.alt+1, 0 {
		alt := alts[top.alt]
		for top.at < len(alt) && (top.at == 0 || w.passes(alt[top.at-1])) {
			it := alt[top.at]
			top.at++
			if it.rule != terminal {
				return it.rule
			}
		}
	}
	return terminal
}

// first are the items with the rules that a rule may begin with, once next told of them.
func (w *walk) first(id int) []item {
	var out []item
	for _, alt := range w.rules[id].alts {
		for _, it := range alt {
			if it.rule != terminal {
				out = append(out, it)
			}
			if !w.passes(it) {
				break
			}
		}
	}
	return out
}

func (w *walk) leave(id int) *Problem {
	w.path = w.path[:len(w.path)-1]
	ways, deep := 1, 1
	for _, it := range w.first(id) {
		n := w.ways[it.rule]
		if w.passes(it) {
			n *= it.times
		}
		ways, deep = min(ways+n, maxWays+1), max(deep, w.deep[it.rule]+1)
	}
	w.ways[id], w.deep[id] = ways, deep
	w.empty[id] = slices.ContainsFunc(w.rules[id].alts, func(alt []item) bool {
		return !slices.ContainsFunc(alt, func(it item) bool { return !w.passes(it) })
	})
	if ways > maxWays || deep > maxChain {
		return &Problem{Offset: w.rules[id].at, Reason: fmt.Sprintf("there are too many ways through the rules that the rule %q begins with; at most %d, of at most %d rules, are allowed",
			shortened(w.rules[id].name), maxWays, maxChain)}
	}
	return nil
}

// circle says which rule begins with itself.
func (w *walk) circle(to int) *Problem {
	var names []string
	at := len(w.path) - 1
	for w.path[at].rule != to {
		at--
	}
	for _, s := range w.path[at:] {
		if n := shortened(w.rules[s.rule].name); len(names) == 0 || names[len(names)-1] != n {
			names = append(names, n)
		}
	}
	by := ""
	const most = 5
	if len(names) > 1 {
		by = ", by way of " + strings.Join(names[1:min(len(names), most)], ", ")
	}
	return &Problem{Offset: w.rules[to].at, Reason: fmt.Sprintf("the rule %q begins with itself%s, which cannot be followed; let it begin with something else, or use * or +", names[0], by)}
}
