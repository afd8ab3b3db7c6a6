package prefix

import "slices"

// order is the entries of one tenant, ascending by their tokens. In that order the entry that shares most with a prompt is
// a neighbour of the prompt's place, so a lookup is one binary search and two comparisons, and it compares the tokens
// themselves: there is no hash that could agree by chance. Each entry knows how many tokens it shares with the next one.
type order []*entry

// at is the place of tokens, and whether an entry with exactly these is there.
func (o order) at(tokens []int32) (int, bool) {
	return slices.BinarySearchFunc(o, tokens, func(e *entry, t []int32) int { return slices.Compare(e.tokens, t) })
}

// best is an entry, among those wanted, that shares most with tokens, and how much that is.
func (o order) best(tokens []int32, want func(*entry) bool) (*entry, int) {
	at, _ := o.at(tokens)
	var found *entry
	most := 0
	if i := at + slices.IndexFunc(o[at:], want); i >= at {
		if n := Common(o[i].tokens, tokens); n > most {
			found, most = o[i], n
		}
	}
	for i := at - 1; i >= 0; i-- {
		if want(o[i]) {
			if n := Common(o[i].tokens, tokens); n > most {
				found, most = o[i], n
			}
			break
		}
	}
	return found, most
}

// under are the entries that begin with all of tokens.
func (o order) under(tokens []int32) order {
	from, _ := o.at(tokens)
	rest := o[from:]
	n, _ := slices.BinarySearchFunc(rest, tokens, func(e *entry, t []int32) int {
		if len(e.tokens) >= len(t) && slices.Equal(e.tokens[:len(t)], t) {
			return -1
		}
		return 1
	})
	return rest[:n]
}

// within are the entries whose tokens are a proper prefix of tokens, longest first.
func (o order) within(tokens []int32) []*entry {
	var out []*entry
	at, _ := o.at(tokens)
	for at > 0 {
		// Every shorter prefix sorts at or before the neighbour, and shares no more with tokens than the neighbour does.
		e := o[at-1]
		n := Common(e.tokens, tokens)
		if n == len(e.tokens) {
			out = append(out, e)
			at--
			continue
		}
		i, exact := o.at(tokens[:n])
		if exact {
			i++
		}
		at = i
	}
	return out
}

// insert returns the order with e in it.
func (o order) insert(e *entry) order {
	i, _ := o.at(e.tokens)
	o = slices.Insert(o, i, e)
	o.link(i - 1)
	o.link(i)
	return o
}

// remove returns the order without e, which must be in it.
func (o order) remove(e *entry) order {
	i, _ := o.at(e.tokens)
	o = slices.Delete(o, i, i+1)
	o.link(i - 1)
	return o
}

func (o order) link(i int) {
	if i < 0 || i >= len(o) {
		return
	}
	o[i].next = 0
	if i+1 < len(o) {
		o[i].next = Common(o[i].tokens, o[i+1].tokens)
	}
}

// shared calls visit with each wanted entry and how many tokens it shares with another wanted one at most.
func (o order) shared(want func(*entry) bool, visit func(*entry, int)) {
	var last *entry // the wanted entry before
	before := 0     // what last shares with the one before it
	gap := 0        // what last shares with everything passed since
	for _, e := range o {
		if want(e) {
			if last != nil {
				visit(last, max(before, gap))
				before = gap
			}
			last, gap = e, e.next
			continue
		}
		gap = min(gap, e.next)
	}
	if last != nil {
		visit(last, before)
	}
}

// Common is the length of the longest common prefix.
func Common(a, b []int32) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}
