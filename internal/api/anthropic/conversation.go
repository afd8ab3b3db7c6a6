package anthropic

import (
	"encoding/json"
	"fmt"
	"strings"

	"ashatai/internal/api"
	"ashatai/internal/core"
)

// conversation gathers messages into turns: as with Anthropic, messages of one role that follow each other are one turn.
type conversation struct {
	reader

	turns  []*turn
	blocks int // read so far
}

// maxBlocks bounds the content blocks of one request: reading one costs more than its few bytes do.
const maxBlocks = 10_000

// turn is what one speaker says before another one does.
type turn struct {
	role    core.Role
	where   string // of its first message
	text    strings.Builder
	said    bool // there was a text, be it empty
	begun   bool // there was one in the message that is read
	thought strings.Builder
	calls   []core.ToolCall
	names   map[string]string // of the tools that were called, by the id of the call
	results []core.Message
	known   map[string]bool // ids of the results
	pins    []int           // places in the text up to which the prompt is to be kept
	kept    []int           // results up to which it is to be kept, by index
}

// say appends a text. What an assistant wrote in one message goes together as it was written.
func (t *turn) say(text string) {
	if t.text.Len() > 0 && text != "" {
		switch {
		case !t.begun:
			t.text.WriteString("\n\n")
		case t.role != core.RoleAssistant:
			t.text.WriteByte('\n')
		}
	}
	t.text.WriteString(text)
	t.said, t.begun = true, true
}

func (c *conversation) last() *turn { return c.turns[len(c.turns)-1] }

// open starts a message: in a new turn, or in the last one where it has the same speaker.
func (c *conversation) open(role core.Role, where string) *turn {
	if len(c.turns) == 0 || c.last().role != role {
		c.turns = append(c.turns, &turn{role: role, where: where, names: map[string]string{}, known: map[string]bool{}})
	}
	c.last().begun = false
	return c.last()
}

// add reads message i.
func (c *conversation) add(i int, m *message) error {
	where := fmt.Sprintf("messages.%d", i)
	role := core.Role(m.Role)
	switch role { //nolint:exhaustive // RoleTool is no role here
	case core.RoleUser, core.RoleAssistant, core.RoleSystem:
	default:
		return core.Invalid(where+".role", "%s.role is %s; it is user, assistant or system.", where, api.Show(m.Role))
	}
	t := c.open(role, where)
	where += ".content"
	if role == core.RoleSystem {
		return c.system(t, m.Content, where)
	}
	blocks, text, err := list(where, m.Content)
	if err != nil {
		return err
	}
	if blocks == nil {
		t.say(text)
		return nil
	}
	if len(blocks) == 0 && role == core.RoleUser { // an assistant's answer may have been empty
		return core.Invalid(where, "%s is an empty list; it has at least one content block.", where)
	}
	if c.blocks += len(blocks); c.blocks > maxBlocks {
		return core.Invalid(where, "The messages up to %s have %d content blocks; at most %d are allowed.", where, c.blocks, maxBlocks)
	}
	for k, raw := range blocks {
		if err := c.block(raw, fmt.Sprintf("%s.%d", where, k)); err != nil {
			return err
		}
	}
	return nil
}

// block reads one content block into the last turn.
func (c *conversation) block(raw json.RawMessage, where string) error {
	k, err := kind(where, raw)
	if err != nil {
		return err
	}
	t := c.last()
	switch {
	case k == "text":
		text, pin, err := c.text(raw, blockNames+"text.", where)
		t.say(text)
		if pin {
			t.pins = append(t.pins, t.text.Len())
		}
		return err
	case k == "tool_result" && t.role == core.RoleUser:
		return c.result(raw, where)
	case k == "tool_use" && t.role == core.RoleAssistant:
		return c.call(raw, where)
	case k == "thinking" && t.role == core.RoleAssistant:
		text, err := c.thinking(raw, where)
		t.thought.WriteString(text)
		return err
	case k == "redacted_thinking" && t.role == core.RoleAssistant:
		var b redactedBlock
		return c.read(raw, blockNames+"redacted_thinking.", where, &b, func() any { return b })
	case t.role == core.RoleUser:
		return c.unknown(where, k, "text or tool_result")
	}
	return c.unknown(where, k, "text, tool_use, thinking or redacted_thinking")
}

// system reads a system message, whose text is pinned as its last block says.
func (c *conversation) system(t *turn, raw json.RawMessage, where string) error {
	text, pinned, err := c.texts(raw, "system.", where)
	t.say(text)
	for _, at := range pinned {
		t.pins = append(t.pins, t.text.Len()-len(text)+at)
	}
	return err
}

func (c *conversation) call(raw json.RawMessage, where string) error {
	t := c.last()
	call, pin, err := c.toolUse(raw, where)
	if err != nil {
		return err
	}
	if pin {
		t.pins = append(t.pins, t.text.Len())
	}
	if t.names[call.ID] != "" {
		return core.Invalid(where+".id", "%s.id is %s, which another tool_use of this turn has; ids are given once.", where, api.Show(call.ID))
	}
	t.names[call.ID] = call.Name
	t.calls = append(t.calls, call)
	return nil
}

// result reads a tool_result block, which must answer a call of the turn before and stand before any text.
func (c *conversation) result(raw json.RawMessage, where string) error {
	t := c.last()
	out, pin, err := c.toolResult(raw, where)
	if err != nil {
		return err
	}
	id := where + ".tool_use_id"
	if t.known[out.ToolCallID] {
		return core.Invalid(id, "%s is %s, which has a tool_result before.", id, api.Show(out.ToolCallID))
	}
	if len(c.turns) > 1 {
		out.Name = c.turns[len(c.turns)-2].names[out.ToolCallID]
	}
	if out.Name == "" {
		return core.Invalid(id, "%s is %s; there is no tool_use block of that id in the message before.", id, api.Show(out.ToolCallID))
	}
	if t.said {
		return core.Invalid(where, "%s is a tool_result after a text; results come first in what the user says.", where)
	}
	t.known[out.ToolCallID] = true
	if pin {
		t.kept = append(t.kept, len(t.results))
	}
	t.results = append(t.results, out)
	return nil
}

// finish checks what only the whole shows, and makes core's messages of the turns, and its pins.
func (c *conversation) finish() ([]core.Message, []core.Pin, error) {
	out := make([]core.Message, 0, len(c.turns))
	var pins []core.Pin
	for i, t := range c.turns {
		if i+1 < len(c.turns) {
			if err := answered(t, c.turns[i+1]); err != nil {
				return nil, nil, err
			}
		}
		for _, k := range t.kept {
			pins = append(pins, core.Pin{Message: len(out) + k, Byte: len(t.results[k].Content)})
		}
		out = append(out, t.results...)
		for _, at := range t.pins {
			pins = append(pins, core.Pin{Message: len(out), Byte: at})
		}
		if t.said || len(t.results) == 0 {
			out = append(out, core.Message{Role: t.role, Content: t.text.String(), Reasoning: t.thought.String(), ToolCalls: t.calls})
		}
	}
	if t := c.last(); t.role == core.RoleAssistant {
		return out, pins, begun(t)
	}
	return out, pins, nil
}

// begun checks the assistant's last words, which the answer goes on from.
func begun(t *turn) error {
	text := t.text.String()
	switch {
	case len(t.calls) > 0:
		return core.Invalid(t.where, "The conversation ends with calls of the assistant in %s; go on with their results, in a message from the user.", t.where)
	case strings.TrimSpace(text) == "":
		return core.Invalid(t.where, "The conversation ends with %s, which is the assistant's and holds no text to go on from. Leave it out, or end with a message from the user.", t.where)
	case strings.TrimRight(text, " \t\r\n") != text:
		return core.Invalid(t.where, "The conversation ends with %s, which is the assistant's and ends with white space. Models write it before a word: leave it off.", t.where)
	}
	return nil
}

// answered checks that each call of a turn has its result in the next one.
func answered(t, next *turn) error {
	for _, call := range t.calls {
		if !next.known[call.ID] {
			return core.Invalid(next.where, "%s holds no tool_result for the tool_use %s before it; every call needs one, right after it.", next.where, api.Show(call.ID))
		}
	}
	return nil
}
