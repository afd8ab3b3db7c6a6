package cli

import (
	"strings"
	"testing"
	"time"

	"ashatai/internal/cli/failure"
	"ashatai/internal/cli/sse"
)

func TestLeaves(t *testing.T) {
	now := time.Now()
	later := now.Add(time.Hour)
	for want, i := range map[string]instance{
		"never (pinned)": {Pinned: true, ExpiresAt: &now}, "not while busy": {}, "now": {ExpiresAt: &now}, "in 1 hour": {ExpiresAt: &later},
	} {
		if got := leaves(i, now); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestModelAndPrompt(t *testing.T) {
	for _, c := range []struct {
		args          []string
		model, prompt string
	}{
		{nil, "", ""},
		{[]string{"m"}, "m", ""},
		{[]string{"m", "a", "b c"}, "m", "a b c"},
		{[]string{"why is it so"}, "", "why is it so"},
		{[]string{"why is", "it so"}, "", "why is it so"},
		{[]string{"", "hi"}, "", "hi"},
	} {
		if m, p := modelAndPrompt(c.args); m != c.model || p != c.prompt {
			t.Errorf("%q: %q and %q", c.args, m, p)
		}
	}
}

func FuzzEvents(f *testing.F) {
	f.Add("data: x\n\n")
	f.Add(": c\r\ndata\ndata: \n\n\n")
	f.Fuzz(func(t *testing.T, in string) {
		for data, err := range sse.Events(strings.NewReader(in)) {
			if err == nil && len(data) > len(in) {
				t.Errorf("%d bytes of %d", len(data), len(in))
			}
			if err == nil {
				_, _ = new(chatReply).take(data)
				_ = failure.Parse(data, 500)
			}
		}
	})
}

func TestCommandWords(t *testing.T) {
	for line, want := range map[string]string{"/bye": "/bye", "/system a b": "/system", "/": "/", "/etc/passwd": "", "/A": "", "x /bye": "", "/x1": ""} {
		if word, _, _ := command(line); word != want {
			t.Errorf("%q: %q, want %q", line, word, want)
		}
	}
}
