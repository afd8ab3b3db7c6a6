package anthropic

import (
	"slices"

	"ashatai/internal/core"
)

// cacheControl asks for the prompt up to its place to be kept.
type cacheControl struct {
	Type  string  `json:"type" required:"true" enum:"ephemeral"`
	TTL   *string `json:"ttl,omitempty" enum:"5m,1h" doc:"a prompt is kept while there is room, however long"`
	Scope *string `json:"scope,omitempty" doc:"a prompt is kept for its tenant alone"`
}

// UnmarshalJSON checks it where it stands.
func (c *cacheControl) UnmarshalJSON(raw []byte) error {
	type plain cacheControl
	if err := strict("cache_control", raw, (*plain)(c)); err != nil {
		return err
	}
	if c.Type != "ephemeral" || c.TTL != nil && *c.TTL != "5m" && *c.TTL != "1h" {
		return core.Invalid("cache_control", "cache_control is not valid: its type is ephemeral, and its ttl, where it has one, 5m or 1h.")
	}
	return nil
}

// pins are the places up to which the prompt is to be kept: those of the blocks, that of the tools, and the end where the
// request as a whole asks for it. Templates differ in whether tools stand before the system text or behind it, so both are
// kept together, up to the first message.
func (p *prompt) pins(messages []core.Message, pins []core.Pin, tools bool) ([]core.Pin, error) {
	first := slices.IndexFunc(messages, func(m core.Message) bool { return m.Role != core.RoleSystem })
	var out []core.Pin
	add := func(at core.Pin) {
		if first > 0 && at.Message < first && at.Byte == len(messages[at.Message].Content) {
			at = core.Pin{Message: first}
		}
		if !slices.Contains(out, at) {
			out = append(out, at)
		}
	}
	if tools && first >= 0 {
		add(core.Pin{Message: first})
	}
	for _, at := range pins {
		add(at)
	}
	if last := len(messages) - 1; p.CacheControl != nil && last >= 0 {
		add(core.Pin{Message: last, Byte: len(messages[last].Content)})
	}
	if len(out) > core.MaxPins {
		return nil, core.Invalid("cache_control", "The request has cache_control at %d places; at most %d are allowed.", len(out), core.MaxPins)
	}
	return out, nil
}
