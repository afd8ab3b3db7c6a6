package infer

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"ashatai/internal/core"
)

// bytewise is a fake whose tokens are bytes, with a context of so many.
func bytewise(window int) *fake {
	f := newFake()
	f.model.BOS, f.bytewise, f.window = "", true, window
	f.events = []core.Event{{Text: "a", Start: &core.Usage{}, Finish: core.FinishStop}, {Usage: &core.Usage{Prompt: 9}}}
	return f
}

// long is a conversation of ten turns, each of which has 36 bytes in the template's words.
func long() *core.Request {
	req := &core.Request{Truncate: true, MaxTokens: 5, Messages: []core.Message{{Role: core.RoleSystem, Content: "Be kind."}}}
	for i := range 10 {
		req.Messages = append(req.Messages, core.Message{Role: core.RoleUser, Content: fmt.Sprintf("ask %d", i)}, core.Message{Role: core.RoleAssistant, Content: "answered"})
	}
	req.Messages = append(req.Messages, core.Message{Role: core.RoleUser, Content: "last"})
	return req
}

// left runs a request to its end and returns what the answer says was left out, after it saw that every place says so.
func left(t *testing.T, f *fake, req *core.Request) core.LeftOut {
	t.Helper()
	s, err := f.service().Generate(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	for ev, err := range s.Events {
		for _, u := range []*core.Usage{ev.Start, ev.Usage} {
			if err != nil || u != nil && u.LeftOut != s.Placement.LeftOut {
				t.Errorf("%v: the placement says %v, the figures %v", err, s.Placement.LeftOut, u)
			}
		}
	}
	return s.Placement.LeftOut
}

// TestFittedConversation: whole turns go, the oldest first and no more than needed; system messages and the last question stay.
func TestFittedConversation(t *testing.T) {
	whole := bytewise(1000)
	if got := left(t, whole, long()); got != (core.LeftOut{}) {
		t.Errorf("%v was left out of what fits", got)
	}
	size := len(joined(whole.req.Prompt)) - 2*strings.Count(joined(whole.req.Prompt), "[")
	for window := 70; window <= size+1; window++ {
		f := bytewise(window)
		got := left(t, f, long())
		text := strings.NewReplacer("[", "", "]", "").Replace(joined(f.req.Prompt))
		n := got.Messages
		want := "<|system|>Be kind.<|user|>" + fmt.Sprintf("ask %d", n/2)
		if n == 20 {
			want = "<|system|>Be kind.<|user|>last"
		}
		switch {
		case window == size+1 && n != 0, window <= size && n == 0, n%2 != 0, got.Tokens != 0:
			t.Fatalf("window %d of %d: %v was left out", window, size, got)
		case !strings.HasPrefix(text, want) || !strings.HasSuffix(text, "<|user|>last<|assistant|>") || len(text) > window-1:
			t.Fatalf("window %d, %v left out: %q", window, got, text)
		case n > 2 && len(text)+36 <= window-1-5-2: // a turn more would have fitted, with the answer's room
			t.Fatalf("window %d: %v are too many, the prompt has %d bytes", window, got, len(text))
		}
	}
}

// TestFittedNot: what cannot be made to fit, or must not, goes to the engine as it is.
func TestFittedNot(t *testing.T) {
	for name, change := range map[string]func(f *fake, req *core.Request){
		"nothing can go":    func(_ *fake, req *core.Request) { req.Messages = req.Messages[len(req.Messages)-1:] },
		"not allowed":       func(_ *fake, req *core.Request) { req.Truncate = false },
		"the last too long": func(f *fake, _ *core.Request) { f.window = 30 },
		"not told":          func(f *fake, _ *core.Request) { f.window = 0 },
	} {
		f, req := bytewise(20), long()
		change(f, req)
		want := len(req.Messages)
		if got := left(t, f, req); got != (core.LeftOut{}) {
			t.Errorf("%s: %v", name, got)
		}
		if got := strings.Count(joined(f.req.Prompt), "<|") - 1; got != want {
			t.Errorf("%s: %d messages of %d", name, got, want)
		}
	}
	for name, change := range map[string]func(f *fake){
		"tokens": func(f *fake) { f.bytewise, f.tokenizeFails = false, errors.New("no") },
		"window": func(f *fake) { f.windowFails = errors.New("no") },
		"a turn": func(f *fake) { f.model.Template = strings.ReplaceAll(template, `"refuse"`, `"ask 5"`) },
	} {
		f := bytewise(100)
		change(f)
		if _, err := f.service().Generate(t.Context(), long()); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestFittedRaw: raw text loses its beginning, behind the start tokens; token ids likewise.
func TestFittedRaw(t *testing.T) {
	f := bytewise(11)
	if got := left(t, f, &core.Request{Truncate: true, MaxTokens: 2, Prompt: "0123456789abcdef"}); got.Tokens != 9 || got.Messages != 0 {
		t.Error(got)
	}
	if got := fmt.Sprint(f.req.Prompt.Tokens); got != "[-1 57 97 98 99 100 101 102]" {
		t.Error(got)
	}
	if got := left(t, f, &core.Request{Truncate: true, Tokens: []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}}); got.Tokens != 3 { // a quarter is for the answer
		t.Error(got)
	}
	if got := fmt.Sprint(f.req.Prompt.Tokens); got != "[4 5 6 7 8 9 10 11]" {
		t.Error(got)
	}
}

// TestFittedPins: a place to keep the prompt up to moves with its message, and goes with it.
func TestFittedPins(t *testing.T) {
	req := long()
	last := len(req.Messages) - 1
	req.Pins = []core.Pin{{Message: 0, Byte: 3}, {Message: 1, Byte: 2}, {Message: last, Byte: 4}}
	got := from(req, last)
	if fmt.Sprint(got.Pins) != "[{0 3} {1 4}]" || len(got.Messages) != 2 {
		t.Error(got.Pins, got.Messages)
	}
}

// TestFittedCount counts what is left.
func TestFittedCount(t *testing.T) {
	f, req := bytewise(100), long()
	got, err := f.service().CountTokens(t.Context(), req)
	req.Truncate = false
	whole, err2 := f.service().CountTokens(t.Context(), req)
	if err != nil || err2 != nil || got >= 100 || whole < 300 {
		t.Error(got, whole, err, err2)
	}
}

func TestLeftOut(t *testing.T) {
	for want, l := range map[string]core.LeftOut{"": {}, "3 messages": {Messages: 3}, "4 tokens": {Tokens: 4}} {
		if l.String() != want {
			t.Errorf("%+v is %q", l, l)
		}
	}
}
