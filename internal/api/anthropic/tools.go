package anthropic

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"ashatai/internal/api"
	"ashatai/internal/core"
)

// customTool is a tool that the caller runs; the only kind there is.
type customTool struct {
	toolOthers

	Type        *string         `json:"type,omitempty"`
	Name        string          `json:"name"`
	Description *string         `json:"description,omitempty"`
	InputSchema json.RawMessage `json:"input_schema"`
	Strict      *bool           `json:"strict,omitempty"`

	CacheControl *cacheControl `json:"cache_control,omitempty"`
}

// toolOthers are the fields that only Fields decides.
type toolOthers struct {
	EagerInputStreaming json.RawMessage `json:"eager_input_streaming,omitempty"`
	DeferLoading        json.RawMessage `json:"defer_loading,omitempty"`
	AllowedCallers      json.RawMessage `json:"allowed_callers,omitempty"`
	InputExamples       json.RawMessage `json:"input_examples,omitempty"`
}

var toolName = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,128}$`)

// tools reads the tool definitions.
// The last result says whether they are to be kept in the prompt.
func tools(t api.Table, in []json.RawMessage) (_ []core.Tool, pin bool, _ error) {
	if len(in) > core.MaxTools {
		return nil, false, core.Invalid("tools", "tools has %d entries; at most %d are allowed.", len(in), core.MaxTools)
	}
	var out []core.Tool
	for i, raw := range in {
		where := fmt.Sprintf("tools.%d", i)
		tool, kept, err := oneTool(t, where, raw)
		if err != nil {
			return nil, false, err
		}
		if slices.ContainsFunc(out, func(o core.Tool) bool { return o.Name == tool.Name }) {
			return nil, false, core.Invalid(where+".name", "%s.name is %s, which another tool has; each tool needs a name of its own.", where, api.Show(tool.Name))
		}
		pin = pin || kept
		out = append(out, tool)
	}
	return out, pin, nil
}

func oneTool(t api.Table, where string, raw json.RawMessage) (_ core.Tool, pin bool, _ error) {
	var head struct {
		Type any `json:"type"`
	}
	if raw[0] != '{' || json.Unmarshal(raw, &head) != nil {
		return core.Tool{}, false, core.Invalid(where, "%s is not a tool; a tool is an object with name, description and input_schema.", where)
	}
	// A built-in tool has fields of its own, so it is refused before they are looked at.
	if k, ok := head.Type.(string); ok && k != "custom" {
		return core.Tool{}, false, core.Invalid(where+".type", "%s.type is %s. %s.", where, api.Show(k), noServer)
	}
	var b customTool
	if err := strict(where, raw, &b); err != nil {
		return core.Tool{}, false, err
	}
	if err := t.Screen("tools.", where+".", b.toolOthers); err != nil {
		return core.Tool{}, false, err
	}
	if !toolName.MatchString(b.Name) {
		return core.Tool{}, false, core.Invalid(where+".name", "%s.name is %s; it has 1 to 128 letters, digits, '_' and '-'.", where, api.Show(b.Name))
	}
	schema, err := objectSchema(where+".input_schema", b.InputSchema)
	if err != nil {
		return core.Tool{}, false, err
	}
	out := core.Tool{Name: b.Name, Parameters: schema, Strict: b.Strict != nil && *b.Strict}
	if b.Description != nil {
		out.Description = *b.Description
	}
	return out, b.CacheControl != nil, nil
}

// objectSchema takes a JSON schema whose type is object. What stands in it is for those to judge who enforce it.
func objectSchema(where string, raw json.RawMessage) (json.RawMessage, error) {
	var head struct {
		Type any `json:"type"`
	}
	if len(raw) == 0 || raw[0] != '{' || json.Unmarshal(raw, &head) != nil {
		return nil, core.Invalid(where, "%s is missing or no object; it is a JSON schema of type object.", where)
	}
	if head.Type != "object" {
		return nil, core.Invalid(where+".type", "%s.type must be \"object\".", where)
	}
	return schemaText(where, raw)
}

// schemaText is a schema without its spaces, within bounds.
func schemaText(where string, raw json.RawMessage) (json.RawMessage, error) {
	text := api.Compact(raw)
	if len(text) > core.MaxSchemaBytes {
		return nil, core.Invalid(where, "%s has %d bytes; at most %d are allowed.", where, len(text), core.MaxSchemaBytes)
	}
	return json.RawMessage(text), nil
}

type toolChoice struct {
	Type                   string  `json:"type" required:"true" enum:"auto,any,tool,none"`
	Name                   *string `json:"name,omitempty"`
	DisableParallelToolUse *bool   `json:"disable_parallel_tool_use,omitempty"`
}

// choice is the caller's word on calls; c may be nil.
func (c *toolChoice) choice(tools []core.Tool) (core.ToolChoice, error) {
	const name = "tool_choice"
	var out core.ToolChoice
	if c == nil {
		return out, nil
	}
	out.Single = c.DisableParallelToolUse != nil && *c.DisableParallelToolUse
	switch c.Type {
	case "auto":
		out.Mode = core.ToolAuto
	case "none":
		out.Mode = core.ToolNone
	case "any":
		out.Mode = core.ToolRequired
	case "tool":
		out.Mode = core.ToolNamed
		if c.Name == nil || !slices.ContainsFunc(tools, func(t core.Tool) bool { return t.Name == *c.Name }) {
			return out, core.Invalid(name+".name", "%s.name must be the name of one of tools: %s.", name, toolNames(tools))
		}
		out.Name = *c.Name
	default:
		return out, core.Invalid(name+".type", "%s.type is %s; it is auto, any, tool or none.", name, api.Show(c.Type))
	}
	if c.Name != nil && out.Mode != core.ToolNamed {
		return out, core.Invalid(name+".name", "%s.name is only allowed with the type tool.", name)
	}
	if out.Mode == core.ToolRequired && len(tools) == 0 {
		return out, core.Invalid(name, "%s asks for a call, and there are no tools.", name)
	}
	return out, nil
}

func toolNames(tools []core.Tool) string {
	if len(tools) == 0 {
		return "there are none"
	}
	names := make([]string, len(tools))
	for i, t := range tools {
		names[i] = t.Name
	}
	return strings.Join(names, ", ")
}
