package plan

import (
	"slices"
	"time"
)

// fairQueue orders the requests that wait for one model.
//
// Between tenants of a class it is start-time fair queueing (Goyal, Vin, Cheng: "Start-time Fair Queuing", 1996): the
// head with the least start tag is next, and a tenant's tag advances by cost over weight. Inside a tenant it is first
// in, first out. Between classes the higher is next, but a class rises by one step each time Config.Age passes without
// service for its oldest request, so that a flood of urgent work slows the rest and never stops it.
type fairQueue struct {
	classes [classes]classQueue
	len     int
	cost    int64
	tenants map[string]int64 // queued cost per tenant, all classes
}

type classQueue struct {
	flows   []*flow // in order of their first request: makes ties repeatable
	virtual float64 // start tag of the request last served
	served  time.Duration
}

// flow is one tenant's requests of one class.
type flow struct {
	tenant string
	tag    float64 // start tag of the head
	items  []*request
}

func (q *fairQueue) push(r *request) {
	c := &q.classes[r.Class]
	i := slices.IndexFunc(c.flows, func(f *flow) bool { return f.tenant == r.Tenant })
	if i < 0 {
		i = len(c.flows)
		c.flows = append(c.flows, &flow{tenant: r.Tenant})
	}
	f := c.flows[i]
	if len(f.items) == 0 {
		f.tag = max(f.tag, c.virtual)
	}
	f.items = append(f.items, r)
	q.count(r, 1)
}

func (q *fairQueue) count(r *request, sign int) {
	if q.tenants == nil {
		q.tenants = map[string]int64{}
	}
	cost := int64(sign) * int64(r.Cost)
	q.len += sign
	q.cost += cost
	q.tenants[r.Tenant] += cost
	if q.tenants[r.Tenant] == 0 {
		delete(q.tenants, r.Tenant)
	}
}

// next returns the request to serve next, or nil. A tenant whose head is blocked is passed over.
func (q *fairQueue) next(now, age time.Duration, blocked func(*request) bool) *request {
	var (
		best   *request
		level  int
		waited time.Duration
	)
	for class := classes - 1; class >= 0; class-- {
		r, w := q.classes[class].head(now, blocked)
		if r == nil {
			continue
		}
		l := min(classes-1, class+int(w/age))
		if best == nil || l > level || l == level && w > waited {
			best, level, waited = r, l, w
		}
	}
	return best
}

// head returns the fair choice of a class, and how long its oldest request has waited without any of the class served.
func (c *classQueue) head(now time.Duration, blocked func(*request) bool) (*request, time.Duration) {
	var best *flow
	oldest := now
	for _, f := range c.flows {
		if len(f.items) == 0 || blocked(f.items[0]) {
			continue
		}
		oldest = min(oldest, f.items[0].queuedAt)
		if best == nil || f.tag < best.tag || f.tag == best.tag && f.items[0].number < best.items[0].number {
			best = f
		}
	}
	if best == nil {
		return nil, 0
	}
	return best.items[0], now - max(oldest, c.served)
}

// serve removes r, which next returned, and charges its tenant.
func (q *fairQueue) serve(r *request, now time.Duration) {
	c := &q.classes[r.Class]
	for _, f := range c.flows {
		if len(f.items) > 0 && f.items[0] == r {
			f.items = slices.Delete(f.items, 0, 1)
			c.virtual = f.tag
			f.tag += float64(r.Cost) / float64(r.Weight)
			break
		}
	}
	c.served = now
	// A tenant without work is forgotten once its tag says nothing that the class does not say.
	c.flows = slices.DeleteFunc(c.flows, func(f *flow) bool { return len(f.items) == 0 && f.tag <= c.virtual })
	q.count(r, -1)
}

// remove takes r out unserved.
func (q *fairQueue) remove(r *request) {
	for _, f := range q.classes[r.Class].flows {
		if i := slices.Index(f.items, r); i >= 0 {
			f.items = slices.Delete(f.items, i, i+1)
			q.count(r, -1)
			return
		}
	}
}

// share is the tenant's share of the weights that wait in r's class, r's own included.
func (q *fairQueue) share(r *request) float64 {
	total := r.Weight
	for _, f := range q.classes[r.Class].flows {
		if len(f.items) > 0 && f.tenant != r.Tenant {
			total += f.items[0].Weight
		}
	}
	return float64(r.Weight) / float64(total)
}

// all returns the requests that wait, in order of their arrival.
func (q *fairQueue) all() []*request {
	out := make([]*request, 0, q.len)
	for i := range q.classes {
		for _, f := range q.classes[i].flows {
			out = append(out, f.items...)
		}
	}
	slices.SortFunc(out, byNumber)
	return out
}
