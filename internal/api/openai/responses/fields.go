package responses

import (
	"slices"

	"ashatai/internal/api/openai/param"
)

// The endpoints that Fields names.
const (
	EndpointResponses = "responses"
	EndpointCount     = "responses/input_tokens"
)

// Fields lists every field of the API's requests that make or count a prompt, in the order of the documentation. The
// slice is the caller's.
func Fields() []param.Field {
	const ep = EndpointResponses
	f := param.At(ep)
	const h, x, i = param.Honoured, param.Refused, param.Ignored
	return slices.Concat(promptTable(ep), []param.Field{
		f("background", h, nil, "Needs store."),
		f("include", h, nil, "message.output_text.logprobs; the other values ask for what this server never makes, and change nothing."),
		f("max_output_tokens", h, nil, "Absent: until the context is full."),
		f("max_tool_calls", h, nil, "It bounds calls of built-in tools, of which there are none."),
		f("metadata", h, nil, "Up to 16 labels."),
		f("store", h, nil, "Absent: true."),
		f("stream", h, nil, ""),
		f("stream_options", h, nil, "Only with stream."),
		f("stream_options.include_obfuscation", x, []string{`false`}, "Events are not padded"),
		f("temperature", h, nil, "0 (greedy) to 5."),
		f("top_p", h, nil, ""),
		f("top_logprobs", h, nil, "0 to 20."),
		f("top_k", h, nil, "Extension."),
		f("min_p", h, nil, "Extension."),
		f("repeat_penalty", h, nil, "Extension."),
		f("seed", h, nil, "Extension."),
		f("grammar", h, nil, "Extension: GBNF, start rule root."),
		f("guided_json", h, nil, "Extension: a JSON schema."),
		f("guided_regex", h, nil, "Extension: a regular expression for the whole answer."),
		f("guided_choice", h, nil, "Extension: a list of possible answers."),
		f("guided_grammar", h, nil, "Extension: as grammar."),
		f("structured_outputs", h, nil, "Extension: one of the four below."),
		f("structured_outputs.json", h, nil, "As guided_json."),
		f("structured_outputs.regex", h, nil, "As guided_regex."),
		f("structured_outputs.choice", h, nil, "As guided_choice."),
		f("structured_outputs.grammar", h, nil, "As grammar."),
		f("access_programs", x, nil, "There are no such programs here"),
		f("background_options", x, nil, "Work in the background has one kind of queue"),
		f("context_management", x, []string{`[]`}, "Conversations are not made shorter on the way; truncation can be auto"),
		f("image", x, nil, noMedia),
		f("moderation", x, nil, "The server has no moderation model"),
		f("prompt", x, nil, "There are no stored prompts"),
		f("prompt_cache_key", i, nil, "Prompts are cached by their own text."),
		f("prompt_cache_options", i, nil, "Prompts are cached by their own text."),
		f("prompt_cache_retention", i, nil, "Prompts stay cached while there is room."),
		f("safety_identifier", i, nil, "The server knows its callers by their credentials."),
		f("service_tier", x, []string{`"auto"`, `"default"`}, "There is one tier"),
		f("user", i, nil, "The server knows its callers by their credentials."),
	}, promptTable(EndpointCount), []param.Field{
		param.At(EndpointCount)("personality", x, nil, "Models here have none but what instructions say"),
	})
}

// promptTable are the fields of both endpoints.
func promptTable(ep string) []param.Field {
	f := param.At(ep)
	const h, x, i = param.Honoured, param.Refused, param.Ignored
	return []param.Field{
		f("model", h, nil, "Absent: the default chat model."),
		f("input", h, nil, "A string, or items of the types message, function_call, function_call_output, reasoning and item_reference; text only."),
		f("instructions", h, nil, "The system message of this response alone."),
		f("previous_response_id", h, nil, "A stored response of the same owner."),
		f("conversation", h, nil, "An id, or an object with an id."),
		f("tools", h, nil, "Functions, up to 128. strict is false when absent."),
		f("tool_choice", h, nil, "none, auto, required, a function, or allowed_tools."),
		f("parallel_tool_calls", h, nil, "false: at most one call in a response."),
		f("reasoning", h, nil, ""),
		f("reasoning.effort", h, nil, "none, minimal, low, medium, high, xhigh, max; minimal means low and those above high mean high."),
		f("reasoning.summary", i, nil, "The reasoning itself is given."),
		f("reasoning.generate_summary", i, nil, "The reasoning itself is given."),
		f("reasoning.context", i, nil, "The chat template decides which earlier reasoning the model sees."),
		f("reasoning.mode", x, []string{`"standard"`}, "There is one mode"),
		f("text", h, nil, ""),
		f("text.format", h, nil, "text, json_object, json_schema; a schema is enforced whether strict is set or not."),
		f("text.verbosity", x, []string{`"medium"`}, "The models here do not take it; say in instructions how long the answer may be"),
		f("truncation", h, nil, "auto leaves out the oldest messages, and says how many in usage and in X-Ashatai-Truncated."),
	}
}
