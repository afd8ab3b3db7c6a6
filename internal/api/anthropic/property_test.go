package anthropic

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"ashatai/internal/core"
)

// assembled puts a stream together as the official client does, and checks the order of its events.
func assembled(t *testing.T, body string) messageAnswer {
	t.Helper()
	var m messageAnswer
	texts := []string{}
	open, stopped := -1, false
	for i, ev := range parsed(t, body) {
		if stopped {
			t.Fatalf("an event after message_stop: %v", ev)
		}
		again, err := json.Marshal(ev)
		if err != nil {
			t.Fatal(err)
		}
		kind := ev["type"].(string)
		if (kind == "message_start") != (i == 0) {
			t.Fatalf("event %d is %s", i, kind)
		}
		switch kind {
		case "message_start":
			m = *decode[struct {
				Type    string         `json:"type"`
				Message *messageAnswer `json:"message"`
			}](t, string(again)).Message
		case "content_block_start":
			b := decode[streamEvent](t, string(again))
			if open >= 0 || *b.Index != len(m.Content) {
				t.Fatalf("block %d begins while %d is open", *b.Index, open)
			}
			open = *b.Index
			m.Content, texts = append(m.Content, *b.ContentBlock), append(texts, "")
		case "content_block_delta":
			d := decode[struct {
				Type  string     `json:"type"`
				Index int        `json:"index"`
				Delta blockDelta `json:"delta"`
			}](t, string(again))
			if d.Index != open {
				t.Fatalf("a piece of block %d while %d is open", d.Index, open)
			}
			for _, p := range []*string{d.Delta.Text, d.Delta.Thinking, d.Delta.PartialJSON} {
				if p != nil {
					texts[open] += *p
				}
			}
			if d.Delta.Signature != nil {
				m.Content[open].Signature = d.Delta.Signature
			}
		case "content_block_stop":
			b := &m.Content[open]
			switch b.Type {
			case kindText:
				b.Text = &texts[open]
			case kindThinking:
				b.Thinking = &texts[open]
			case kindToolUse:
				if texts[open] != "" {
					b.Input = json.RawMessage(texts[open])
				}
			}
			open = -1
		case "message_delta":
			d := decode[struct {
				Type  string    `json:"type"`
				Delta stopDelta `json:"delta"`
				Usage usage     `json:"usage"`
			}](t, string(again))
			m.StopReason, m.StopSequence, m.Usage = d.Delta.StopReason, d.Delta.StopSequence, d.Usage
		case "message_stop":
			stopped = true
		}
	}
	if open >= 0 || !stopped {
		t.Fatalf("the stream ends with block %d open, stopped: %v", open, stopped)
	}
	return m
}

// TestStreamedEqualsWhole: a stream put together is the whole answer, whatever the pieces are.
func TestStreamedEqualsWhole(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var script []any
		calls := 0
		finish := core.FinishStop
		for range rapid.IntRange(0, 12).Draw(rt, "events") {
			text := rapid.String().Draw(rt, "text")
			switch rapid.IntRange(0, 3).Draw(rt, "kind") {
			case 0:
				script = append(script, core.Event{Reasoning: text})
			case 1, 2:
				script = append(script, core.Event{Text: text})
			case 3:
				arguments, err := json.Marshal(map[string]string{"a": text})
				if err != nil {
					rt.Fatal(err)
				}
				script = append(script, core.Event{ToolCall: &core.ToolDelta{Index: calls, ID: "c", Name: "f"}})
				for piece := range slices.Chunk([]rune(string(arguments)), rapid.IntRange(1, 5).Draw(rt, "size")) {
					script = append(script, core.Event{ToolCall: &core.ToolDelta{Index: calls, Arguments: string(piece)}})
				}
				calls++
				finish = core.FinishTools
			}
		}
		f := newFake()
		f.events = play(append(script, core.Event{Finish: finish}, used(7, 2, 9))...)
		body := f.post(t, streamed).Body.String()
		if !utf8.ValidString(body) || strings.ContainsRune(strings.ReplaceAll(scriptText(script), "\uFFFD", ""), utf8.RuneError) {
			rt.Fatalf("not UTF-8: %q", body)
		}
		got, want := assembled(t, body), decode[messageAnswer](t, f.post(t, minimal).Body.String())
		got.ID, want.ID = "", ""
		if diff := cmp.Diff(want, got); diff != "" {
			rt.Fatal(diff)
		}
		if said := contentText(want); said != scriptText(script) {
			rt.Fatalf("said %q, want %q", said, scriptText(script))
		}
	})
}

func scriptText(script []any) string {
	var b strings.Builder
	for _, s := range script {
		if ev, ok := s.(core.Event); ok {
			b.WriteString(ev.Reasoning)
			b.WriteString(ev.Text)
			if ev.ToolCall != nil {
				b.WriteString(ev.ToolCall.Arguments)
			}
		}
	}
	return b.String()
}

func contentText(m messageAnswer) string {
	var b strings.Builder
	for _, c := range m.Content {
		switch c.Type {
		case kindText:
			b.WriteString(*c.Text)
		case kindThinking:
			b.WriteString(*c.Thinking)
		case kindToolUse:
			b.Write(c.Input)
		}
	}
	return b.String()
}

// FuzzStream: whatever the runtime says, each event is one well-formed event with its name, and text never breaks the framing.
func FuzzStream(f *testing.F) {
	for _, seed := range []string{"hello", "a\n\ndata: {}\n\n", "event: error\r\n", "\xff\xc3", "\u2028é😀\x00", `"}`} {
		f.Add(seed, "think "+seed, seed)
	}
	f.Fuzz(func(t *testing.T, text, thought, stop string) {
		k := newFake()
		k.events = play(core.Event{Reasoning: thought}, core.Event{Text: text}, core.Event{Text: text}, core.Event{Finish: core.FinishStop, StopString: stop}, used(1, 1, 1))
		m := assembled(t, k.post(t, streamed).Body.String())
		want := strings.ToValidUTF8(thought, "") + strings.ToValidUTF8(text, "") + strings.ToValidUTF8(text, "")
		if utf8.ValidString(text) && utf8.ValidString(thought) && contentText(m) != want {
			t.Fatalf("%q became %q", want, contentText(m))
		}
	})
}
