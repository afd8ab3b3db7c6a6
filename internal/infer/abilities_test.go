package infer

import (
	"fmt"
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

// A name that servers elsewhere give is prompted by the template of the installed model that serves it too, so it can what that one can.
func TestAbilitiesOfANameElsewhere(t *testing.T) {
	chat := []core.Capability{core.CapChat}
	local := &core.Manifest{Name: "tiny:latest", Template: qwen, Capabilities: chat}
	far := &core.Manifest{Name: "both:latest", Format: core.FormatRemote, Capabilities: chat}
	for name, c := range map[string]struct {
		local *core.Manifest
		want  int
	}{"served here too": {local, 2}, "elsewhere only": {nil, 0}} {
		s := New(newFake(), newFake(), Config{Settings: func(*core.Manifest) Settings { return Settings{Local: c.local} }})
		if got := s.Abilities(far); len(got) != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// Lists of models ask for every model's abilities each time: no template is parsed twice for that, however many there are.
func TestAbilitiesAreRemembered(t *testing.T) {
	s := New(newFake(), newFake(), Config{Settings: func(*core.Manifest) Settings { return Settings{} }})
	list := []*core.Manifest{{Template: "{% if %}", Capabilities: []core.Capability{core.CapChat}}}
	for i := range 2 * maxTemplates {
		list = append(list, &core.Manifest{Template: fmt.Sprint("{# ", i, " #}", qwen), Capabilities: []core.Capability{core.CapChat}})
	}
	for _, m := range list {
		s.Abilities(m)
	}
	clear(s.templates.parsed)
	for i, m := range list {
		if got := s.Abilities(m); (len(got) == 2) != (i > 0) {
			t.Errorf("model %d can %v", i, got)
		}
	}
	if n := len(s.templates.parsed); n > 0 {
		t.Errorf("%d templates were parsed again", n)
	}
}
