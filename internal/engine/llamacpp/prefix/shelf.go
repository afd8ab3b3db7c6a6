package prefix

import "slices"

// This file holds the decisions about the disk tier: what the writer does next, what must go for it, and what a look at
// the folder means. Other processes may use the same folder.

// next takes an entry out of the queue for the writer; nil when there is none.
func (x *index) next() *entry {
	if len(x.queue) == 0 {
		return nil
	}
	e := x.queue[0]
	x.queue = slices.Delete(x.queue, 0, 1)
	e.queued, e.writing = false, true
	return e
}

// reserve makes room for a file of e, and reports whether there is any that is worth less.
func (x *index) reserve(e *entry, bytes int64, fx *effects) bool {
	if x.byID[e.id] != e || bytes > x.limits.disk {
		return false
	}
	mine := e.worth(0)
	for x.disk+x.others+bytes > x.limits.disk {
		if !x.shrink(e, &mine, fx) {
			return false
		}
	}
	x.reserved = bytes
	return true
}

// shrink removes one file, and reports false when there is none, or none that is worth less than limit. Between a foreign
// file and an own one the older goes, as they cannot be compared in any other way.
func (x *index) shrink(keep *entry, limit *worth, fx *effects) bool {
	e, w := x.victim(func(e *entry) bool { return e.onDisk() && e != keep })
	name := x.oldestForeign()
	if name != "" {
		f := x.foreign[name]
		if e == nil || e.pinned && !f.pinned || e.pinned == f.pinned && f.last <= e.heat.last {
			x.forgetForeign(name)
			fx.del = append(fx.del, name)
			x.stats.EvictedDisk++
			return true
		}
	}
	if e == nil || limit != nil && !w.less(*limit) {
		return false
	}
	x.unfile(e, fx)
	x.settle(e, fx)
	x.stats.EvictedDisk++
	return true
}

// oldestForeign is the name of the foreign file that goes first; empty when there is none.
func (x *index) oldestForeign() string {
	found := ""
	for name, f := range x.foreign {
		g := x.foreign[found]
		if found == "" || g.pinned && !f.pinned || g.pinned == f.pinned && (f.last < g.last || f.last == g.last && name < found) {
			found = name
		}
	}
	return found
}

// written ends what next began. bytes is the size of the file; 0 when there is none.
func (x *index) written(e *entry, bytes int64, fx *effects) {
	e.writing = false
	x.reserved = 0
	if x.byID[e.id] != e {
		return
	}
	if bytes > 0 {
		x.disk += bytes - e.file
		e.file = bytes
		x.stats.Writes++
		x.bury(e, fx)
	}
	x.settle(e, fx)
}

// bury removes the files that e's file makes superfluous.
func (x *index) bury(e *entry, fx *effects) {
	for _, s := range x.tenants[e.tenant].within(e.tokens) {
		if s.pinned || !s.onDisk() {
			continue
		}
		if s.inMemory() {
			x.unfile(s, fx)
		} else {
			x.remove(s, fx)
		}
	}
}

// adopt takes in a file that was found in the folder.
func (x *index) adopt(n *entry, now int64, fx *effects) {
	if x.expired(n.created, now) {
		x.stats.Expired++
		fx.del = append(fx.del, n.name)
		return
	}
	if at, exact := x.tenants[n.tenant].at(n.tokens); exact {
		e := x.tenants[n.tenant][at]
		x.revive(e)
		x.disk += n.file - e.file
		e.file, e.pinned = n.file, e.pinned || n.pinned
		return
	}
	for _, c := range x.tenants[n.tenant].under(n.tokens) {
		if c.onDisk() && !n.pinned { // a kill came between writing the longer one and deleting this one
			fx.del = append(fx.del, n.name)
			return
		}
	}
	x.add(n)
	x.bury(n, fx)
}

// missing follows the loss of e's file: somebody else deleted it, or it was found damaged and must go.
func (x *index) missing(e *entry, fx *effects) {
	if x.byID[e.id] == e && e.onDisk() {
		x.disk -= e.file
		e.file = 0
		x.settle(e, fx)
	}
}

// absent follows the loss of every file that is not there.
func (x *index) absent(there map[string]bool, fx *effects) {
	for _, e := range x.byID {
		if e.onDisk() && !there[e.name] {
			x.missing(e, fx)
		}
	}
	for name := range x.foreign {
		if !there[name] {
			x.forgetForeign(name)
		}
	}
}

// compact brings the folder under its bound.
func (x *index) compact(fx *effects) {
	for x.disk+x.others+x.reserved > x.limits.disk && x.shrink(nil, nil, fx) {
		continue
	}
}

func (x *index) addForeign(name string, f foreign) {
	x.forgetForeign(name)
	x.foreign[name] = f
	x.others += f.bytes
}

func (x *index) forgetForeign(name string) {
	x.others -= x.foreign[name].bytes
	delete(x.foreign, name)
}

// flush queues everything that is only in memory, the most valuable first, so that a clean end loses nothing.
func (x *index) flush() {
	type ranked struct {
		e *entry
		w worth
	}
	var all []ranked
	for _, o := range x.tenants {
		o.shared(func(e *entry) bool { return e.held && !e.settling() && x.writable(e) }, func(e *entry, n int) {
			all = append(all, ranked{e, e.worth(n)})
		})
	}
	slices.SortFunc(all, func(a, b ranked) int {
		switch {
		case b.w.less(a.w):
			return -1
		case a.w.less(b.w):
			return 1
		}
		return 0
	})
	for _, r := range all {
		x.enqueue(r.e)
	}
}
