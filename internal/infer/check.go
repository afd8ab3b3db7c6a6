package infer

import (
	"ashatai/internal/core"
)

// check validates a request, whoever made it: the dialects, or another feature of the server.
func check(req *core.Request) error {
	if err := req.Validate(); err != nil {
		return err
	}
	given := 0
	for _, is := range []bool{len(req.Messages) > 0, req.Prompt != "", len(req.Tokens) > 0} {
		if is {
			given++
		}
	}
	if given != 1 {
		return core.Invalid("messages", "The request must have exactly one of a conversation, a text and a list of token ids, and it must not be empty; it has %d of them.", given)
	}
	for i, m := range req.Messages {
		switch m.Role {
		case core.RoleSystem, core.RoleUser, core.RoleAssistant, core.RoleTool:
		default:
			return core.Invalid("messages", "Message %d has the role %q; the roles are system, user, assistant and tool.", i, m.Role)
		}
	}
	if err := checkTools(req); err != nil {
		return err
	}
	if err := checkFormat(req); err != nil {
		return err
	}
	if err := checkContinue(req); err != nil {
		return err
	}
	if len(req.TemplateArgs) > 0 && len(req.Messages) == 0 {
		return core.Invalid("chat_template_kwargs", "Template arguments are for conversations; raw text has no template.")
	}
	return nil
}
