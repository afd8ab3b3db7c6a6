package chat

import (
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strings"

	"ashatai/internal/chat/jinja/value"
	"ashatai/internal/core"
)

// argsParam is the request's field that template arguments come from.
const argsParam = "chat_template_kwargs"

// Bounds of the template arguments.
const (
	maxArgs      = 64
	maxArgName   = 64
	maxArgString = 64 << 10
)

// variables are the names that a template sees. As in transformers, tools and documents are there, and None where there
// are none.
func (t *Template) variables(in Input) (map[string]value.Value, error) {
	vars := make(map[string]value.Value, 9+len(in.Args))
	if in.Thinking.Enabled != nil {
		vars["enable_thinking"] = value.Bool(*in.Thinking.Enabled)
		vars["thinking"] = value.Bool(*in.Thinking.Enabled)
	}
	if in.Thinking.Effort != "" {
		vars["reasoning_effort"] = untrusted(in.Thinking.Effort)
	}
	if err := addArgs(vars, in.Args); err != nil {
		return nil, err
	}
	turns, err := t.messages(t.conversation(in))
	if err != nil {
		return nil, err
	}
	vars["messages"] = turns
	vars["add_generation_prompt"] = value.Bool(in.AddGenerationPrompt)
	vars["bos_token"] = value.Text(in.BOS, true)
	vars["eos_token"] = value.Text(in.EOS, true)
	vars["tools"] = value.None{}
	vars["documents"] = value.None{}
	if t.tools && len(in.Tools) > 0 {
		if vars["tools"], err = toolList(in.Tools); err != nil {
			return nil, err
		}
	}
	return vars, nil
}

func (t *Template) messages(in []core.Message) (value.Value, error) {
	roleKey, contentKey, nameKey := word("role"), word("content"), word("name")
	items := make([]value.Value, len(in))
	for i, m := range in {
		d := &value.Dict{}
		d.PutText(roleKey, role(m.Role))
		d.PutText(contentKey, t.content(m.Content))
		if m.Content == "" && t.noContent && len(m.ToolCalls) > 0 {
			d.PutText(contentKey, value.None{})
		}
		if m.Name != "" {
			d.PutText(nameKey, untrusted(m.Name))
		}
		if m.Reasoning != "" {
			d.PutText(word("reasoning_content"), untrusted(m.Reasoning))
			if t.channels {
				d.PutText(word("thinking"), untrusted(m.Reasoning))
			}
		}
		if m.ToolCallID != "" {
			d.PutText(word("tool_call_id"), untrusted(m.ToolCallID))
		}
		if len(m.ToolCalls) > 0 {
			calls, err := callList(m.ToolCalls, i, t.argsText)
			if err != nil {
				return nil, err
			}
			d.PutText(word("tool_calls"), calls)
		}
		items[i] = d
	}
	return &value.List{Items: items}, nil
}

// content is a turn's text in the shape that the template shows: as it is, or as a list with one part.
func (t *Template) content(text string) value.Value {
	if !t.parts {
		return untrusted(text)
	}
	d := &value.Dict{}
	d.PutText(word("type"), word("text"))
	d.PutText(word("text"), untrusted(text))
	return &value.List{Items: []value.Value{d}}
}

// role is trusted where it is one of the server's own words: those hold no control token, and keeping them together with
// the template's text around them keeps the tokens the same as in training.
func role(r core.Role) value.Value {
	switch r {
	case core.RoleSystem, core.RoleUser, core.RoleAssistant, core.RoleTool:
		return value.Text(string(r), true)
	}
	return untrusted(string(r))
}

func untrusted(s string) value.Value {
	return value.Text(strings.ToValidUTF8(s, "\uFFFD"), false)
}

func addArgs(vars map[string]value.Value, args map[string]any) error {
	if len(args) > maxArgs {
		return core.Invalid(argsParam, "The request has %d template arguments; at most %d are allowed.", len(args), maxArgs)
	}
	for _, name := range slices.Sorted(maps.Keys(args)) {
		if !validArgName(name) {
			return core.Invalid(argsParam, "A template argument has a name that is not valid; use at most %d letters, digits and '_', starting with a letter.", maxArgName)
		}
		if reserved(name) {
			return core.Invalid(argsParam+"."+name, "The template argument %s is set by the server itself; leave it out.", name)
		}
		v, err := argValue(name, args[name])
		if err != nil {
			return err
		}
		vars[name] = v
	}
	return nil
}

func validArgName(name string) bool {
	for i, c := range []byte(name) {
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		if !letter && (i == 0 || c != '_' && (c < '0' || c > '9')) {
			return false
		}
	}
	return name != "" && len(name) <= maxArgName
}

// reserved are the names that a caller cannot give: what the server sets, and the functions of the template language.
func reserved(name string) bool {
	switch name {
	case "messages", "add_generation_prompt", "bos_token", "eos_token", "tools", "documents",
		"raise_exception", "strftime_now", "range", "dict", "namespace", "joiner", "cycler", "loop", "caller":
		return true
	}
	return false
}

func argValue(name string, v any) (value.Value, error) {
	switch x := v.(type) {
	case bool:
		return value.Bool(x), nil
	case string:
		if len(x) > maxArgString {
			return nil, core.Invalid(argsParam+"."+name, "The template argument %s has %d bytes; at most %d are allowed.", name, len(x), maxArgString)
		}
		return untrusted(x), nil
	case int:
		return value.Int(x), nil
	case int64:
		return value.Int(x), nil
	case float64:
		return number(name, x)
	case json.Number:
		if n, err := x.Int64(); err == nil {
			return value.Int(n), nil
		}
		f, err := x.Float64()
		if err != nil {
			f = math.NaN()
		}
		if !math.IsNaN(f) && strings.ContainsAny(x.String(), ".eE") {
			return value.Float(f), nil
		}
		return number(name, f)
	}
	return nil, core.Invalid(argsParam+"."+name, "The template argument %s must be a string, a number or a boolean.", name)
}

// number is a decoded JSON number: whole ones are whole numbers in a template too.
func number(name string, f float64) (value.Value, error) {
	const exact = 1 << 53
	switch {
	case math.IsNaN(f) || math.IsInf(f, 0):
		return nil, core.Invalid(argsParam+"."+name, "The template argument %s is no number that can be used.", name)
	case f == math.Trunc(f) && math.Abs(f) <= exact:
		return value.Int(int64(f)), nil
	}
	return value.Float(f), nil
}
