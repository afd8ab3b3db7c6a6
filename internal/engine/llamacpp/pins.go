package llamacpp

import (
	"slices"

	"ashatai/internal/engine"
	"ashatai/internal/engine/llamacpp/prefix"
	"ashatai/internal/native/llama"
)

// pins are the places in a prompt's tokens up to which the request wants it kept. Where a place is inside a token, or text
// before it would be other tokens without the text behind it, the place is the last one that does not depend on what follows.
func (m *model) pins(req *engine.GenerateRequest, prompt []llama.Token) []int {
	var out []int
	for _, at := range req.Pins {
		before, err := m.tokens(req.Prompt.Before(at))
		if err != nil {
			continue // it is only memory for later
		}
		n := min(prefix.Common(before, prompt), len(prompt)-tilePlain)
		if n >= minReuse && !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return out
}

// left is how many tokens are to be computed until the end, or until the next pin: there the state is taken out.
func (c *choice) left() int {
	left := c.known() - c.done
	for _, p := range c.job.pins {
		if c.index == 0 && p-c.done >= tilePlain { // a single token is computed along another path
			return min(left, p-c.done)
		}
	}
	return left
}

// pinned keeps what c's sequence holds, when it stands at a pin. What is reused beyond pins is kept as it is.
func (l *loop) pinned(c *choice, reused bool) {
	j := c.job
	if l.store == nil || c.index > 0 || len(j.pins) == 0 {
		return
	}
	last := 0
	for _, p := range j.pins {
		if p == c.done || reused && p < c.done {
			if last = p; l.store.Pin(j.req.Tenant, j.prompt[:p]) {
				j.usage.Kept = p
			}
		}
	}
	if j.usage.Kept < last && l.keep(c.slot, true) {
		j.usage.Kept = last
	}
	if last == slices.Max(j.pins) {
		l.store.Unpin(j.req.Tenant, j.prompt[:last], j.pins)
	}
}
