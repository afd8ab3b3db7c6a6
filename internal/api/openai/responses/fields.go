package responses

import (
	"slices"

	"ashatai/internal/api"
	"ashatai/internal/api/openai/param"
)

// createTable are the fields of POST /v1/responses.
func createTable() api.Fields {
	return slices.Concat(promptTable(), api.Fields{
		api.Honours("background", "Needs store."),
		api.Honours("include", anyInclude),
		api.Honours("max_output_tokens", "Absent: until the context is full."),
		api.Honours("max_tool_calls", "It bounds calls of built-in tools, of which there are none."),
		api.Honours("metadata", "Up to 16 labels."),
		api.Honours("store", "Absent: true."),
		api.Honours("stream", ""),
		api.Honours("stream_options", "Only with stream."),
		api.Honours("stream_options.include_obfuscation", "Pads the deltas to even sizes; absent: false."),
		api.Honours("temperature", "0 (greedy) to 5."),
		api.Honours("top_p", ""),
		api.Honours("top_logprobs", "0 to 20."),
		api.Honours("top_k", "Extension."),
		api.Honours("min_p", "Extension."),
		api.Honours("repeat_penalty", "Extension."),
		api.Honours("seed", "Extension."),
		api.Ignores("client_metadata", "Labels for statistics of OpenAI's own clients."),
		api.Refuses("access_programs", "There are no such programs here"),
		api.Refuses("background_options", "Work in the background has one kind of queue"),
		api.Refuses("context_management", "Conversations are not made shorter on the way; truncation can be auto", `[]`),
		api.Refuses("image", noMedia),
		api.Refuses("moderation", "The server has no moderation model"),
		api.Refuses("prompt", "There are no stored prompts"),
		api.Ignores("prompt_cache_key", "Prompts are cached by their own text."),
		api.Ignores("prompt_cache_options", "Prompts are cached by their own text."),
		api.Ignores("prompt_cache_retention", "Prompts stay cached while there is room."),
		api.Ignores("safety_identifier", "The server knows its callers by their credentials."),
		api.Refuses("service_tier", "There is one tier", `"auto"`, `"default"`),
		api.Ignores("user", "The server knows its callers by their credentials."),
	}, param.FormatFields())
}

// countTable are the fields of POST /v1/responses/input_tokens.
func countTable() api.Fields {
	return append(promptTable(),
		api.Refuses("personality", "Models here have none but what instructions say"),
	)
}

// The query parameters of what is read.
const anyInclude = "message.output_text.logprobs; the other values ask for what this server never makes, and change nothing."

func readFields() api.Fields {
	return api.Fields{
		api.Honours("stream", "true sends the events that were kept, and then those to come."),
		api.Honours("starting_after", "With stream: the sequence_number of the last event that was received; without it nothing."),
		api.Honours("include_obfuscation", "With stream: pads the deltas to even sizes."),
		api.Honours("include", anyInclude),
	}.In(api.InQuery)
}

// conversationFields are those of POST /v1/conversations.
func conversationFields() api.Fields {
	return api.Fields{
		api.Honours("items", "What was said before, as input items."),
		api.Honours("metadata", "Up to 16 labels."),
	}
}

// itemFields are those of POST /v1/conversations/{id}/items.
func itemFields() api.Fields {
	return append(api.Fields{api.Honours("items", "One or more, as input items.")}, includeFields()...)
}

func pageFields() api.Fields {
	return append(param.PageFields("desc"), includeFields()...)
}

func includeFields() api.Fields {
	return api.Fields{api.Honours("include", anyInclude)}.In(api.InQuery)
}

// promptTable are the fields of both endpoints.
func promptTable() api.Fields {
	return slices.Concat(api.Fields{
		api.Honours("model", "Absent: the default chat model."),
		api.Honours("input", "A string, or items of the types message, function_call, function_call_output, reasoning and item_reference; text only."),
		api.Honours("instructions", "The system message of this response alone."),
		api.Honours("previous_response_id", "A stored response of the same owner."),
		api.Honours("conversation", "An id, or an object with an id."),
	}, toolFields(), api.Fields{
		api.Honours("tool_choice", "none, auto, required, a function, or allowed_tools."),
		api.Honours("parallel_tool_calls", "false: at most one call in a response."),
		api.Honours("reasoning", ""),
		api.Honours("reasoning.effort", "none, minimal, low, medium, high, xhigh, max; minimal means low and those above high mean high."),
		api.Ignores("reasoning.summary", "The reasoning itself is given."),
		api.Ignores("reasoning.generate_summary", "The reasoning itself is given."),
		api.Ignores("reasoning.context", "The chat template decides which earlier reasoning the model sees."),
		api.Refuses("reasoning.mode", "There is one mode", `"standard"`),
		api.Honours("text", ""),
		api.Honours("text.format", "text, json_object, json_schema; a schema is enforced whether strict is set or not."),
		api.Refuses("text.verbosity", "The models here do not take it; say in instructions how long the answer may be", `"medium"`),
		api.Honours("truncation", "auto leaves out the oldest turns, and says how many messages in usage and in X-Ashatai-Truncated."),
	})
}
