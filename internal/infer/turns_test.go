package infer

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"ashatai/internal/core"
)

func TestAModelsOwnTurns(t *testing.T) {
	say := func(role core.Role, text string) core.Message { return core.Message{Role: role, Content: text} }
	turns := []core.Turn{{Role: core.RoleSystem, Content: "S"}, {Role: core.RoleUser, Content: "U"}, {Role: core.RoleAssistant, Content: "A"}}
	for name, c := range map[string]struct {
		turns     []core.Turn
		in, wants []core.Message
	}{
		"none": {nil, []core.Message{say("user", "hi")}, []core.Message{say("user", "hi")}},
		"before the caller's": {
			turns,
			[]core.Message{say("user", "hi")},
			[]core.Message{say("system", "S"), say("user", "U"), say("assistant", "A"), say("user", "hi")},
		},
		"behind the caller's system prompt, which replaces the model's": {
			turns,
			[]core.Message{say("system", "mine"), say("user", "hi")},
			[]core.Message{say("system", "mine"), say("user", "U"), say("assistant", "A"), say("user", "hi")},
		},
		"a late system prompt": {
			turns,
			[]core.Message{say("user", "hi"), say("system", "mine")},
			[]core.Message{say("user", "U"), say("assistant", "A"), say("user", "hi"), say("system", "mine")},
		},
	} {
		if d := cmp.Diff(c.wants, opened(c.in, c.turns)); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
	// The model's SYSTEM is not added to a system turn of its own.
	if got := withSystem(opened([]core.Message{say("user", "hi")}, turns), "X"); got[0].Content != "S" || len(got) != 4 {
		t.Errorf("%+v", got)
	}
}
