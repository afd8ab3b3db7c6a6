package openai

import (
	"encoding/json"
	"fmt"

	"ashatai/internal/api"
	"ashatai/internal/api/openai/param"
	"ashatai/internal/core"
)

// chatTools are the fields about tools, in the present form and in the old one.
type chatTools struct {
	Tools             []chatTool       `json:"tools,omitempty"`
	ToolChoice        json.RawMessage  `json:"tool_choice,omitempty"`
	ParallelToolCalls *bool            `json:"parallel_tool_calls,omitempty"`
	Functions         []param.Function `json:"functions,omitempty"`
	FunctionCall      json.RawMessage  `json:"function_call,omitempty"`
}

type chatTool struct {
	Type     string          `json:"type"`
	Function *param.Function `json:"function,omitempty"`
	Custom   json.RawMessage `json:"custom,omitempty"`
}

// oldForm reports whether the caller speaks of functions, and wants to hear of functions.
func (c *chatTools) oldForm() bool { return len(c.Functions) > 0 }

func (c *chatTools) apply(req *core.Request) error {
	if c.oldForm() && len(c.Tools) > 0 {
		return core.Invalid("functions", "functions is the old form of tools; send one of them.")
	}
	name, raw := "tool_choice", c.ToolChoice
	var err error
	if c.oldForm() {
		if api.Present(raw) {
			return core.Invalid("tool_choice", "tool_choice goes with tools; with functions it is function_call.")
		}
		name = "function_call"
		if raw, err = oldChoice(c.FunctionCall); err != nil {
			return err
		}
	} else if s, ok := param.Text(c.FunctionCall); api.Present(c.FunctionCall) && (!ok || s != "none" && s != "auto") {
		return core.Invalid("function_call", "function_call goes with functions; with tools it is tool_choice.")
	}
	tools, err := c.tools()
	if err != nil {
		return err
	}
	choice, tools, err := param.Choice(name, raw, tools)
	if err != nil {
		return err
	}
	choice.Single = c.oldForm() || c.ParallelToolCalls != nil && !*c.ParallelToolCalls
	if len(tools) == 0 {
		choice = core.ToolChoice{}
	}
	req.Tools, req.ToolChoice = tools, choice
	return nil
}

func (c *chatTools) tools() ([]core.Tool, error) {
	list := "tools"
	var out []core.Tool
	add := func(f param.Function, where string) error {
		t, err := f.Tool(where)
		out = append(out, t)
		return err
	}
	for i, t := range c.Tools {
		at := fmt.Sprintf("tools.%d", i)
		if t.Type != "function" || api.Present(t.Custom) {
			return nil, core.Invalid(at+".type", "%s.type is %s; this server knows tools of the type function.", at, api.Show(t.Type))
		}
		if t.Function == nil {
			return nil, core.Invalid(at+".function", "%s.function is missing.", at)
		}
		if err := add(*t.Function, at+".function"); err != nil {
			return nil, err
		}
	}
	for i, f := range c.Functions {
		list = "functions"
		if err := add(f, fmt.Sprintf("functions.%d", i)); err != nil {
			return nil, err
		}
	}
	return out, param.CheckTools(list, out)
}

// oldChoice spells function_call as tool_choice.
func oldChoice(raw json.RawMessage) (json.RawMessage, error) {
	if !api.Present(raw) || raw[0] == '"' {
		return raw, nil
	}
	var f struct {
		Name string `json:"name"`
	}
	if json.Unmarshal(raw, &f) != nil || f.Name == "" {
		return nil, core.Invalid("function_call", "function_call must be none, auto, or an object with the name of a function.")
	}
	return json.Marshal(map[string]string{"type": "function", "name": f.Name})
}
