package batch

// Turns keeps whose turn it is, by sequence: the tokens that were computed for it, in a common measure of time. Whoever
// comes starts at the present, not at nothing, and a sequence goes on where its last prompt ended: so neither a long
// prompt nor an endless flow of short ones gets more than its share. The zero value is ready.
type Turns struct {
	now int // where the prompt stood that was served last; never falls
	of  map[int]int
}

// Arrive says that a prompt begins in a sequence.
func (t *Turns) Arrive(seq int) {
	if t.of == nil {
		t.of = map[int]int{}
	}
	t.of[seq] = max(t.of[seq], t.now)
}

// Of is the turn of a sequence: the lowest comes first.
func (t *Turns) Of(seq int) int { return t.of[seq] }

// Served says that the prompts of a plan were computed.
func (t *Turns) Served(p Plan) {
	if len(p.Prompts) == 0 {
		return
	}
	t.now = max(t.now, t.first(p))
	for _, seq := range p.Prompts {
		t.of[seq] += p.Tokens
	}
}

// first is the lowest turn in a plan that has prompts.
func (t *Turns) first(p Plan) int {
	low := t.of[p.Prompts[0]]
	for _, seq := range p.Prompts {
		low = min(low, t.of[seq])
	}
	return low
}
