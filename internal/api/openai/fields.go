package openai

import (
	"slices"

	"ashatai/internal/api/openai/param"
	"ashatai/internal/api/openai/responses"
)

// The decisions, under short names for the tables.
const (
	honoured = param.Honoured
	refused  = param.Refused
	ignored  = param.Ignored
)

// The endpoints that Fields names.
const (
	EndpointChat        = "chat/completions"
	EndpointCompletions = "completions"
	EndpointEmbeddings  = "embeddings"
)

const noMedia = "Only text goes in and comes out"

// Fields lists every field that the endpoints know, in the order of the documentation. The slice is the caller's.
func Fields() []param.Field {
	return slices.Concat(chatFields(), completionFields(), embeddingFields(), responses.Fields())
}

func chatFields() []param.Field {
	const ep = EndpointChat
	f := param.At(ep)
	return slices.Concat([]param.Field{
		f("messages", honoured, nil, "One or more."),
		f("messages.role", honoured, nil, "system, developer (read as system), user, assistant, tool, and the old function."),
		f("messages.content", honoured, nil, "A string, or a list of parts of type text."),
		f("messages.name", honoured, nil, "Given to the chat template, which may leave it out."),
		f("messages.refusal", refused, []string{`""`}, "Put what the assistant said into content"),
		f("messages.tool_calls", honoured, nil, "Calls of functions."),
		f("messages.tool_call_id", honoured, nil, "The id of a call in an earlier message."),
		f("messages.function_call", honoured, nil, "The old form of tool_calls."),
		f("messages.audio", refused, nil, noMedia),
		f("messages.annotations", ignored, nil, "Clients send back what an answer held."),
		f("messages.reasoning_content", honoured, nil, "Extension: what the assistant thought; the chat template decides whether the model sees it again."),
		f("max_completion_tokens", honoured, nil, "Absent: until the context is full."),
		f("max_tokens", honoured, nil, "The old name of max_completion_tokens; both may be given when they are equal."),
		f("logprobs", honoured, nil, ""),
		f("top_logprobs", honoured, nil, "0 to 20; needs logprobs."),
		f("chat_template_kwargs", honoured, nil, "Up to 32 strings, numbers and booleans for the chat template."),
	}, commonFields(ep), []param.Field{
		f("tools", honoured, nil, "Functions, up to 128; strict holds the arguments to the schema."),
		f("tool_choice", honoured, nil, "none, auto, required, a function, or allowed_tools."),
		f("functions", honoured, nil, "The old form of tools; the answer is then in the old form too."),
		f("function_call", honoured, nil, "The old form of tool_choice."),
		f("response_format", honoured, nil, "text, json_object, json_schema; a schema is enforced whether strict is set or not."),
		f("modalities", refused, []string{`["text"]`}, noMedia),
		f("audio", refused, nil, noMedia),
		f("web_search_options", refused, nil, "The server does not search the web"),
		f("prediction", refused, nil, "Predicted output is not used"),
		f("store", honoured, nil, "Absent: false."),
		f("moderation", refused, nil, "The server has no moderation model"),
		f("reasoning_effort", honoured, nil, "none, minimal, low, medium, high, xhigh, max; minimal means low and those above high mean high."),
		f("thinking_budget", honoured, nil, "Extension: most tokens of reasoning."),
		f("verbosity", refused, []string{`"medium"`}, "The models here do not take it; say in a message how long the answer may be"),
		f("metadata", honoured, nil, "Labels of a stored chat."),
		f("parallel_tool_calls", honoured, nil, "false: at most one call in an answer."),
		f("safety_identifier", ignored, nil, "The server knows its callers by their credentials."),
		f("prompt_cache_key", ignored, nil, "Prompts are cached by their own text."),
		f("prompt_cache_options", ignored, nil, "Prompts are cached by their own text."),
		f("prompt_cache_retention", ignored, nil, "Prompts stay cached while there is room."),
	})
}

func completionFields() []param.Field {
	const ep = EndpointCompletions
	f := param.At(ep)
	return slices.Concat([]param.Field{
		f("prompt", honoured, nil, "A string, a list of strings, token ids, or a list of lists of token ids."),
		f("max_tokens", honoured, nil, "16 when absent, as with OpenAI."),
		f("logprobs", honoured, nil, "0 to 20 alternatives for each token."),
		f("best_of", refused, nil, "Only the value of n is accepted: the server does not generate answers to throw them away"),
	}, commonFields(ep), []param.Field{
		f("echo", refused, []string{`false`}, "The prompt is not sent back"),
		f("suffix", refused, []string{`""`}, "Text is not filled into a gap"),
	})
}

// commonFields are those of both text endpoints.
func commonFields(ep string) []param.Field {
	f := param.At(ep)
	return []param.Field{
		f("model", honoured, nil, "Absent: the default chat model."),
		f("temperature", honoured, nil, "0 (greedy) to 5."),
		f("top_p", honoured, nil, ""),
		f("top_k", honoured, nil, "Extension."),
		f("min_p", honoured, nil, "Extension."),
		f("typical_p", honoured, nil, "Extension."),
		f("repeat_penalty", honoured, nil, "Extension."),
		f("repeat_last_n", honoured, nil, "Extension."),
		f("presence_penalty", honoured, nil, ""),
		f("frequency_penalty", honoured, nil, ""),
		f("logit_bias", honoured, nil, "Token ids of the model as strings, -100 to 100."),
		f("seed", honoured, nil, "The same seed and prompt give the same text."),
		f("n", honoured, nil, "1 to 16."),
		f("stop", honoured, nil, "A string or up to 16."),
		f("stream", honoured, nil, ""),
		f("stream_options", honoured, nil, "Only with stream."),
		f("stream_options.include_usage", honoured, nil, ""),
		f("stream_options.include_obfuscation", refused, []string{`false`}, "Events are not padded"),
		f("ignore_eos", honoured, nil, "Extension: goes on past the end of the answer."),
		f("user", ignored, nil, "The server knows its callers by their credentials."),
		f("service_tier", refused, []string{`"auto"`, `"default"`}, "There is one tier"),
		f("cache_prompt", ignored, nil, "Extension of others: a prompt is always cached when it can be."),
		f("grammar", honoured, nil, "Extension: GBNF, start rule root."),
		f("guided_json", honoured, nil, "Extension: a JSON schema."),
		f("guided_regex", honoured, nil, "Extension: a regular expression for the whole answer."),
		f("guided_choice", honoured, nil, "Extension: a list of possible answers."),
		f("guided_grammar", honoured, nil, "Extension: as grammar."),
		f("structured_outputs", honoured, nil, "Extension: one of the four below."),
		f("structured_outputs.json", honoured, nil, "As guided_json."),
		f("structured_outputs.regex", honoured, nil, "As guided_regex."),
		f("structured_outputs.choice", honoured, nil, "As guided_choice."),
		f("structured_outputs.grammar", honoured, nil, "As grammar."),
		f("lora", refused, []string{`[]`}, "Adapters are not available on this server yet"),
	}
}

func embeddingFields() []param.Field {
	const ep = EndpointEmbeddings
	f := param.At(ep)
	return []param.Field{
		f("input", honoured, nil, "A string, a list of strings, token ids, or a list of lists of token ids; at most 2048 inputs."),
		f("model", honoured, nil, ""),
		f("dimensions", honoured, nil, "Fewer than the model's are cut and scaled to unit length."),
		f("encoding_format", honoured, nil, "float or base64 (little-endian float32)."),
		f("user", ignored, nil, "The server knows its callers by their credentials."),
	}
}
