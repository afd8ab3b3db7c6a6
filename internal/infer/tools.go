package infer

import (
	"slices"
	"strings"

	"ashatai/internal/core"
)

// maxToolBytes bounds the schemas of all tools of a request together.
const maxToolBytes = 4 * core.MaxSchemaBytes

// checkTools validates what a request says of tools.
func checkTools(req *core.Request) error {
	if len(req.Tools) > core.MaxTools {
		return core.Invalid("tools", "The request has %d tools; at most %d are allowed.", len(req.Tools), core.MaxTools)
	}
	seen := map[string]bool{}
	size := 0
	for i, t := range req.Tools {
		switch {
		case !validToolName(t.Name):
			return core.Invalid("tools", "Tool %d has the name %.80q; a name has 1 to %d letters, digits, '_' and '-'.", i, t.Name, core.MaxToolNameBytes)
		case seen[t.Name]:
			return core.Invalid("tools", "Two tools have the name %q; every name may stand once.", t.Name)
		}
		seen[t.Name] = true
		size += len(t.Parameters)
	}
	if size > maxToolBytes {
		return core.Invalid("tools", "The schemas of the tools have %d bytes; at most %d are allowed.", size, maxToolBytes)
	}
	if len(req.Tools) > 0 && len(req.Messages) == 0 {
		return core.Invalid("tools", "Tools are for conversations; raw text has no place for them.")
	}
	if err := checkChoice(req); err != nil {
		return err
	}
	return checkCalls(req.Messages)
}

func validToolName(s string) bool {
	return s != "" && len(s) <= core.MaxToolNameBytes && !strings.ContainsFunc(s, func(c rune) bool {
		return (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '_' && c != '-'
	})
}

func checkChoice(req *core.Request) error {
	c := req.ToolChoice
	switch c.Mode {
	case "", core.ToolAuto, core.ToolNone:
		return nil
	case core.ToolNamed:
		if !slices.ContainsFunc(req.Tools, func(t core.Tool) bool { return t.Name == c.Name }) {
			return core.Invalid("tool_choice", "tool_choice names the tool %.80q, which is not among the tools of the request.", c.Name)
		}
	case core.ToolRequired:
		if len(req.Tools) == 0 {
			return core.Invalid("tool_choice", "tool_choice asks for a call, and the request has no tools.")
		}
	default:
		return core.Invalid("tool_choice", "tool_choice is %.80q; it is auto, none, required or the name of a tool.", string(c.Mode))
	}
	if req.Format.Kind != "" {
		return core.Invalid("tool_choice", "The request asks for a tool call and for a format of the answer's text; it can have one of them.")
	}
	return nil
}

func checkCalls(messages []core.Message) error {
	for i, m := range messages {
		if len(m.ToolCalls) == 0 {
			continue
		}
		if m.Role != core.RoleAssistant {
			return core.Invalid("messages", "Message %d has tool calls and the role %s; only the assistant calls tools.", i, m.Role)
		}
		if len(m.ToolCalls) > core.MaxTools {
			return core.Invalid("messages", "Message %d has %d tool calls; at most %d are allowed.", i, len(m.ToolCalls), core.MaxTools)
		}
		for k, c := range m.ToolCalls {
			if c.Name == "" || len(c.Name) > core.MaxToolNameBytes {
				return core.Invalid("messages", "Tool call %d of message %d has a name of %d bytes; it must have between 1 and %d.", k, i, len(c.Name), core.MaxToolNameBytes)
			}
		}
	}
	return nil
}

// checkFormat validates what a request says of its answer's text and of reasoning.
func checkFormat(req *core.Request) error {
	f := req.Format
	switch f.Kind {
	case "", core.FormatJSON:
		if f.Source != "" {
			return core.Invalid("format", "A format of the kind %q has no source.", string(f.Kind))
		}
	case core.FormatSchema, core.FormatRegex, core.FormatGBNF, core.FormatLark:
		if f.Source == "" || len(f.Source) > core.MaxSchemaBytes {
			return core.Invalid("format", "The source of the format has %d bytes; it must have between 1 and %d.", len(f.Source), core.MaxSchemaBytes)
		}
	default:
		return core.Invalid("format", "The format %.80q is not known; there are json, json_schema, regex, gbnf and lark.", string(f.Kind))
	}
	switch req.Thinking.Effort {
	case "", "low", "medium", "high":
	default:
		return core.Invalid("reasoning_effort", "The reasoning effort is %.80q; it is low, medium or high.", req.Thinking.Effort)
	}
	if req.Thinking.Budget < 0 {
		return core.Invalid("thinking", "The budget for reasoning is %d tokens; it must not be negative.", req.Thinking.Budget)
	}
	return nil
}
