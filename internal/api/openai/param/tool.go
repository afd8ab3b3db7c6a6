package param

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	"ashatai/internal/api"
	"ashatai/internal/core"
)

// Function is a function that the model may call, as chat completions nest it and responses spell it out.
type Function struct {
	Name        string          `json:"name"`
	Description *string         `json:"description,omitempty"`
	Parameters  json.RawMessage `json:"parameters,omitempty"`
	Strict      *bool           `json:"strict,omitempty"`
}

// Tool checks the function at the given place.
func (f Function) Tool(where string) (core.Tool, error) {
	t := core.Tool{Name: f.Name, Strict: f.Strict != nil && *f.Strict}
	if err := toolName(where+".name", f.Name); err != nil {
		return t, err
	}
	if f.Description != nil {
		t.Description = *f.Description
	}
	if api.Present(f.Parameters) {
		if f.Parameters[0] != '{' {
			return t, core.Invalid(where+".parameters", "%s.parameters must be a JSON schema, which is an object.", where)
		}
		if len(f.Parameters) > core.MaxSchemaBytes {
			return t, core.Invalid(where+".parameters", "%s.parameters has %d bytes; at most %d are allowed.", where, len(f.Parameters), core.MaxSchemaBytes)
		}
		t.Parameters = f.Parameters
	}
	return t, nil
}

func toolName(where, name string) error {
	if name == "" {
		return core.Invalid(where, "%s is missing.", where)
	}
	if len(name) > core.MaxToolNameBytes {
		return core.Invalid(where, "%s has %d bytes; at most %d are allowed.", where, len(name), core.MaxToolNameBytes)
	}
	for _, c := range []byte(name) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && c != '_' && c != '-' && c != '.' {
			return core.Invalid(where, "%s is %s; a name has letters, digits, dots, dashes and underscores.", where, api.Show(name))
		}
	}
	return nil
}

// CheckTools refuses too many tools, and two of one name.
func CheckTools(name string, tools []core.Tool) error {
	if len(tools) > core.MaxTools {
		return core.Invalid(name, "%s has %d entries; at most %d are allowed.", name, len(tools), core.MaxTools)
	}
	seen := map[string]bool{}
	for i, t := range tools {
		if seen[t.Name] {
			at := fmt.Sprintf("%s.%d", name, i)
			return core.Invalid(at, "%s has the name %s, which an earlier tool has.", at, api.Show(t.Name))
		}
		seen[t.Name] = true
	}
	return nil
}

// choice is every form of tool_choice but the plain words.
type choice struct {
	Type     string      `json:"type"`
	Name     string      `json:"name"`     // responses
	Function *named      `json:"function"` // chat completions
	Mode     string      `json:"mode"`     // allowed_tools of responses
	Tools    []allowed   `json:"tools"`
	Allowed  *allowedSet `json:"allowed_tools"` // of chat completions
}

type named struct {
	Name string `json:"name"`
}

type allowed struct {
	Type     string `json:"type"`
	Name     string `json:"name"`
	Function *named `json:"function"`
}

type allowedSet struct {
	Mode  string    `json:"mode"`
	Tools []allowed `json:"tools"`
}

// Choice reads tool_choice in either spelling. The tools that come back are those that may be called.
func Choice(name string, raw json.RawMessage, tools []core.Tool) (core.ToolChoice, []core.Tool, error) {
	if !api.Present(raw) {
		return core.ToolChoice{}, tools, nil
	}
	if word, ok := Text(raw); ok {
		return wordChoice(name, word, tools)
	}
	var c choice
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if raw[0] != '{' || dec.Decode(&c) != nil {
		return core.ToolChoice{}, nil, core.Invalid(name, "%s must be none, auto, required, or an object that names a function.", name)
	}
	switch c.Type {
	case "function":
		n := c.Name
		if c.Function != nil {
			n = c.Function.Name
		}
		if !slices.ContainsFunc(tools, func(t core.Tool) bool { return t.Name == n }) {
			return core.ToolChoice{}, nil, core.Invalid(name, "%s names the function %s, which is not among the tools.", name, api.Show(n))
		}
		return core.ToolChoice{Mode: core.ToolNamed, Name: n}, tools, nil
	case "allowed_tools":
		set := allowedSet{c.Mode, c.Tools}
		if c.Allowed != nil {
			set = *c.Allowed
		}
		return set.choice(name, tools)
	}
	return core.ToolChoice{}, nil, core.Invalid(name+".type", "%s.type is %s; this server knows function and allowed_tools.", name, api.Show(c.Type))
}

func wordChoice(name, word string, tools []core.Tool) (core.ToolChoice, []core.Tool, error) {
	switch m := core.ToolMode(word); m {
	case core.ToolNone, core.ToolAuto:
		return core.ToolChoice{Mode: m}, tools, nil
	case core.ToolRequired:
		if len(tools) == 0 {
			return core.ToolChoice{}, nil, core.Invalid(name, "%s is required, and there are no tools to call.", name)
		}
		return core.ToolChoice{Mode: m}, tools, nil
	case core.ToolNamed:
	}
	return core.ToolChoice{}, nil, core.Invalid(name, "%s is %s; it must be none, auto, required, or an object that names a function.", name, api.Show(word))
}

func (s allowedSet) choice(name string, tools []core.Tool) (core.ToolChoice, []core.Tool, error) {
	var out []core.Tool
	for _, a := range s.Tools {
		n := a.Name
		if a.Function != nil {
			n = a.Function.Name
		}
		i := slices.IndexFunc(tools, func(t core.Tool) bool { return t.Name == n })
		if a.Type != "function" || i < 0 {
			return core.ToolChoice{}, nil, core.Invalid(name, "%s allows %s, which is not a function among the tools.", name, api.Show(n))
		}
		out = append(out, tools[i])
	}
	return wordChoice(name, s.Mode, out)
}

// Call checks the arguments of a call that a client sends back: a JSON object as text, where nothing stands for an empty one.
func Call(where string, c core.ToolCall) (core.ToolCall, error) {
	if c.Arguments == "" {
		c.Arguments = "{}"
	}
	if text := bytes.TrimSpace([]byte(c.Arguments)); !json.Valid(text) || text[0] != '{' {
		return c, core.Invalid(where, "%s is not the text of a JSON object.", where)
	}
	return c, nil
}
