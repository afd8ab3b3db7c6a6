package openai

import (
	"bytes"
	"encoding/json"
	"fmt"

	"ashatai/internal/api"
	"ashatai/internal/api/openai/param"
	"ashatai/internal/core"
)

// chatMessage is one turn of the conversation as clients send it.
type chatMessage struct {
	chatMessageOthers

	Role             string          `json:"role"`
	Content          json.RawMessage `json:"content"`
	Name             *string         `json:"name,omitempty"`
	ToolCalls        []toolCall      `json:"tool_calls,omitempty"`
	ToolCallID       *string         `json:"tool_call_id,omitempty"`
	FunctionCall     *calledFunction `json:"function_call,omitempty"`
	ReasoningContent *string         `json:"reasoning_content,omitempty"`
}

// chatMessageOthers are the fields that only Fields decides.
type chatMessageOthers struct {
	Refusal     json.RawMessage `json:"refusal,omitempty"`
	Audio       json.RawMessage `json:"audio,omitempty"`
	Annotations json.RawMessage `json:"annotations,omitempty"`
}

// toolCall is a call as an assistant's message carries it, in requests and in answers.
type toolCall struct {
	Index    *int            `json:"index,omitempty"` // of a piece in a stream; clients send it back
	ID       string          `json:"id,omitempty"`
	Type     string          `json:"type,omitempty"`
	Function *calledFunction `json:"function"`
}

type calledFunction struct {
	Name      string `json:"name,omitempty"`
	Arguments string `json:"arguments"`
}

// messages reads a conversation.
func messages(t api.Table, in []chatMessage) ([]core.Message, error) {
	if len(in) == 0 {
		return nil, core.Invalid("messages", "messages is missing or empty; a conversation has at least one message.")
	}
	if len(in) > core.MaxMessages {
		return nil, core.Invalid("messages", "The conversation has %d messages; at most %d are allowed.", len(in), core.MaxMessages)
	}
	out := make([]core.Message, len(in))
	calls := map[string]string{} // id of each call so far → name of its tool
	var old core.ToolCall        // the last call of the old form, which has no id
	for i := range in {
		m := &in[i]
		where := fmt.Sprintf("messages.%d.", i)
		var err error
		if out[i], err = m.message(t, where); err != nil {
			return nil, err
		}
		if m.FunctionCall != nil {
			old = core.ToolCall{ID: fmt.Sprintf("call_%d", i), Name: m.FunctionCall.Name, Arguments: m.FunctionCall.Arguments}
			if out[i].ToolCalls, err = calledTools(where, []toolCall{{ID: old.ID, Type: "function", Function: m.FunctionCall}}); err != nil {
				return nil, err
			}
		}
		for _, c := range out[i].ToolCalls {
			calls[c.ID] = c.Name
		}
		if out[i].Role != core.RoleTool {
			continue
		}
		if err := answersCall(&out[i], where, m.Role == "function", old, calls); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// answersCall ties a tool's message to the call before it.
func answersCall(m *core.Message, where string, oldForm bool, old core.ToolCall, calls map[string]string) error {
	if oldForm {
		if old.Name == "" || m.Name != old.Name {
			return core.Invalid(where+"name", "%sname is %s, and no function of that name was called before.", where, api.Show(m.Name))
		}
		m.ToolCallID = old.ID
		return nil
	}
	name, ok := calls[m.ToolCallID]
	if !ok {
		return core.Invalid(where+"tool_call_id", "%stool_call_id is %s, and no earlier message has a call with that id.", where, api.Show(m.ToolCallID))
	}
	if m.Name == "" {
		m.Name = name
	}
	return nil
}

func (m *chatMessage) message(t api.Table, where string) (core.Message, error) {
	var out core.Message
	switch m.Role {
	case "system", "developer":
		out.Role = core.RoleSystem
	case "user":
		out.Role = core.RoleUser
	case "assistant":
		out.Role = core.RoleAssistant
	case "tool", "function":
		out.Role = core.RoleTool
	case "":
		return out, core.Invalid(where+"role", "%srole is missing; it is system, developer, user, assistant or tool.", where)
	default:
		return out, core.Invalid(where+"role", "%srole is %s; it is system, developer, user, assistant or tool.", where, api.Show(m.Role))
	}
	if err := t.Screen("messages.", where, m.chatMessageOthers); err != nil {
		return out, err
	}
	if err := m.fits(out.Role, where); err != nil {
		return out, err
	}
	if m.Name != nil {
		out.Name = *m.Name
	}
	if m.ToolCallID != nil {
		out.ToolCallID = *m.ToolCallID
	}
	if m.ReasoningContent != nil {
		out.Reasoning = *m.ReasoningContent
	}
	var err error
	if out.ToolCalls, err = calledTools(where, m.ToolCalls); err != nil {
		return out, err
	}
	if calls := len(m.ToolCalls) > 0 || m.FunctionCall != nil; calls && !api.Present(m.Content) {
		return out, nil
	}
	out.Content, err = content(where+"content", m.Content)
	return out, err
}

// fits refuses fields that a message of the role does not have.
func (m *chatMessage) fits(role core.Role, where string) error {
	for _, f := range []struct {
		name  string
		given bool
		role  core.Role
	}{
		{"tool_calls", len(m.ToolCalls) > 0, core.RoleAssistant},
		{"function_call", m.FunctionCall != nil, core.RoleAssistant},
		{"reasoning_content", m.ReasoningContent != nil && *m.ReasoningContent != "", core.RoleAssistant},
		{"tool_call_id", m.ToolCallID != nil && *m.ToolCallID != "", core.RoleTool},
	} {
		if f.given && role != f.role {
			return core.Invalid(where+f.name, "%s%s belongs to a message of the role %s, and this one has the role %s.", where, f.name, f.role, m.Role)
		}
	}
	return nil
}

// calledTools reads the calls of an assistant's message.
func calledTools(where string, in []toolCall) ([]core.ToolCall, error) {
	if len(in) > core.MaxTools {
		return nil, core.Invalid(where+"tool_calls", "%stool_calls has %d entries; at most %d are allowed.", where, len(in), core.MaxTools)
	}
	var out []core.ToolCall
	for i, c := range in {
		at := fmt.Sprintf("%stool_calls.%d", where, i)
		if c.Type != "" && c.Type != "function" {
			return nil, core.Invalid(at+".type", "%s.type is %s; this server knows calls of the type function.", at, api.Show(c.Type))
		}
		if c.ID == "" || c.Function == nil || c.Function.Name == "" {
			return nil, core.Invalid(at, "%s must have an id, and a function with a name and its arguments.", at)
		}
		call, err := param.Call(at+".function.arguments", core.ToolCall{ID: c.ID, Name: c.Function.Name, Arguments: c.Function.Arguments})
		if err != nil {
			return nil, err
		}
		out = append(out, call)
	}
	return out, nil
}

// part is one element of a content list.
type part struct {
	Type string  `json:"type"`
	Text *string `json:"text"`
}

// content reads a string or a list of text parts, which are joined as they are.
func content(where string, raw json.RawMessage) (string, error) {
	if !api.Present(raw) {
		return "", core.Invalid(where, "%s is missing; it is a string or a list of text parts.", where)
	}
	var text string
	if raw[0] == '"' {
		if err := json.Unmarshal(raw, &text); err != nil {
			return "", core.Wrap(core.CodeInvalidRequest, err, "%s is not a valid JSON string.", where)
		}
		return text, nil
	}
	var list []json.RawMessage
	if raw[0] != '[' || json.Unmarshal(raw, &list) != nil {
		return "", core.Invalid(where, "%s is neither a string nor a list of parts.", where)
	}
	if len(list) == 0 {
		return "", core.Invalid(where, "%s is an empty list; it has at least one text part.", where)
	}
	var all []byte
	for i, raw := range list {
		at := fmt.Sprintf("%s.%d", where, i)
		var kind struct {
			Type string `json:"type"`
		}
		if raw[0] != '{' || json.Unmarshal(raw, &kind) != nil || kind.Type == "" {
			return "", core.Invalid(at, "%s is not a part; a part is an object such as {\"type\":\"text\",\"text\":\"…\"}.", at)
		}
		if kind.Type != "text" {
			return "", core.Invalid(at+".type", "%s.type is %s. %s: send parts of type text.", at, api.Show(kind.Type), noMedia)
		}
		var p part
		dec := json.NewDecoder(bytes.NewReader(raw))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&p); err != nil || p.Text == nil {
			return "", core.Invalid(at, "%s must have the fields type and text, both strings, and no others.", at)
		}
		all = append(all, *p.Text...)
	}
	return string(all), nil
}
