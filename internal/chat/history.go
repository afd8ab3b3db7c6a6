package chat

import (
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"slices"
	"strings"

	"ashatai/internal/chat/reply"
	"ashatai/internal/core"
)

// conversation is the conversation as this template takes it. The caller's messages are not changed.
func (t *Template) conversation(in Input) []core.Message {
	withTools := len(in.Tools) > 0 || slices.ContainsFunc(in.Messages, func(m core.Message) bool {
		return m.Role == core.RoleTool || len(m.ToolCalls) > 0
	})
	if !withTools {
		return in.Messages
	}
	out := identified(in.Messages)
	if !t.tools {
		return t.plain(out, in.Tools)
	}
	if t.form.OneCall() {
		out = oneByOne(out)
	}
	for i := range out {
		m := &out[i]
		if t.shortIDs {
			shorten(m)
		}
		if !t.calls && len(m.ToolCalls) > 0 {
			m.Content, m.ToolCalls = t.form.Write(m.Content, m.ToolCalls), nil
		}
		if t.channels && m.Reasoning != "" && len(m.ToolCalls) > 0 && m.Content != "" {
			m.Reasoning, m.Content = m.Reasoning+"\n\n"+m.Content, "" // such a turn has room for one of them
		}
	}
	return out
}

// identified gives an id to every call that has none, and to every result the id and the name of its call: that of the
// same name, else the next one without a result.
func identified(in []core.Message) []core.Message {
	out := slices.Clone(in)
	var open []core.ToolCall
	n := 0
	for i := range out {
		m := &out[i]
		if len(m.ToolCalls) > 0 {
			m.ToolCalls = slices.Clone(m.ToolCalls)
			for k := range m.ToolCalls {
				n++
				if m.ToolCalls[k].ID == "" {
					m.ToolCalls[k].ID = fmt.Sprintf("call%05d", n)
				}
				if m.ToolCalls[k].Arguments == "" {
					m.ToolCalls[k].Arguments = "{}"
				}
			}
			open = slices.Clone(m.ToolCalls)
		}
		if m.Role != core.RoleTool {
			continue
		}
		at := slices.IndexFunc(open, func(c core.ToolCall) bool {
			if m.ToolCallID != "" {
				return c.ID == m.ToolCallID
			}
			return c.Name == m.Name
		})
		if at < 0 && m.ToolCallID == "" && m.Name == "" && len(open) > 0 {
			at = 0
		}
		if at >= 0 {
			m.ToolCallID, m.Name = open[at].ID, open[at].Name
			open = slices.Delete(open, at, at+1)
		}
	}
	return out
}

// oneByOne splits turns with several calls, each followed by its result, for templates that take one call a turn.
func oneByOne(in []core.Message) []core.Message {
	var out []core.Message
	for i := 0; i < len(in); i++ {
		m := in[i]
		if len(m.ToolCalls) < 2 {
			out = append(out, m)
			continue
		}
		end := i + 1
		for end < len(in) && in[end].Role == core.RoleTool {
			end++
		}
		results := slices.Clone(in[i+1 : end])
		for k, c := range m.ToolCalls {
			turn := m
			turn.ToolCalls = []core.ToolCall{c}
			if k > 0 {
				turn.Content, turn.Reasoning = "", ""
			}
			out = append(out, turn)
			if at := slices.IndexFunc(results, func(r core.Message) bool { return r.ToolCallID == c.ID }); at >= 0 {
				out = append(out, results[at])
				results = slices.Delete(results, at, at+1)
			}
		}
		out = append(out, results...)
		i = end - 1
	}
	return out
}

// shortID is how long the ids are that some templates insist on.
const shortID = 9

// shorten makes ids of nine letters and digits of others: the same id always becomes the same.
func shorten(m *core.Message) {
	m.ToolCallID = shortened(m.ToolCallID)
	for k := range m.ToolCalls {
		m.ToolCalls[k].ID = shortened(m.ToolCalls[k].ID)
	}
}

func shortened(id string) string {
	good := func(c rune) bool { return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z' }
	if id == "" || len(id) == shortID && !strings.ContainsFunc(id, func(c rune) bool { return !good(c) }) {
		return id
	}
	sum := sha256.Sum256([]byte(id))
	return strings.ToLower(base32.StdEncoding.EncodeToString(sum[:]))[:shortID]
}

// plain writes tools, calls and results into the text of the turns that every template knows; package reply documents
// the form.
func (t *Template) plain(in []core.Message, tools []core.Tool) []core.Message {
	var out []core.Message
	for _, m := range in {
		switch {
		case m.Role == core.RoleTool:
			m = core.Message{Role: core.RoleUser, Content: "<tool_response>\n" + m.Content + "\n</tool_response>"}
		case len(m.ToolCalls) > 0:
			m.Content, m.ToolCalls = reply.Plain().Write(m.Content, m.ToolCalls), nil
		}
		// Many templates want the turns to alternate.
		if last := len(out) - 1; last >= 0 && m.Role == core.RoleUser && out[last].Role == core.RoleUser {
			out[last].Content += "\n" + m.Content
			continue
		}
		out = append(out, m)
	}
	if len(tools) > 0 {
		out = t.instruct(out, reply.Instructions(tools))
	}
	return out
}

// instruct puts a text at the end of the system message, or of one of its own; for a template without system messages at
// the beginning of the first turn of the user.
func (t *Template) instruct(in []core.Message, text string) []core.Message {
	role := core.RoleSystem
	if t.noSystem {
		role = core.RoleUser
	}
	at := slices.IndexFunc(in, func(m core.Message) bool { return m.Role == role })
	switch {
	case at < 0:
		return slices.Insert(in, 0, core.Message{Role: role, Content: text})
	case t.noSystem:
		in[at].Content = text + "\n\n" + in[at].Content
	default:
		in[at].Content += "\n\n" + text
	}
	return in
}
