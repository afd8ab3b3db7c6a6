package enginetest

import (
	"testing"
	"unicode/utf8"

	"ashatai/internal/core"
)

// add checks one event and collects it.
func (a *answer) add(t *testing.T, ev core.Event, choices int) {
	t.Helper()
	if ev.Usage != nil {
		if ev.Text != "" || ev.Finish != "" || ev.Tokens != nil {
			t.Errorf("the usage does not stand alone: %+v", ev)
		}
		if len(a.finish) != choices {
			t.Errorf("usage comes when %d of %d choices have finished", len(a.finish), choices)
		}
		if a.counted != ev.Usage.Completion && !a.guessed {
			t.Errorf("the events count %d tokens, the usage %d", a.counted, ev.Usage.Completion)
		}
		a.usage = ev.Usage
		return
	}
	if first := !a.begun; first != (ev.Start != nil) || first && ev.Start.Prompt < 1 {
		t.Errorf("the first event tells what the prompt cost, and no other one does: %+v", ev)
	}
	a.begun = true
	a.counted += ev.Count
	if ev.Count < 1 && ev.Text != "" && a.guessed {
		t.Errorf("text that counts nothing: %+v", ev)
	}
	if ev.Choice < 0 || ev.Choice >= choices {
		t.Errorf("choice %d of %d", ev.Choice, choices)
	}
	if a.finish[ev.Choice] != "" {
		t.Errorf("choice %d goes on after its finish: %+v", ev.Choice, ev)
	}
	if !utf8.ValidString(ev.Text) {
		t.Errorf("the text %q is not UTF-8", ev.Text)
	}
	a.texts[ev.Choice] += ev.Text
	a.tokens[ev.Choice] = append(a.tokens[ev.Choice], ev.Tokens...)
	switch ev.Finish {
	case "":
		if ev.StopString != "" {
			t.Errorf("a stop string without a finish: %+v", ev)
		}
	case core.FinishStop, core.FinishLength:
		a.finish[ev.Choice], a.stops[ev.Choice] = ev.Finish, ev.StopString
	case core.FinishTools: // only package infer says so
		fallthrough
	default:
		t.Errorf("the finish reason %q is not known", ev.Finish)
	}
}
