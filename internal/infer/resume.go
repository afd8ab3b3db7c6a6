package infer

import (
	"slices"
	"strings"

	"ashatai/internal/chat"
	"ashatai/internal/core"
)

// checkContinue checks a request whose last message is to be gone on from.
func checkContinue(req *core.Request) error {
	if !req.Continue {
		return nil
	}
	var last core.Message
	if n := len(req.Messages); n > 0 {
		last = req.Messages[n-1]
	}
	switch {
	case last.Role != core.RoleAssistant || len(last.ToolCalls) > 0 || strings.TrimSpace(last.Content) == "":
		return core.Invalid("messages", "Only a last message of the assistant that holds text, and no calls, can be gone on from.")
	case req.Format.Kind != "":
		return core.Invalid("format", "An answer that was begun cannot be held to a format: nobody knows where in it the text stands. Leave out the format, or the begun answer.")
	case req.ToolChoice.Mode == core.ToolRequired || req.ToolChoice.Mode == core.ToolNamed:
		return core.Invalid("tool_choice", "An answer that was begun as text cannot be made to begin with a call. Leave out the choice, or the begun answer.")
	case slices.ContainsFunc(active(req), func(t core.Tool) bool { return t.Strict }):
		return core.Invalid("tools", "Strict tools cannot be kept to in an answer that was begun. Leave out strict, or the begun answer.")
	}
	return nil
}

// resumed cuts a prompt behind what its last message says, which is the last text that is not the template's own. It
// reports false where the template did not write that message as it is.
func resumed(segments []chat.Segment, content string) ([]chat.Segment, bool) {
	last := len(segments) - 1
	for last >= 0 && segments[last].Trusted {
		last--
	}
	if last < 0 {
		return nil, false
	}
	text := segments[last].Text
	for _, want := range []string{strings.TrimLeft(content, " \t\r\n"), strings.TrimSpace(content)} {
		if at := strings.LastIndex(text, want); at >= 0 && strings.TrimSpace(text[at+len(want):]) == "" {
			out := slices.Clone(segments[:last+1])
			out[last].Text = text[:at+len(want)]
			return out, true
		}
	}
	return nil, false
}
