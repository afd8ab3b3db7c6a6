package infer

import (
	"slices"
	"testing"

	"ashatai/internal/core"
)

func TestAbilities(t *testing.T) {
	chat := []core.Capability{core.CapChat, core.CapGenerate}
	both := []core.Capability{core.CapTools, core.CapThinking}
	for name, c := range map[string]struct {
		template, setting string
		can               []core.Capability
		want              []core.Capability
	}{
		"both":          {qwen, "", chat, both},
		"neither":       {template, "", chat, nil},
		"by a setting":  {"", qwen, []core.Capability{core.CapGenerate}, both},
		"none":          {"", "", chat, nil},
		"broken":        {"{% if %}", "", chat, nil},
		"no chat model": {qwen, "", []core.Capability{core.CapEmbed}, nil},
	} {
		s := New(newFake(), newFake(), Config{Settings: func(*core.Manifest) Settings { return Settings{Template: c.setting} }})
		if got := s.Abilities(&core.Manifest{Template: c.template, Capabilities: c.can}); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
