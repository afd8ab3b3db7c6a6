package reply

import (
	"strings"

	"ashatai/internal/chat/reply/jsontext"
	"ashatai/internal/core"
)

// Instructions is the text by which a model whose template knows no tools is told of them.
func Instructions(tools []core.Tool) string {
	var b strings.Builder
	b.WriteString("# Tools\n\nYou may call one or more functions to help with the request. These are the functions, one JSON object a line:\n<tools>\n")
	for _, t := range tools {
		b.WriteString(`{"type": "function", "function": {"name": ` + jsontext.Quoted(t.Name))
		if t.Description != "" {
			b.WriteString(`, "description": ` + jsontext.Quoted(t.Description))
		}
		b.WriteString(`, "parameters": ` + Schema(t) + "}}\n")
	}
	b.WriteString("</tools>\n\nTo call a function, answer with a JSON object that has its name and its arguments, between <tool_call> and </tool_call>:\n" +
		"<tool_call>\n{\"name\": \"the function's name\", \"arguments\": {\"a parameter\": \"its value\"}}\n</tool_call>")
	return b.String()
}

// noArguments is the schema of a tool that gives none.
const noArguments = `{"type": "object", "properties": {}}`

// Schema is the JSON schema of a tool's arguments.
func Schema(t core.Tool) string {
	if len(t.Parameters) == 0 {
		return noArguments
	}
	return string(t.Parameters)
}

// Write is an assistant's turn as text, calls included: as Granite 3, LFM2 and Kimi K2 write them where that is the form, else
// in the plain form.
func (f Form) Write(content string, calls []core.ToolCall) string {
	if len(calls) == 0 {
		return content
	}
	if w, ok := f.calls.(writer); ok && f.Writes() {
		return content + w.write(calls)
	}
	var b strings.Builder
	b.WriteString(content)
	for _, c := range calls {
		if b.Len() > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(hermesOpen + "\n" + jsonCall(c) + "\n" + hermesClose)
	}
	return b.String()
}

// writer is a family whose calls can stand in an assistant's text.
type writer interface {
	write(calls []core.ToolCall) string
}

// Writes reports whether Write writes calls in the form's own way.
func (f Form) Writes() bool {
	if s, ok := f.calls.(section); ok {
		return s == granite()
	}
	_, ok := f.calls.(writer)
	return ok
}

func jsonCall(c core.ToolCall) string {
	return `{"name": ` + jsontext.Quoted(c.Name) + `, "arguments": ` + c.Arguments + "}"
}
