package plan

import (
	"time"

	"ashatai/internal/core"
)

// A tenant with one client that sends its next request when it has the answer leaves its sequence for some milliseconds. Who has
// more requests waiting would take it for as long as a whole answer takes, and the small tenant would wait for a sequence before
// each of its requests, however little it asks for. So a sequence is kept a moment for a tenant that came back at once the last
// time and would be next (Iyer, Druschel: "Anticipatory Scheduling", 2001). Nothing is kept from requests of the tenant itself, so
// a tenant alone has every sequence always.

// habit is how a tenant asks a model.
type habit struct {
	class core.Class
	open  int           // its requests that wait or run
	left  time.Duration // when the last of them was over
	quick bool          // it came back at once when it was last away
	until time.Duration // a sequence is kept for it up to here; 0: none
}

// came notes a request that will need a sequence.
func (s *State) came(r *request) {
	m := r.m
	h := m.habits[r.Tenant]
	if h == nil {
		for tenant, o := range m.habits { // what they did says nothing any more
			if o.open == 0 && s.now-o.left > s.cfg.Hold {
				delete(m.habits, tenant)
			}
		}
		if m.habits == nil {
			m.habits = map[string]*habit{}
		}
		h = &habit{}
		m.habits[r.Tenant] = h
	} else if h.open == 0 {
		h.quick = s.now-h.left <= s.cfg.Hold
	}
	h.class, h.until = r.Class, 0
	h.open++
}

// went notes that such a request is over. A sequence that it had is kept where its tenant is expected back.
func (s *State) went(r *request, served bool) {
	h := r.m.habits[r.Tenant]
	if h == nil || r.Sequences == 0 {
		return
	}
	if h.open--; h.open > 0 {
		return
	}
	h.left = s.now
	if served && h.quick && s.cfg.Hold > 0 {
		h.until = s.now + s.cfg.Hold
	}
}

// kept is how many of an instance's free sequences are kept from r: for tenants whose next request would be served before it, and
// half of all at most, so that an only one never stands idle. What has waited for long is not kept waiting.
func (s *State) kept(in *instance, r *request) int {
	m, n := in.m, 0
	if s.now-r.queuedAt >= s.cfg.Age {
		return 0
	}
	c := &m.queue.classes[r.Class]
	own := c.tag(r.Tenant)
	for tenant, h := range m.habits {
		if s.now >= h.until || tenant == r.Tenant || h.class < r.Class {
			continue
		}
		if h.class > r.Class || max(c.tag(tenant), c.virtual) < own {
			n++
		}
	}
	return min(n, in.sequences/2)
}

// keepsUntil is the next time at which a sequence is kept no longer that somebody waits for; 0: none is.
func (m *model) keepsUntil(now time.Duration) time.Duration {
	var next time.Duration
	if m.queue.len == 0 {
		return 0
	}
	for _, h := range m.habits {
		if h.until > now && (next == 0 || h.until < next) {
			next = h.until
		}
	}
	return next
}

// tag is the start tag of a tenant's next request; 0 where the class has forgotten it.
func (c *classQueue) tag(tenant string) float64 {
	for _, f := range c.flows {
		if f.tenant == tenant {
			return f.tag
		}
	}
	return 0
}
