package reply

import (
	"bytes"
	"encoding/json"
	"strings"

	"ashatai/internal/core"
)

// Instructions is the text by which a model whose template knows no tools is told of them.
func Instructions(tools []core.Tool) string {
	var b strings.Builder
	b.WriteString("# Tools\n\nYou may call one or more functions to help with the request. These are the functions, one JSON object a line:\n<tools>\n")
	for _, t := range tools {
		b.WriteString(`{"type": "function", "function": {"name": ` + quoted(t.Name))
		if t.Description != "" {
			b.WriteString(`, "description": ` + quoted(t.Description))
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

// Write is an assistant's turn as text, calls included: as Granite 3 writes them where that is the form, else in the
// plain form.
func (f Form) Write(content string, calls []core.ToolCall) string {
	var b strings.Builder
	b.WriteString(content)
	_, listed := f.calls.(granite)
	for i, c := range calls {
		object := `{"name": ` + quoted(c.Name) + `, "arguments": ` + c.Arguments + "}"
		switch {
		case !listed && b.Len() > 0:
			b.WriteString("\n" + hermesOpen + "\n" + object + "\n" + hermesClose)
		case !listed:
			b.WriteString(hermesOpen + "\n" + object + "\n" + hermesClose)
		case i == 0:
			b.WriteString(graniteCalls + "[" + object)
		default:
			b.WriteString(", " + object)
		}
	}
	if listed && len(calls) > 0 {
		b.WriteByte(']')
	}
	return b.String()
}

// quoted is s as a JSON string, with nothing escaped that need not be.
func quoted(s string) string { return `"` + string(inner([]byte(s))) + `"` }

// inner is a text as it stands between the quotes of a JSON string.
func inner(s []byte) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(string(s)) //nolint:errchkjson // a string always encodes, into memory
	return b.Bytes()[1 : b.Len()-2]
}
