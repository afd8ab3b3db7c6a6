package anthropic

import (
	"crypto/sha256"
	"encoding/base64"
	"hash"
	"slices"

	"ashatai/internal/core"
)

// The types of the blocks of an answer.
const (
	kindText     = "text"
	kindThinking = "thinking"
	kindToolUse  = "tool_use"
)

// sink takes the blocks of an answer one after another: the start, its pieces, the end.
type sink interface {
	start(b block) error
	piece(kind, text string) error
	// stop ends a block; the signature is that of a block of thinking.
	stop(kind, signature string) error
}

// assembler makes content blocks of the events of one answer. It is used by one goroutine.
type assembler struct {
	out    sink
	hidden bool     // the text of the reasoning is kept from the caller
	stops  []string // what the caller asked to stop at

	open      string    // kind of the block that is open; empty: none
	calls     int       // calls that were begun
	signature hash.Hash // of the open block of thinking

	finish core.FinishReason
	stop   string // the stop sequence that ended the answer
	usage  core.Usage
}

// add takes one event.
func (a *assembler) add(ev *core.Event) error {
	if ev.Usage != nil {
		a.usage = *ev.Usage
		return nil
	}
	if ev.Choice != 0 {
		return core.Errorf(core.CodeInternal, "The runtime answered with choice %d of 1.", ev.Choice)
	}
	if ev.Reasoning != "" {
		if err := a.think(ev.Reasoning); err != nil {
			return err
		}
	}
	if ev.Text != "" {
		if err := a.say(ev.Text); err != nil {
			return err
		}
	}
	if ev.ToolCall != nil {
		if err := a.call(ev.ToolCall); err != nil {
			return err
		}
	}
	if ev.Finish == "" {
		return nil
	}
	a.finish, a.stop = ev.Finish, ev.StopString
	return a.close()
}

// end says whether the answer came to its end.
func (a *assembler) end() error {
	if a.finish == "" {
		return core.Errorf(core.CodeInternal, "The runtime ended the answer without a reason.")
	}
	return nil
}

func (a *assembler) say(text string) error {
	if a.open != kindText {
		if err := a.begin(block{Type: kindText, Text: new("")}); err != nil {
			return err
		}
	}
	return a.out.piece(kindText, text)
}

func (a *assembler) think(text string) error {
	if a.open != kindThinking {
		if err := a.begin(block{Type: kindThinking, Thinking: new(""), Signature: new("")}); err != nil {
			return err
		}
		a.signature = sha256.New()
	}
	_, _ = a.signature.Write([]byte(text))
	if a.hidden {
		return nil
	}
	return a.out.piece(kindThinking, text)
}

// call takes a piece of a tool call. Calls come one after another, so a piece belongs to the last one or begins the next.
func (a *assembler) call(d *core.ToolDelta) error {
	switch {
	case d.Index == a.calls:
		if err := a.begin(block{Type: kindToolUse, ID: d.ID, Name: d.Name, Input: []byte("{}")}); err != nil {
			return err
		}
		a.calls++
	case d.Index != a.calls-1 || a.open != kindToolUse:
		return core.Errorf(core.CodeInternal, "The runtime went back to tool call %d after it had begun something else.", d.Index)
	}
	if d.Arguments == "" {
		return nil
	}
	return a.out.piece(kindToolUse, d.Arguments)
}

func (a *assembler) begin(b block) error {
	if err := a.close(); err != nil {
		return err
	}
	a.open = b.Type
	return a.out.start(b)
}

func (a *assembler) close() error {
	kind := a.open
	if kind == "" {
		return nil
	}
	a.open = ""
	var signature string
	if kind == kindThinking {
		// Nobody needs to prove to this server what it said, so this is a checksum and claims to be nothing else.
		signature = "sha256-" + base64.StdEncoding.EncodeToString(a.signature.Sum(nil))
	}
	return a.out.stop(kind, signature)
}

// reason is why the answer ended, and by which of the caller's strings.
func (a *assembler) reason(maxTokens int) (reason string, sequence *string) {
	switch {
	case a.finish == core.FinishTools:
		return "tool_use", nil
	case a.finish == core.FinishLength && a.usage.Completion < maxTokens:
		return "model_context_window_exceeded", nil
	case a.finish == core.FinishLength:
		return "max_tokens", nil
	case slices.Contains(a.stops, a.stop): // a model has stop strings of its own, which end its turn
		return "stop_sequence", &a.stop
	}
	return "end_turn", nil
}

// usageOf counts a prompt in Anthropic's three parts.
func usageOf(u core.Usage) usage {
	made := max(u.Kept-u.Cached, 0)
	return usage{
		InputTokens: max(u.Prompt-u.Cached-made, 0), CacheCreationInputTokens: made, CacheReadInputTokens: u.Cached, OutputTokens: u.Completion,
		TruncatedMessages: u.LeftOut.Messages,
	}
}

// used is what the answer cost. Anthropic counts tokens from the cache beside the others, and core among them.
func (a *assembler) used() usage {
	out := usageOf(a.usage)
	if a.usage.Reasoning > 0 {
		out.OutputDetails = &outputDetails{a.usage.Reasoning}
	}
	return out
}
