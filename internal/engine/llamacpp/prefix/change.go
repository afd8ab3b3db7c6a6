package prefix

import "slices"

// freshShare is the part of an entry's tokens that must not be on disk yet to be worth a write: an eighth. So a
// conversation that grows by a line at a time, or many questions behind one prompt, cost a few writes and not one each,
// and what a restart may lose of them is an eighth of the work.
const freshShare = 8

// put takes a state in. It reports whether the state's memory now belongs to the entry that it returns; effects may give it
// back at once. Otherwise the state is not wanted: something covers it already, or it has no room or no use.
func (x *index) put(n *entry, now int64, fx *effects) (*entry, bool) {
	room := n.weight() <= x.limits.host || x.writable(n)
	if len(n.tokens) < max(1, x.limits.minTokens) || n.size <= 0 || n.cost <= 0 || !room {
		return nil, false
	}
	n.pinned = n.pinned && x.pinnable(n)
	o := x.tenants[n.tenant]
	at, exact := o.at(n.tokens)
	e := n
	if exact {
		e = o[at]
		if x.expired(e.created, now) {
			x.remove(e, fx)
			return x.put(n, now, fx)
		}
		repin := n.pinned && !e.pinned
		e.cost, e.pinned, e.heat = n.cost, e.pinned || n.pinned, e.heat.use(now)
		if e.inMemory() {
			if repin && x.writable(e) {
				x.enqueue(e)
				x.trim(fx)
			}
			return nil, false
		}
		x.revive(e)
		if !e.onDisk() {
			e.created = now
		}
		e.size = n.size
	} else {
		if c := x.covers(n.tenant, n.tokens, now); c != nil && !n.pinned {
			c.heat = c.heat.use(now)
			return nil, false
		}
		e.created, e.heat = now, heat{uses: 1, last: now}
		x.add(e)
	}
	x.supersede(e, fx)
	e.mem = true
	x.hold(e)
	if x.writable(e) && !e.onDisk() && x.fresh(e) {
		x.enqueue(e)
	}
	x.balance(fx)
	x.settle(e, fx)
	return e, true
}

// writable reports whether the disk tier can take e.
func (x *index) writable(e *entry) bool {
	return x.limits.disk > 0 && e.weight() <= max(x.limits.queue, x.limits.host) &&
		fileSize(e.tenant, len(e.tokens), e.size) <= x.limits.disk
}

// fresh reports whether enough of e would be new on disk.
func (x *index) fresh(e *entry) bool {
	_, n := x.tenants[e.tenant].best(e.tokens, func(c *entry) bool { return c != e && c.settling() })
	return e.pinned || freshShare*(len(e.tokens)-n) >= len(e.tokens)
}

// supersede drops the entries that e covers, and lets e inherit their uses. What is on disk of them stays until e is.
func (x *index) supersede(e *entry, fx *effects) {
	for _, s := range x.tenants[e.tenant].within(e.tokens) {
		if s.pinned {
			continue
		}
		e.heat = e.heat.add(s.heat)
		x.unhold(s)
		x.unqueue(s)
		if s.onDisk() || s.writing {
			x.settle(s, fx)
		} else {
			x.remove(s, fx)
		}
	}
}

func (x *index) hold(e *entry) {
	if !e.held && e.weight() <= x.limits.host {
		e.held = true
		x.host += e.weight()
	}
}

func (x *index) unhold(e *entry) {
	if e.held {
		e.held = false
		x.host -= e.weight()
	}
}

func (x *index) enqueue(e *entry) {
	if !e.queued {
		e.queued = true
		x.queue = append(x.queue, e)
	}
}

func (x *index) unqueue(e *entry) {
	if e.queued {
		e.queued = false
		x.queue = slices.DeleteFunc(x.queue, func(q *entry) bool { return q == e })
	}
}

// balance brings memory under its bounds.
func (x *index) balance(fx *effects) {
	for x.host > x.limits.host {
		e, _ := x.victim(func(e *entry) bool { return e.held })
		x.unhold(e)
		x.stats.EvictedHost++
		if !e.settling() && x.writable(e) && x.fresh(e) {
			x.enqueue(e)
		}
		x.settle(e, fx)
	}
	x.trim(fx)
}

// trim drops the oldest of what waits for the writer until it keeps to its bounds.
func (x *index) trim(fx *effects) {
	for {
		i := 0
		if len(x.queue) <= x.limits.queueLen {
			if x.waiting() <= x.limits.queue {
				return
			}
			i = slices.IndexFunc(x.queue, func(e *entry) bool { return !e.held })
		}
		e := x.queue[i]
		x.unqueue(e)
		x.stats.Dropped++
		x.settle(e, fx)
	}
}

// waiting is the memory that only the writer's queue keeps.
func (x *index) waiting() (n int64) {
	for _, e := range x.queue {
		if !e.held {
			n += e.weight()
		}
	}
	return n
}

// settle follows a change of where e is.
func (x *index) settle(e *entry, fx *effects) {
	if e.mem && !e.inMemory() {
		e.mem = false
		fx.free = append(fx.free, e.id)
	}
	if !e.resident() && !e.ghost && x.byID[e.id] == e {
		e.ghost = true
		x.ghosts = append(x.ghosts, e)
		x.ghostly += tokensSize(e.tokens)
		for x.ghostly > x.limits.ghosts {
			x.remove(x.ghosts[0], fx)
		}
	}
}

func (x *index) revive(e *entry) {
	if e.ghost {
		e.ghost = false
		x.ghostly -= tokensSize(e.tokens)
		x.ghosts = slices.DeleteFunc(x.ghosts, func(g *entry) bool { return g == e })
	}
}

func (x *index) add(e *entry) {
	x.last++
	e.id = x.last
	x.byID[e.id], x.byName[e.name] = e, e
	x.tenants[e.tenant] = x.tenants[e.tenant].insert(e)
	x.disk += e.file
}

// remove forgets e and everything it has.
func (x *index) remove(e *entry, fx *effects) {
	x.unhold(e)
	x.unqueue(e)
	x.revive(e)
	if e.mem {
		e.mem = false
		fx.free = append(fx.free, e.id)
	}
	x.unfile(e, fx)
	delete(x.byID, e.id)
	delete(x.byName, e.name)
	if o := x.tenants[e.tenant].remove(e); len(o) > 0 {
		x.tenants[e.tenant] = o
	} else {
		delete(x.tenants, e.tenant)
	}
}

// unfile gives up e's file.
func (x *index) unfile(e *entry, fx *effects) {
	if e.onDisk() {
		x.disk -= e.file
		e.file = 0
		fx.del = append(fx.del, e.name)
	}
}

// purge forgets everything of a tenant, or of all.
func (x *index) purge(of func(tenant string) bool, fx *effects) {
	x.discard(func(e *entry) bool { return of(e.tenant) }, fx)
	x.discardForeign(func(f foreign) bool { return of(f.tenant) }, fx)
}

// expire forgets what is too old, and reports how many that were.
func (x *index) expire(now int64, fx *effects) {
	n := x.discard(func(e *entry) bool { return x.expired(e.created, now) }, fx)
	n += x.discardForeign(func(f foreign) bool { return x.expired(f.created, now) }, fx)
	x.stats.Expired += uint64(n) //nolint:gosec // not negative
}

func (x *index) discard(which func(*entry) bool, fx *effects) (n int) {
	for _, e := range x.byID {
		if which(e) {
			if e.resident() {
				n++
			}
			x.remove(e, fx)
		}
	}
	return n
}

func (x *index) discardForeign(which func(foreign) bool, fx *effects) (n int) {
	for name, f := range x.foreign {
		if which(f) {
			x.forgetForeign(name)
			fx.del = append(fx.del, name)
			n++
		}
	}
	return n
}

// used counts a load of e.
func (x *index) used(e *entry, from Tier, now int64) {
	e.heat = e.heat.use(now)
	if from == TierHost {
		x.stats.HitsHost++
	} else {
		x.stats.HitsDisk++
	}
}

// promote takes the memory of a state that was read from disk into the host tier, and reports whether it did.
func (x *index) promote(e *entry, fx *effects) bool {
	if x.byID[e.id] != e || e.inMemory() || e.weight() > x.limits.host {
		return false
	}
	x.revive(e)
	e.mem = true
	x.hold(e)
	x.balance(fx)
	return true
}
