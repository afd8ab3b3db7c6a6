package ollama

import (
	"encoding/json"
	"fmt"
	"strings"

	"ashatai/internal/api"
	"ashatai/internal/core"
)

// chatRequest is the body of POST /api/chat.
type chatRequest struct {
	common

	Messages []message `json:"messages,omitempty"`
	Tools    []tool    `json:"tools,omitempty"`
}

type message struct {
	Role       string     `json:"role" required:"true" doc:"system, user, assistant or tool"`
	Content    *string    `json:"content,omitempty"`
	Thinking   *string    `json:"thinking,omitempty"`
	ToolCalls  []sentCall `json:"tool_calls,omitempty"`
	ToolName   *string    `json:"tool_name,omitempty"`
	ToolCallID *string    `json:"tool_call_id,omitempty"`

	Images json.RawMessage `json:"images,omitempty"`
}

// sentCall is a call in a message that came back.
type sentCall struct {
	ID       string       `json:"id,omitempty"`
	Type     string       `json:"type,omitempty" doc:"function"`
	Function sentFunction `json:"function"`
}

type sentFunction struct {
	Index       *int            `json:"index,omitempty"`
	Name        string          `json:"name" required:"true"`
	Description string          `json:"description,omitempty"`
	Arguments   json.RawMessage `json:"arguments,omitempty" doc:"an object"`
}

// tool is a function that the model may ask for. Items is Ollama's and says nothing.
type tool struct {
	Type     string          `json:"type,omitempty" doc:"function"`
	Items    json.RawMessage `json:"items,omitempty"`
	Function toolFunction    `json:"function"`
}

type toolFunction struct {
	Type        string          `json:"type,omitempty"`
	Name        string          `json:"name" required:"true"`
	Description string          `json:"description,omitempty"`
	Parameters  json.RawMessage `json:"parameters,omitempty" doc:"JSON schema of the arguments"`
	Strict      bool            `json:"strict,omitempty"`
}

// request checks the body and makes the core request of it, and says which context the caller wants.
func (c *chatRequest) request(t api.Table) (_ *core.Request, context int, _ error) {
	if err := t.Screen("", "", *c); err != nil {
		return nil, 0, err
	}
	req, context, err := c.common.request(t)
	if err != nil {
		return nil, 0, err
	}
	if req.Messages, err = conversationOf(t, c.Messages); err != nil {
		return nil, 0, err
	}
	if n := len(req.Messages); n > 0 {
		last := req.Messages[n-1] // as with Ollama, what the assistant began is gone on from
		req.Continue = last.Role == core.RoleAssistant && len(last.ToolCalls) == 0 && strings.TrimSpace(last.Content) != ""
	}
	req.Tools, err = toolsOf(c.Tools)
	return req, context, err
}

func toolsOf(list []tool) ([]core.Tool, error) {
	if len(list) > core.MaxTools {
		return nil, core.Invalid("tools", "tools has %d entries; at most %d are allowed.", len(list), core.MaxTools)
	}
	var out []core.Tool
	for i, t := range list {
		at := fmt.Sprintf("tools.%d", i)
		switch {
		case t.Type != "" && t.Type != "function":
			return nil, core.Invalid(at+".type", "%s.type is %s; the only type is function.", at, api.Show(t.Type))
		case t.Function.Name == "" || len(t.Function.Name) > core.MaxToolNameBytes:
			return nil, core.Invalid(at+".function.name", "%s.function.name has %d bytes; it must have between 1 and %d.", at, len(t.Function.Name), core.MaxToolNameBytes)
		}
		out = append(out, core.Tool{Name: t.Function.Name, Description: t.Function.Description, Strict: t.Function.Strict})
		if p := t.Function.Parameters; api.Present(p) {
			if p[0] != '{' || len(p) > core.MaxSchemaBytes {
				return nil, core.Invalid(at+".function.parameters", "%s.function.parameters must be a JSON schema, an object of at most %d bytes.", at, core.MaxSchemaBytes)
			}
			out[i].Parameters = p
		}
	}
	return out, nil
}

// conversationOf reads messages. Ollama's clients leave the ids of calls out, so those without one get one here, and an
// answer without one belongs to the first call before it that is still open and has its name.
func conversationOf(t api.Table, list []message) ([]core.Message, error) {
	if len(list) > core.MaxMessages {
		return nil, core.Invalid("messages", "The conversation has %d messages; at most %d are allowed.", len(list), core.MaxMessages)
	}
	var open openCalls
	out := make([]core.Message, len(list))
	for i := range list {
		where := fmt.Sprintf("messages.%d.", i)
		if err := t.Screen("messages.", where, list[i]); err != nil {
			return nil, err
		}
		m, err := list[i].message(where, &open)
		if err != nil {
			return nil, err
		}
		out[i] = m
	}
	return out, nil
}

func (m *message) message(where string, open *openCalls) (core.Message, error) {
	out := core.Message{Role: core.Role(strings.ToLower(m.Role))}
	switch out.Role {
	case core.RoleSystem, core.RoleUser, core.RoleAssistant, core.RoleTool:
	default:
		return out, core.Invalid(where+"role", "%srole is %s; it is system, user, assistant or tool.", where, api.Show(m.Role))
	}
	if m.Content != nil {
		out.Content = *m.Content
	}
	if len(m.ToolCalls) > 0 && out.Role != core.RoleAssistant {
		return out, core.Invalid(where+"tool_calls", "%stool_calls is for messages of the assistant.", where)
	}
	if out.Role == core.RoleAssistant && m.Thinking != nil {
		out.Reasoning = *m.Thinking
	}
	for i, c := range m.ToolCalls {
		call, err := c.call(fmt.Sprintf("%stool_calls.%d", where, i))
		if err != nil {
			return out, err
		}
		out.ToolCalls = append(out.ToolCalls, open.add(call))
	}
	if out.Role != core.RoleTool {
		return out, nil
	}
	if m.ToolName != nil {
		out.Name = *m.ToolName
	}
	given := ""
	if m.ToolCallID != nil {
		given = *m.ToolCallID
	}
	out.ToolCallID, out.Name = open.answer(given, out.Name)
	return out, nil
}

func (c sentCall) call(at string) (core.ToolCall, error) {
	f := c.Function
	if c.Type != "" && c.Type != "function" {
		return core.ToolCall{}, core.Invalid(at+".type", "%s.type is %s; the only type is function.", at, api.Show(c.Type))
	}
	if f.Name == "" {
		return core.ToolCall{}, core.Invalid(at+".function.name", "%s.function.name is missing.", at)
	}
	args := "{}"
	if api.Present(f.Arguments) {
		if args = api.Compact(f.Arguments); args[0] != '{' {
			return core.ToolCall{}, core.Invalid(at+".function.arguments", "%s.function.arguments must be an object.", at)
		}
	}
	return core.ToolCall{ID: c.ID, Name: f.Name, Arguments: args}, nil
}

// openCalls are the calls of a conversation that no message has answered so far.
type openCalls struct {
	calls []core.ToolCall
	count int
}

// add opens a call, and gives it an id where it has none.
func (o *openCalls) add(c core.ToolCall) core.ToolCall {
	if c.ID == "" {
		c.ID = fmt.Sprintf("call_%d", o.count)
	}
	o.count++
	o.calls = append(o.calls, c)
	return c
}

// answer closes the call that an answer is for, and returns its id and the name of its tool.
func (o *openCalls) answer(id, name string) (callID, tool string) {
	for i, c := range o.calls {
		if id != "" && c.ID != id || id == "" && name != "" && c.Name != name {
			continue
		}
		o.calls = append(o.calls[:i:i], o.calls[i+1:]...)
		if name == "" {
			name = c.Name
		}
		return c.ID, name
	}
	return id, name
}
