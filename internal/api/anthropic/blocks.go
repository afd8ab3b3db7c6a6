package anthropic

import (
	"encoding/json"
	"fmt"
	"strings"

	"ashatai/internal/api"
	"ashatai/internal/core"
)

// The content blocks that are read. Every other type is refused, by its row in Fields where it has one.
type (
	textBlock struct {
		Type         string          `json:"type"`
		Text         *string         `json:"text"`
		CacheControl *cacheControl   `json:"cache_control,omitempty"`
		Citations    json.RawMessage `json:"citations,omitempty"`
	}
	toolUseBlock struct {
		Type         string          `json:"type"`
		ID           string          `json:"id"`
		Name         string          `json:"name"`
		Input        json.RawMessage `json:"input"`
		CacheControl *cacheControl   `json:"cache_control,omitempty"`
		Caller       json.RawMessage `json:"caller,omitempty"`
		ToolsetName  json.RawMessage `json:"toolset_name,omitempty"`
	}
	toolResultBlock struct {
		Type         string          `json:"type"`
		ToolUseID    string          `json:"tool_use_id"`
		Content      json.RawMessage `json:"content,omitempty"`
		IsError      *bool           `json:"is_error,omitempty"`
		CacheControl *cacheControl   `json:"cache_control,omitempty"`
		ToolsetName  json.RawMessage `json:"toolset_name,omitempty"`
	}
	thinkingBlock struct {
		Type         string          `json:"type"`
		Thinking     *string         `json:"thinking"`
		Signature    json.RawMessage `json:"signature,omitempty"`
		CacheControl json.RawMessage `json:"cache_control,omitempty"`
	}
	redactedBlock struct {
		Type string          `json:"type"`
		Data json.RawMessage `json:"data,omitempty"`
	}
)

const blockNames = "messages.content."

// reader reads content blocks of one endpoint's request.
type reader struct {
	t api.Table
}

// list splits content into its blocks. A string is one block of text: its text is returned in place of a list.
func list(where string, raw json.RawMessage) (blocks []json.RawMessage, text string, err error) {
	switch {
	case !api.Present(raw):
		return nil, "", core.Invalid(where, "%s is missing; it is a string or a list of content blocks.", where)
	case raw[0] == '"':
		if err := json.Unmarshal(raw, &text); err != nil {
			return nil, "", core.Wrap(core.CodeInvalidRequest, err, "%s is not a valid JSON string.", where)
		}
		return nil, text, nil
	case raw[0] != '[' || json.Unmarshal(raw, &blocks) != nil:
		return nil, "", core.Invalid(where, "%s is neither a string nor a list of content blocks.", where)
	}
	return blocks, "", nil
}

// kind is the type of the block at where.
func kind(where string, raw json.RawMessage) (string, error) {
	var head struct {
		Type string `json:"type"`
	}
	if raw[0] != '{' || json.Unmarshal(raw, &head) != nil || head.Type == "" {
		return "", core.Invalid(where, "%s is not a content block; a block is an object such as {\"type\":\"text\",\"text\":\"…\"}.", where)
	}
	return head.Type, nil
}

// unknown refuses a block of a type that is not read at its place.
func (r reader) unknown(where, kind, known string) error {
	param := where + ".type"
	if f, listed := r.t[blockNames+kind]; listed {
		return core.Invalid(param, "%s is %s, which is not supported. %s.", param, api.Show(kind), strings.TrimSuffix(f.Note, "."))
	}
	return core.Invalid(param, "%s is %s; here it can be %s.", param, api.Show(kind), known)
}

// texts reads content that can only be text; prefix is what the names of its blocks' fields begin with in the table.
//
// The pins are the places in the text behind the blocks that are to be kept.
func (r reader) texts(raw json.RawMessage, prefix, where string) (_ string, pins []int, _ error) {
	blocks, text, err := list(where, raw)
	if err != nil || blocks == nil {
		return text, nil, err
	}
	if len(blocks) > maxBlocks {
		return "", nil, core.Invalid(where, "%s has %d content blocks; at most %d are allowed.", where, len(blocks), maxBlocks)
	}
	var all strings.Builder
	for i, b := range blocks {
		here := fmt.Sprintf("%s.%d", where, i)
		k, err := kind(here, b)
		if err != nil {
			return "", nil, err
		}
		if k != "text" {
			return "", nil, r.unknown(here, k, "text")
		}
		text, pin, err := r.text(b, prefix, here)
		if err != nil {
			return "", nil, err
		}
		if i > 0 {
			all.WriteByte('\n')
		}
		all.WriteString(text)
		if pin {
			pins = append(pins, all.Len())
		}
	}
	return all.String(), pins, nil
}

func (r reader) text(raw json.RawMessage, prefix, where string) (_ string, pin bool, _ error) {
	var b textBlock
	if err := r.read(raw, prefix, where, &b, func() any { return b }); err != nil {
		return "", false, err
	}
	if b.Text == nil {
		return "", false, core.Invalid(where+".text", "%s.text is missing; it is a string.", where)
	}
	return *b.Text, b.CacheControl != nil, nil
}

// read decodes a block into v and screens what value then returns.
func (r reader) read(raw json.RawMessage, prefix, where string, v any, value func() any) error {
	if err := strict(where, raw, v); err != nil {
		return err
	}
	return r.t.Screen(prefix, where+".", value())
}

func (r reader) toolUse(raw json.RawMessage, where string) (_ core.ToolCall, pin bool, _ error) {
	var b toolUseBlock
	if err := r.read(raw, blockNames+"tool_use.", where, &b, func() any { return b }); err != nil {
		return core.ToolCall{}, false, err
	}
	if b.ID == "" || b.Name == "" {
		return core.ToolCall{}, false, core.Invalid(where, "%s needs an id and a name; send the block as the answer held it.", where)
	}
	if len(b.Input) == 0 || b.Input[0] != '{' {
		return core.ToolCall{}, false, core.Invalid(where+".input", "%s.input is missing or no object; it holds the arguments of the call.", where)
	}
	return core.ToolCall{ID: b.ID, Name: b.Name, Arguments: api.Compact(b.Input)}, b.CacheControl != nil, nil
}

func (r reader) toolResult(raw json.RawMessage, where string) (_ core.Message, pin bool, _ error) {
	var b toolResultBlock
	if err := r.read(raw, blockNames+"tool_result.", where, &b, func() any { return b }); err != nil {
		return core.Message{}, false, err
	}
	if b.ToolUseID == "" {
		return core.Message{}, false, core.Invalid(where+".tool_use_id", "%s.tool_use_id is missing; it is the id of the tool_use block that this answers.", where)
	}
	out := core.Message{Role: core.RoleTool, ToolCallID: b.ToolUseID}
	pin = b.CacheControl != nil
	if api.Present(b.Content) {
		var err error
		var pins []int
		if out.Content, pins, err = r.texts(b.Content, blockNames+"tool_result.content.", where+".content"); err != nil {
			return out, false, err
		}
		pin = pin || len(pins) > 0
	}
	if b.IsError != nil && *b.IsError {
		out.Content = "Error: " + out.Content
	}
	return out, pin, nil
}

func (r reader) thinking(raw json.RawMessage, where string) (string, error) {
	var b thinkingBlock
	if err := r.read(raw, blockNames+"thinking.", where, &b, func() any { return b }); err != nil {
		return "", err
	}
	if b.Thinking == nil {
		return "", core.Invalid(where+".thinking", "%s.thinking is missing; it is a string.", where)
	}
	return *b.Thinking, nil
}
