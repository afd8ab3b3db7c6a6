package prefix

import "slices"

// pinShare is the part of the host tier that pinned states may take: a half. Whoever asks for more gets it like everybody
// else does, while there is room.
const pinShare = 2

// Pin pins a state that holds these tokens, the one of exactly these where there is one, and reports whether there is any.
func (s *Store) Pin(tenant string, tokens []int32) bool {
	found := false
	ok := s.change(func(x *index, fx *effects) { found = x.pin(tenant, tokens, s.nanos(), fx) })
	return ok && found
}

// Unpin makes the pinned states give way like others that are the earlier turns of a conversation whose pin moved on: those
// of a prefix of tokens, longer than half of them, whose length is none of but.
func (s *Store) Unpin(tenant string, tokens []int32, but []int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.index.unpin(tenant, tokens, but)
}

func (x *index) pin(tenant string, tokens []int32, now int64, fx *effects) bool {
	o := x.tenants[tenant]
	at, exact := o.at(tokens)
	var e *entry
	if exact && o[at].resident() && !x.expired(o[at].created, now) {
		e = o[at]
	} else if e = x.covers(tenant, tokens, now); e == nil {
		return false
	}
	e.heat = e.heat.use(now)
	if e.pinned || !x.pinnable(e) {
		return true
	}
	e.pinned = true
	if e.inMemory() && !e.settling() && x.writable(e) {
		x.enqueue(e)
		x.trim(fx)
	}
	return true
}

func (x *index) unpin(tenant string, tokens []int32, but []int) {
	for _, e := range x.tenants[tenant].within(tokens) {
		if 2*len(e.tokens) > len(tokens) && !slices.Contains(but, len(e.tokens)) {
			e.pinned = false
		}
	}
}

// pinnable reports whether e may be pinned beside what is.
func (x *index) pinnable(e *entry) bool {
	if x.limits.host <= 0 {
		return true
	}
	taken := e.weight()
	for _, o := range x.byID {
		if o.pinned && o != e && o.inMemory() {
			taken += o.weight()
		}
	}
	return pinShare*taken <= x.limits.host
}
