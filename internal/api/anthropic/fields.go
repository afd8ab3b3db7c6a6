package anthropic

import (
	"slices"

	"ashatai/internal/api"
)

// A nested field's name has its parent's before a dot; the fields of a content block stand under its type
// ("messages.content.text.text"), and a block that is refused as a whole is one field.

const (
	noMedia  = "The models here read text only"
	noServer = "The server runs no tools itself: give the model a tool of type custom and run it on your side"
	cached   = "Prompts are cached by their own text for as long as there is room."
	pinned   = "What stands before it is kept before other prompts, and counted in usage; up to 4 places."
)

// messageFields are those of POST /v1/messages.
func messageFields() api.Fields {
	return append(api.Fields{
		api.Honours("max_tokens", "Required. 0 only fills the prompt cache: the answer is empty."),
		api.Honours("stop_sequences", "Up to 16."),
		api.Honours("stream", ""),
		api.Honours("temperature", "0 (greedy) to 5; beyond 1 is an extension."),
		api.Honours("top_p", ""),
		api.Honours("top_k", ""),
		api.Honours("metadata", "Its user_id has no effect, and it holds nothing else."),
		api.Ignores("metadata.user_id", "The server knows its callers by their credentials."),
		api.Refuses("service_tier", "There is one tier", `"auto"`, `"standard_only"`),
		api.Refuses("inference_geo", "The server computes where it stands"),
		api.Refuses("container", "The server runs no code"),
		api.Refuses("diagnostics", "The server does not compare a prompt with an earlier one", `{}`, `{"previous_message_id":null}`),
		api.Refuses("fallbacks", "A request is answered by the model that it names", `[]`),
		api.Refuses("fallback_credit_token", "Nothing is billed"),
		api.Refuses("thread", "Conversations are not stored; send all messages"),
	}, promptFields()...)
}

// promptFields are those of both endpoints that take a conversation.
func promptFields() api.Fields {
	return slices.Concat(api.Fields{
		api.Honours("model", "Absent: the default chat model."),
		api.Honours("messages", "One or more, up to 4096. Messages of one role that follow each other are one turn, with an empty line between them."),
		api.Honours("messages.role", "user, assistant, or system for an instruction in mid-conversation. Where the last message is the assistant's, the answer goes on from its text (prefill); not with thinking, a format or an enforced tool."),
		api.Honours("messages.content", "A string or a list of blocks, at most 10000 in all. Text blocks of the assistant are joined as they are, others by a line end."),
	}, blockFields(), api.Fields{
		api.Honours("system", "A string or a list of text blocks, which are joined by a line end."),
		api.Honours("system.text", ""),
		api.Honours("system.cache_control", pinned),
		api.Refuses("system.citations", "Citations are not made", `[]`),
	}, toolFields(), api.Fields{
		api.Honours("thinking", "Absent: a model that can do without reasoning does not reason."),
		api.Honours("thinking.type", "enabled, disabled, or adaptive (as the model does by itself)."),
		api.Honours("thinking.budget_tokens", "With enabled: at least 1 and less than max_tokens."),
		api.Honours("thinking.display", "summarized shows the whole reasoning, since no summary is made; omitted shows none of it."),
		api.Honours("output_config", ""),
		api.Honours("output_config.effort", "low, medium or high, for models whose template knows it; xhigh and max are read as high."),
		api.Honours("output_config.format", ""),
		api.Honours("output_config.format.type", "json_schema."),
		api.Honours("output_config.format.schema", "Enforced while the answer is made; a keyword that cannot be enforced is refused."),
		api.Honours("output_format", "The old name of output_config.format."),
		api.Honours("output_format.type", "json_schema."),
		api.Honours("output_format.schema", ""),
		api.Honours("cache_control", pinned),
		api.Honours("truncation", "Extension: auto leaves out the oldest turns where the prompt does not fit its context, and says how many messages in usage and in X-Ashatai-Truncated; disabled, as when absent, refuses it."),
		api.Ignores("user_profile_id", "The server knows its callers by their credentials."),
		api.Refuses("speed", "There is one speed", `"standard"`),
		api.Refuses("mcp_servers", noServer, `[]`),
		api.Refuses("context_management", "The conversation is taken as it is sent", `{}`, `{"edits":[]}`, `{"edits":[{"type":"clear_thinking_20251015","keep":"all"}]}`),
		api.Refuses("compaction", "The conversation is taken as it is sent"),
		api.Refuses("billing_policy", "Nothing is billed"),
	})
}

func blockFields() api.Fields {
	const at = blockNames
	return api.Fields{
		api.Honours(at+"text.text", ""),
		api.Honours(at+"text.cache_control", pinned),
		api.Refuses(at+"text.citations", "Citations are not made", `[]`),
		api.Honours(at+"tool_use.id", "From the assistant only, like every tool_use block."),
		api.Honours(at+"tool_use.name", ""),
		api.Honours(at+"tool_use.input", "An object."),
		api.Honours(at+"tool_use.cache_control", pinned),
		api.Refuses(at+"tool_use.caller", "Only the model itself calls tools here", `{"type":"direct"}`),
		api.Refuses(at+"tool_use.toolset_name", "There are no sets of tools", `""`),
		api.Honours(at+"tool_result.tool_use_id", "Of a tool_use block in the message before. Results come first in their message."),
		api.Honours(at+"tool_result.content", "A string or a list of text blocks, which are joined by a line end; absent is empty."),
		api.Honours(at+"tool_result.content.text", ""),
		api.Honours(at+"tool_result.content.cache_control", pinned),
		api.Refuses(at+"tool_result.content.citations", "Citations are not made", `[]`),
		api.Honours(at+"tool_result.is_error", "The model reads the word Error and a colon before the result."),
		api.Honours(at+"tool_result.cache_control", pinned),
		api.Refuses(at+"tool_result.toolset_name", "There are no sets of tools", `""`),
		api.Honours(at+"thinking.thinking", "From the assistant only; given to the chat template, which may leave it out."),
		api.Ignores(at+"thinking.signature", "The server puts no trust in what it said before, so nothing needs proof."),
		api.Ignores(at+"thinking.cache_control", cached),
		api.Ignores(at+"redacted_thinking.data", "Only the server that wrote it can read it; the model is not shown it."),
		api.Refuses(at+"image", noMedia),
		api.Refuses(at+"document", noMedia),
		api.Refuses(at+"search_result", "Citations are not made; send the text in a text block"),
		api.Refuses(at+"container_upload", "The server runs no code"),
		api.Refuses(at+"server_tool_use", noServer),
		api.Refuses(at+"web_search_tool_result", noServer),
		api.Refuses(at+"web_fetch_tool_result", noServer),
		api.Refuses(at+"code_execution_tool_result", noServer),
		api.Refuses(at+"bash_code_execution_tool_result", noServer),
		api.Refuses(at+"text_editor_code_execution_tool_result", noServer),
		api.Refuses(at+"tool_search_tool_result", noServer),
		api.Refuses(at+"tool_reference", noServer),
		api.Refuses(at+"mcp_tool_use", noServer),
		api.Refuses(at+"mcp_tool_result", noServer),
	}
}

func toolFields() api.Fields {
	return api.Fields{
		api.Honours("tools", "Up to 128, with names of their own."),
		api.Honours("tools.type", "custom; a built-in tool is refused by its name."),
		api.Honours("tools.name", "1 to 128 letters, digits, '_' and '-'."),
		api.Honours("tools.description", ""),
		api.Honours("tools.input_schema", "A JSON schema of type object."),
		api.Honours("tools.strict", ""),
		api.Honours("tools.cache_control", pinned),
		api.Ignores("tools.eager_input_streaming", "A call's input is always streamed as it is made."),
		api.Refuses("tools.defer_loading", "The model sees every tool from the start", `false`),
		api.Refuses("tools.allowed_callers", "Only the model itself calls tools here", `[]`, `["direct"]`),
		api.Refuses("tools.input_examples", "Put examples into the description", `[]`),
		api.Honours("tool_choice", "Needs tools, unless it is auto or none."),
		api.Honours("tool_choice.type", "auto, any, tool or none."),
		api.Honours("tool_choice.name", "With tool: one of tools."),
		api.Honours("tool_choice.disable_parallel_tool_use", ""),
	}
}

// modelFields are those of GET /v1/models.
func modelFields() api.Fields {
	return api.Fields{
		api.Honours("limit", "Where anthropic-version is sent: 1 to 1000; 20 when absent."),
		api.Honours("after_id", "The page after this model; with anthropic-version."),
		api.Honours("before_id", "The page before this model; with anthropic-version."),
		api.Honours("lifecycle", "With anthropic-version: active, deprecated or retired. Every installed model is active."),
	}.In(api.InQuery)
}

// headerFields are those of every call.
func headerFields() api.Fields {
	return api.Fields{
		api.Honours("x-api-key", "Or authorization with a bearer token; not looked at while there are no accounts."),
		api.Honours("anthropic-version", "Asks for this dialect's shape where a path is shared, whatever the version; may be left out elsewhere."),
		api.Ignores("anthropic-beta", "What this server knows needs no switch, and what it does not is refused by its field."),
		api.Ignores("anthropic-workspace-id", "There are no workspaces."),
		api.Ignores("anthropic-user-profile-id", "The server knows its callers by their credentials."),
	}.In(api.InHeader)
}
