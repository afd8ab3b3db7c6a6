package infer

import (
	"cmp"

	"ashatai/internal/core"
)

// Abilities is what the chat template of a model adds to what its file can do: calls in a form that the model was taught, and
// reasoning. Tools work with other models too, which are told of them in their system prompt; nothing says how well they follow.
func (s *Service) Abilities(m *core.Manifest) []core.Capability {
	set := s.cfg.Settings(m)
	source := cmp.Or(set.Template, m.Template)
	if source == "" || set.Template == "" && !m.Can(core.CapChat) {
		return nil
	}
	t, err := s.templates.get(source)
	if err != nil {
		return nil // whoever talks with the model is told why it cannot be used
	}
	var out []core.Capability
	if t.ShowsTools() {
		out = append(out, core.CapTools)
	}
	if t.Form().Thinks() {
		out = append(out, core.CapThinking)
	}
	return out
}
