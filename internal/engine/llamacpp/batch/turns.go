package batch

import "cmp"

// Turns keeps whose turn it is: the tokens that were computed, in a common measure of time, for each tenant and, inside it, for each
// sequence. Whoever comes starts at the present, not at nothing, and a sequence goes on where its last prompt ended: so neither
// a long prompt nor an endless flow of short ones gets more than its share. The zero value is ready.
type Turns struct {
	now int // where the sequence stood that was served last; never falls
	of  map[int]int

	fair    float64 // what a tenant that always waits would have got; never falls
	tenants map[string]float64
	owner   map[int]string // whose prompt a sequence computes, or computed last
}

// Turn is a place in the order: the lowest comes first, the tenant's before the sequence's.
type Turn struct {
	Tenant   float64
	Sequence int
}

func (t Turn) compare(o Turn) int {
	return cmp.Or(cmp.Compare(t.Tenant, o.Tenant), cmp.Compare(t.Sequence, o.Sequence))
}

const (
	// lead is how many tokens of a tenant come before those of others that asked for more than it lately: so much of its share may
	// be saved up. Who asks now and then does not wait for who asks all the time; over any longer time both get the same.
	lead = 512

	remembered = 256 // tenants
)

// Arrive says that a prompt of a tenant begins in a sequence.
func (t *Turns) Arrive(seq int, tenant string) {
	if t.of == nil {
		t.of, t.owner, t.tenants = map[int]int{}, map[int]string{}, map[string]float64{}
	}
	t.of[seq] = max(t.of[seq], t.now)
	t.owner[seq] = tenant
	if len(t.tenants) >= remembered {
		t.forget()
	}
	t.tenants[tenant] = max(t.tenants[tenant], t.fair-lead)
}

// forget drops the tenants without a sequence that would begin at the present if they came.
func (t *Turns) forget() {
	holds := map[string]bool{}
	for _, tenant := range t.owner {
		holds[tenant] = true
	}
	for tenant, at := range t.tenants {
		if at <= t.fair-lead && !holds[tenant] {
			delete(t.tenants, tenant)
		}
	}
}

// Of is the turn of a sequence.
func (t *Turns) Of(seq int) Turn {
	return Turn{Tenant: t.tenants[t.owner[seq]], Sequence: t.of[seq]}
}

// Served says that the prompts of a plan were computed.
func (t *Turns) Served(p Plan) {
	if len(p.Prompts) == 0 {
		return
	}
	low := t.Of(p.Prompts[0])
	for _, seq := range p.Prompts {
		at := t.Of(seq)
		low.Tenant, low.Sequence = min(low.Tenant, at.Tenant), min(low.Sequence, at.Sequence)
	}
	t.now = max(t.now, low.Sequence)
	// The tokens are everybody's who waits. Who waits alone gets all, and owes nothing to be got back later.
	if n := t.waiting(p); n > 1 {
		t.fair += float64(p.Tokens*len(p.Prompts)) / float64(n)
	} else {
		t.fair = max(t.fair, low.Tenant) // who has a lead is below it
	}
	for _, seq := range p.Prompts {
		t.of[seq] += p.Tokens
		t.tenants[t.owner[seq]] += float64(p.Tokens)
	}
}

// waiting is the number of tenants with a prompt.
func (t *Turns) waiting(p Plan) int {
	tenants := map[string]bool{}
	for _, seq := range p.Waiting {
		tenants[t.owner[seq]] = true
	}
	return len(tenants)
}
