package openai

import (
	"slices"

	"ashatai/internal/api"
	"ashatai/internal/api/openai/param"
)

const noMedia = "Only text goes in and comes out"

// chatFields are those of POST /v1/chat/completions.
func chatFields() api.Fields {
	return slices.Concat(api.Fields{
		api.Honours("messages", "One or more."),
		api.Honours("messages.role", "system, developer (read as system), user, assistant, tool, and the old function."),
		api.Honours("messages.content", "A string, or a list of parts of type text."),
		api.Honours("messages.name", "Given to the chat template, which may leave it out."),
		api.Refuses("messages.refusal", "Put what the assistant said into content", `""`),
		api.Honours("messages.tool_calls", "Calls of functions."),
		api.Honours("messages.tool_call_id", "The id of a call in an earlier message."),
		api.Honours("messages.function_call", "The old form of tool_calls."),
		api.Refuses("messages.audio", noMedia),
		api.Ignores("messages.annotations", "Clients send back what an answer held."),
		api.Honours("messages.reasoning_content", "Extension: what the assistant thought; the chat template decides whether the model sees it again."),
		api.Honours("max_completion_tokens", "Absent: until the context is full."),
		api.Honours("max_tokens", "The old name of max_completion_tokens; both may be given when they are equal."),
		api.Honours("logprobs", ""),
		api.Honours("top_logprobs", "0 to 20; needs logprobs."),
		api.Honours("chat_template_kwargs", "Up to 32 strings, numbers and booleans for the chat template."),
	}, commonFields(), api.Fields{
		api.Honours("tools", "Functions, up to 128; strict holds the arguments to the schema."),
		api.Honours("tool_choice", "none, auto, required, a function, or allowed_tools."),
		api.Honours("functions", "The old form of tools; the answer is then in the old form too."),
		api.Honours("function_call", "The old form of tool_choice."),
		api.Honours("response_format", "text, json_object, json_schema; a schema is enforced whether strict is set or not."),
		api.Refuses("modalities", noMedia, `["text"]`),
		api.Ignores("audio", "It says how speech would sound; modalities asks for speech, and is refused then."),
		api.Refuses("web_search_options", "The server does not search the web"),
		api.Ignores("prediction", "A hint for speed alone; drafts come from the text of the prompt."),
		api.Honours("store", "Absent: false."),
		api.Refuses("moderation", "The server has no moderation model"),
		api.Honours("reasoning_effort", "none, minimal, low, medium, high, xhigh, max; minimal means low and those above high mean high."),
		api.Honours("thinking_budget", "Extension: most tokens of reasoning."),
		api.Refuses("verbosity", "The models here do not take it; say in a message how long the answer may be", `"medium"`),
		api.Honours("metadata", "Labels of a stored chat."),
		api.Honours("continue_final_message", "Extension: the answer goes on from the text of the last message, which is the assistant's."),
		api.Honours("add_generation_prompt", "Extension: the opposite of continue_final_message."),
		api.Honours("parallel_tool_calls", "false: at most one call in an answer."),
		api.Ignores("safety_identifier", "The server knows its callers by their credentials."),
		api.Ignores("prompt_cache_key", "Prompts are cached by their own text."),
		api.Ignores("prompt_cache_options", "Prompts are cached by their own text."),
		api.Ignores("prompt_cache_retention", "Prompts stay cached while there is room."),
	})
}

// chatListFields are those of GET /v1/chat/completions.
func chatListFields() api.Fields {
	return append(param.PageFields("asc"), api.Fields{
		api.Honours("model", "Chats with this model alone."),
		api.Honours("metadata", "Chats with this label alone: metadata[key]=value."),
	}.In(api.InQuery)...)
}

// completionFields are those of POST /v1/completions.
func completionFields() api.Fields {
	return slices.Concat(api.Fields{
		api.Honours("prompt", "A string, a list of strings, token ids, or a list of lists of token ids."),
		api.Honours("max_tokens", "16 when absent, as with OpenAI."),
		api.Honours("logprobs", "0 to 20 alternatives for each token."),
		api.Refuses("best_of", "Only the value of n is accepted: the server does not generate answers to throw them away"),
	}, commonFields(), api.Fields{
		api.Refuses("echo", "The prompt is not sent back", `false`),
		api.Refuses("suffix", "Text is not filled into a gap", `""`),
	})
}

// commonFields are those of both text endpoints.
func commonFields() api.Fields {
	return slices.Concat(api.Fields{
		api.Honours("model", "Absent: the default chat model."),
		api.Honours("temperature", "0 (greedy) to 5."),
		api.Honours("top_p", ""),
		api.Honours("top_k", "Extension."),
		api.Honours("min_p", "Extension."),
		api.Honours("typical_p", "Extension."),
		api.Honours("repeat_penalty", "Extension."),
		api.Honours("repeat_last_n", "Extension."),
		api.Honours("presence_penalty", ""),
		api.Honours("frequency_penalty", ""),
		api.Honours("logit_bias", "Token ids of the model as strings, -100 to 100."),
		api.Honours("seed", "The same seed and prompt give the same text."),
		api.Honours("n", "1 to 16."),
		api.Honours("stop", "A string or up to 16."),
		api.Honours("stream", ""),
		api.Honours("stream_options", "Only with stream."),
		api.Honours("stream_options.include_usage", ""),
		api.Honours("stream_options.include_obfuscation", "Pads events to even sizes; absent: false."),
		api.Honours("truncation", "Extension: auto leaves out the oldest turns of a conversation, or the beginning of raw text, and says how much in usage and in X-Ashatai-Truncated; disabled, as when absent, refuses what does not fit."),
		api.Honours("timings_per_token", "Extension: the end of an answer says how long it took (timings); in a stream that is its last event, and no other has it."),
		api.Honours("ignore_eos", "Extension: goes on past the end of the answer."),
		api.Ignores("user", "The server knows its callers by their credentials."),
		api.Refuses("service_tier", "There is one tier", `"auto"`, `"default"`),
		api.Ignores("cache_prompt", "Extension of others: a prompt is always cached when it can be."),
		api.Refuses("lora", "Adapters are not available on this server yet", `[]`),
	}, param.FormatFields())
}

// embeddingFields are those of POST /v1/embeddings.
func embeddingFields() api.Fields {
	return api.Fields{
		api.Honours("input", "A string, a list of strings, token ids, or a list of lists of token ids; at most 2048 inputs."),
		api.Honours("model", ""),
		api.Honours("dimensions", "Fewer than the model's are cut and scaled to unit length."),
		api.Honours("encoding_format", "float or base64 (little-endian float32)."),
		api.Ignores("user", "The server knows its callers by their credentials."),
	}
}
