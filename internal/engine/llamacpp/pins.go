package llamacpp

import (
	"slices"

	"ashatai/internal/engine"
	"ashatai/internal/native/llama"
)

// pins are the places in a prompt's tokens up to which the request wants it kept. Where a place is inside a token, or text
// before it would be other tokens without the text behind it, the place is the last one that does not depend on what follows.
func (m *model) pins(req *engine.GenerateRequest, prompt []llama.Token) []int {
	var out []int
	for _, at := range req.Pins {
		before, err := m.tokens(engine.Prompt{Segments: before(req.Prompt.Segments, at), AddSpecial: req.Prompt.AddSpecial})
		if err != nil {
			continue // it is only memory for later
		}
		n := min(common(before, prompt), len(prompt)-tilePlain)
		if n >= minReuse && !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return out
}

// before is the first n bytes of segments.
func before(segments []engine.Segment, n int) []engine.Segment {
	var out []engine.Segment
	for _, s := range segments {
		if n < len(s.Text) {
			s.Text = s.Text[:max(n, 0)]
		}
		n -= len(s.Text)
		if s.Text == "" {
			break
		}
		out = append(out, s)
	}
	return out
}

// left is how many tokens are to be computed until the end, or until the next pin: there the state is taken out.
func (c *choice) left() int {
	left := c.known() - c.done
	if c.index > 0 {
		return left
	}
	for _, p := range c.job.pins {
		if p > c.done {
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
	last := -1
	for i, p := range j.pins {
		if p == c.done || reused && p < c.done {
			last = i
			if l.store.Pin(j.req.Tenant, j.prompt[:p]) {
				j.usage.Kept = p
			}
		}
	}
	if last < 0 {
		return
	}
	if p := j.pins[last]; j.usage.Kept < p && l.keep(c.slot, true) {
		j.usage.Kept = p
	}
	if last == len(j.pins)-1 {
		l.store.Unpin(j.req.Tenant, j.prompt[:j.pins[last]], j.pins)
	}
}
