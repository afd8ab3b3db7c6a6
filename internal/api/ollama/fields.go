package ollama

import (
	"slices"

	"ashatai/internal/api"
)

const (
	noImages  = "No model that sees images is served; send text"
	noPicture = "The server makes no pictures"
	ownFile   = "How a model file is loaded is for the server's settings."
	noShift   = "An answer that fills the context ends there, with the done_reason length"
	former    = "The former name of model; both may be given when they are equal."
)

// commonFields are those of both text endpoints.
func commonFields() api.Fields {
	return slices.Concat(api.Fields{
		api.Honours("model", ""),
		api.Honours("stream", "True when absent."),
		api.Honours("format", "\"json\", or a JSON schema; \"\" is none."),
		api.Honours("keep_alive", "Seconds or a time such as 5m; negative is for ever, 0 is not at all. For callers that may operate the server."),
		api.Honours("options", ""),
		api.Honours("think", "True, false, \"low\", \"medium\", \"high\" or \"max\", which means high."),
		api.Honours("logprobs", ""),
		api.Honours("top_logprobs", "0 to 20; needs logprobs."),
		api.Honours("truncate", "True leaves out the oldest turns of a conversation, or the beginning of raw text, where the prompt does not fit its context, and says how much on the last line and in X-Ashatai-Truncated. False when absent, unlike Ollama: what does not fit is refused, with both numbers."),
		api.Refuses("shift", noShift, "false"),
		api.Refuses("_debug_render_only", "Prompts are not shown", "false"),
	}, optionFields().Under("options"))
}

// generateFields are those of POST /api/generate.
func generateFields() api.Fields {
	return slices.Concat(commonFields(), api.Fields{
		api.Honours("prompt", "Absent or empty: the model is loaded, or unloaded when keep_alive is 0."),
		api.Honours("system", "In place of the model's own."),
		api.Honours("context", "What an earlier answer of the same model returned: its conversation goes on."),
		api.Honours("raw", "The prompt goes to the model without a template; system and context are refused then."),
		api.Refuses("suffix", "Text is not filled into a gap", `""`),
		api.Refuses("template", "A request cannot bring its own template; make a model that has it with POST /api/create", `""`),
		api.Refuses("images", noImages, `[]`),
		api.Refuses("width", noPicture, "0"),
		api.Refuses("height", noPicture, "0"),
		api.Refuses("steps", noPicture, "0"),
	})
}

// chatFields are those of POST /api/chat.
func chatFields() api.Fields {
	return slices.Concat(commonFields(), api.Fields{
		api.Honours("messages", "Absent or empty: the model is loaded, or unloaded when keep_alive is 0. Where the last one is the assistant's, the answer goes on from its text."),
		api.Honours("messages.role", "system, user, assistant or tool."),
		api.Honours("messages.content", "A string."),
		api.Honours("messages.thinking", "Given to the chat template, which may leave it out."),
		api.Honours("messages.tool_calls", "What the assistant asked for."),
		api.Honours("messages.tool_name", "Which tool a message of the role tool answers for."),
		api.Honours("messages.tool_call_id", "Which call it answers; absent: the first open one of tool_name."),
		api.Refuses("messages.images", noImages, `[]`),
		api.Honours("tools", "Functions."),
	})
}

// optionFields are those of the object options, and of create's parameters.
func optionFields() api.Fields {
	return api.Fields{
		api.Honours("temperature", "0 (greedy) to 5."),
		api.Honours("top_k", "0 or less is off."),
		api.Honours("top_p", ""),
		api.Honours("min_p", ""),
		api.Honours("typical_p", ""),
		api.Honours("repeat_last_n", "-1 is the whole context."),
		api.Honours("repeat_penalty", ""),
		api.Honours("presence_penalty", ""),
		api.Honours("frequency_penalty", ""),
		api.Honours("seed", "-1 is a new one each time."),
		api.Honours("stop", "Up to 16 strings."),
		api.Honours("num_predict", "0, -1 and -2: until the context is full. At most ten times num_ctx where that is given, as with Ollama. In create, only those three."),
		api.Honours("num_ctx", "Least tokens of context where the request is the one that loads the model; a loaded one with fewer goes on, and the header X-Ashatai-Fallback says so."),
		api.Ignores("num_batch", "The runtime chooses; engine.batch sets it."),
		api.Ignores("num_thread", "The runtime chooses; engine.threads sets it."),
		api.Ignores("num_gpu", ownFile),
		api.Ignores("main_gpu", ownFile),
		api.Ignores("use_mmap", ownFile),
		api.Ignores("use_mlock", ownFile),
		api.Ignores("low_vram", ownFile),
		api.Ignores("f16_kv", ownFile),
		api.Ignores("numa", ownFile),
		api.Ignores("draft_num_predict", "It changes speed, not text."),
		api.Ignores("num_keep", "It is for a context that is shifted, and none is here."),
		api.Refuses("logits_all", "Ask for logprobs", "false"),
		api.Refuses("vocab_only", "A model is loaded whole", "false"),
		api.Refuses("embedding_only", "POST /api/embed makes vectors", "false"),
		api.Refuses("tfs_z", "Tail-free sampling is not available; use min_p", "1", "1.0"),
		api.Refuses("mirostat", "Mirostat is not available; use temperature and min_p", "0"),
		api.Ignores("mirostat_tau", "It is only for mirostat."),
		api.Ignores("mirostat_eta", "It is only for mirostat."),
		api.Refuses("penalize_newline", "Penalties count every token", "true"),
	}
}

const (
	keepAsText = "As with generate."
	windowText = "Checked; only num_ctx means something here: at most so many tokens of an input are taken, those that a model puts around it included."
)

// embedFields are those of POST /api/embed.
func embedFields() api.Fields {
	return append(api.Fields{
		api.Honours("model", ""),
		api.Honours("input", "A string or up to 2048 of them; empty: the model is only looked up."),
		api.Honours("truncate", "True when absent, as with Ollama: text beyond the context is cut, and the header X-Ashatai-Truncated says so. False refuses it."),
		api.Honours("dimensions", "Fewer than the model's are cut and scaled to unit length; 0 is all."),
		api.Honours("keep_alive", keepAsText),
		api.Honours("options", windowText),
	}, optionFields().Under("options")...)
}

// embeddingsFields are those of POST /api/embeddings.
func embeddingsFields() api.Fields {
	return append(api.Fields{
		api.Honours("model", ""),
		api.Honours("prompt", "Empty: the vector is empty. Text beyond the context is cut, as with embed."),
		api.Honours("keep_alive", keepAsText),
		api.Honours("options", windowText),
	}, optionFields().Under("options")...)
}

// showFields are those of POST /api/show.
func showFields() api.Fields {
	const noChange = "show changes nothing; POST /api/create makes a model"
	return api.Fields{
		api.Honours("model", ""),
		api.Honours("name", former),
		api.Ignores("verbose", "Lists such as the vocabulary are never sent."),
		api.Refuses("system", noChange, `""`),
		api.Refuses("template", noChange, `""`),
		api.Refuses("options", noChange, `{}`),
	}
}

// createFields are those of POST /api/create.
func createFields() api.Fields {
	const noQuantizer = "The server does not quantize; upload a file that is"
	return append(api.Fields{
		api.Honours("model", ""),
		api.Honours("name", former),
		api.Honours("stream", "True when absent."),
		api.Honours("from", "An installed model."),
		api.Honours("files", "One GGUF file that was uploaded, by name: \"sha256:…\"."),
		api.Honours("system", ""),
		api.Honours("template", "In Jinja, as model files carry it; Ollama's own template language is refused."),
		api.Honours("license", "A string or a list of them."),
		api.Honours("parameters", "As options."),
		api.Honours("messages", "Turns of system, user and assistant that every conversation with the model begins with."),
		api.Honours("messages.role", ""),
		api.Honours("messages.content", ""),
		api.Refuses("messages.thinking", "A model begins a conversation with text only", `""`),
		api.Refuses("messages.images", "A model begins a conversation with text only", `[]`),
		api.Refuses("messages.tool_calls", "A model begins a conversation with text only", `[]`),
		api.Refuses("adapters", "Adapters are not available on this server yet", `{}`),
		api.Refuses("quantize", noQuantizer, `""`),
		api.Refuses("quantization", noQuantizer, `""`),
		api.Refuses("draft_quantize", noQuantizer, `""`),
		api.Refuses("draft_files", "Draft models are not used", `{}`),
		api.Refuses("remote_host", "Models run here", `""`),
		api.Refuses("renderer", "A model's template renders its prompts", `""`),
		api.Refuses("parser", "The server finds the parser by the template", `""`),
		api.Refuses("requires", "Requirements on Ollama's version mean nothing here", `""`),
		api.Refuses("info", "A model file says what it is", `{}`),
		api.Honours("modelfile", "The old form: the text of a Modelfile, whose FROM names an installed model or an uploaded file as @sha256:…. What the other fields say counts before it."),
		api.Refuses("path", "Upload the file and name it in files", `""`),
	}, optionFields().Under("parameters")...)
}

// pullFields are those of POST /api/pull.
func pullFields() api.Fields {
	const registry = "Credentials for other servers are for the server's settings."
	return api.Fields{
		api.Honours("model", ""),
		api.Honours("name", former),
		api.Honours("stream", "True when absent."),
		api.Ignores("insecure", "The server's settings say which hosts may be reached."),
		api.Ignores("username", registry),
		api.Ignores("password", registry),
	}
}

// pushFields are those of POST /api/push.
func pushFields() api.Fields {
	const nothing = "Nothing is pushed."
	return api.Fields{
		api.Honours("model", "Every push is answered with 501."),
		api.Honours("name", former),
		api.Ignores("stream", nothing),
		api.Ignores("insecure", nothing),
		api.Ignores("username", nothing),
		api.Ignores("password", nothing),
	}
}

// copyFields are those of POST /api/copy.
func copyFields() api.Fields {
	return api.Fields{api.Honours("source", ""), api.Honours("destination", "")}
}

// deleteFields are those of DELETE /api/delete.
func deleteFields() api.Fields {
	return api.Fields{api.Honours("model", "The exact name; without a tag it is latest."), api.Honours("name", former)}
}
