package anthropic

import "ashatai/internal/api"

// absent are the calls of Anthropic's clients that are not served.
func absent() []api.Absent {
	return []api.Absent{
		{Path: "/v1/complete", Note: "Withdrawn by Anthropic; use messages."},
		{Path: "/v1/files", Note: "Send what the model shall read in the request."},
		{Path: "/v1/messages/batches", Note: "Send the requests one by one; they are queued fairly."},
		{Path: "/v1/organizations", Note: "Accounts have an interface of their own."},
		{Path: "/v1/skills", Note: "The server runs no code."},
	}
}
