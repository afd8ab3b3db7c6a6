package openai

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"strings"

	"ashatai/internal/core"
)

// Decision says what the server does with a field of a request.
type Decision string

// The decisions.
const (
	Honoured Decision = "honoured" // it shapes the answer
	Refused  Decision = "refused"  // 400 that names the field, except for the values in Accepts
	Ignored  Decision = "ignored"  // accepted with any value and without effect
)

// The endpoints that Fields names.
const (
	EndpointChat        = "chat/completions"
	EndpointCompletions = "completions"
	EndpointEmbeddings  = "embeddings"
)

// Field is one field of one endpoint's request and what becomes of it. A nested field's name has its parent's before a
// dot. Null counts as absent everywhere, and a field that is not listed is refused.
type Field struct {
	Endpoint string
	Name     string
	Decision Decision
	Accepts  []string // compact JSON values of a refused field that ask for nothing, and so pass
	Note     string
}

const (
	noTools  = "Tools are not available on this server yet"
	noMedia  = "Only text goes in and comes out"
	noStored = "Chats are not stored"
)

// Fields lists every field that the endpoints know, in the order of the documentation. The slice is the caller's.
func Fields() []Field {
	return slices.Concat(chatFields(), completionFields(), embeddingFields())
}

func chatFields() []Field {
	const ep = EndpointChat
	return slices.Concat([]Field{
		{ep, "messages", Honoured, nil, "One or more."},
		{ep, "messages.role", Honoured, nil, "system, developer (read as system), user, assistant; tool is refused."},
		{ep, "messages.content", Honoured, nil, "A string, or a list of parts of type text."},
		{ep, "messages.name", Honoured, nil, "Given to the chat template, which may leave it out."},
		{ep, "messages.refusal", Refused, []string{`""`}, "Put what the assistant said into content"},
		{ep, "messages.tool_calls", Refused, []string{`[]`}, noTools},
		{ep, "messages.tool_call_id", Refused, nil, noTools},
		{ep, "messages.function_call", Refused, nil, noTools},
		{ep, "messages.audio", Refused, nil, noMedia},
		{ep, "messages.annotations", Ignored, nil, "Clients send back what an answer held."},
		{ep, "messages.reasoning_content", Ignored, nil, "Earlier reasoning is not shown to the model again."},
		{ep, "max_completion_tokens", Honoured, nil, "Absent: until the context is full."},
		{ep, "max_tokens", Honoured, nil, "The old name of max_completion_tokens; both may be given when they are equal."},
		{ep, "logprobs", Honoured, nil, ""},
		{ep, "top_logprobs", Honoured, nil, "0 to 20; needs logprobs."},
		{ep, "chat_template_kwargs", Honoured, nil, "Up to 32 strings, numbers and booleans for the chat template."},
	}, commonFields(ep), []Field{
		{ep, "tools", Refused, []string{`[]`}, noTools},
		{ep, "tool_choice", Refused, []string{`"none"`}, noTools},
		{ep, "functions", Refused, []string{`[]`}, noTools},
		{ep, "function_call", Refused, []string{`"none"`}, noTools},
		{ep, "response_format", Refused, []string{`{"type":"text"}`}, "Answers are free text"},
		{ep, "modalities", Refused, []string{`["text"]`}, noMedia},
		{ep, "audio", Refused, nil, noMedia},
		{ep, "web_search_options", Refused, nil, "The server does not search the web"},
		{ep, "prediction", Refused, nil, "Predicted output is not used"},
		{ep, "store", Refused, []string{`false`}, noStored},
		{ep, "moderation", Refused, nil, "The server has no moderation model"},
		{ep, "reasoning_effort", Refused, []string{`"none"`}, "The models here do not take it; a template's own switch goes into chat_template_kwargs"},
		{ep, "verbosity", Refused, []string{`"medium"`}, "The models here do not take it; say in a message how long the answer may be"},
		{ep, "metadata", Ignored, nil, "It only labels stored chats."},
		{ep, "parallel_tool_calls", Ignored, nil, "There are no tools to call."},
		{ep, "safety_identifier", Ignored, nil, "The server knows its callers by their credentials."},
		{ep, "prompt_cache_key", Ignored, nil, "Prompts are cached by their own text."},
		{ep, "prompt_cache_options", Ignored, nil, "Prompts are cached by their own text."},
		{ep, "prompt_cache_retention", Ignored, nil, "Prompts stay cached while there is room."},
	})
}

func completionFields() []Field {
	const ep = EndpointCompletions
	return slices.Concat([]Field{
		{ep, "prompt", Honoured, nil, "A string, a list of strings, token ids, or a list of lists of token ids."},
		{ep, "max_tokens", Honoured, nil, "16 when absent, as with OpenAI."},
		{ep, "logprobs", Honoured, nil, "0 to 20 alternatives for each token."},
		{ep, "best_of", Refused, nil, "Only the value of n is accepted: the server does not generate answers to throw them away"},
	}, commonFields(ep), []Field{
		{ep, "echo", Refused, []string{`false`}, "The prompt is not sent back"},
		{ep, "suffix", Refused, []string{`""`}, "Text is not filled into a gap"},
	})
}

// commonFields are those of both text endpoints.
func commonFields(ep string) []Field {
	return []Field{
		{ep, "model", Honoured, nil, "Absent: the default chat model."},
		{ep, "temperature", Honoured, nil, "0 (greedy) to 5."},
		{ep, "top_p", Honoured, nil, ""},
		{ep, "top_k", Honoured, nil, "Extension."},
		{ep, "min_p", Honoured, nil, "Extension."},
		{ep, "typical_p", Honoured, nil, "Extension."},
		{ep, "repeat_penalty", Honoured, nil, "Extension."},
		{ep, "repeat_last_n", Honoured, nil, "Extension."},
		{ep, "presence_penalty", Honoured, nil, ""},
		{ep, "frequency_penalty", Honoured, nil, ""},
		{ep, "logit_bias", Honoured, nil, "Token ids of the model as strings, -100 to 100."},
		{ep, "seed", Honoured, nil, "The same seed and prompt give the same text."},
		{ep, "n", Honoured, nil, "1 to 16."},
		{ep, "stop", Honoured, nil, "A string or up to 16."},
		{ep, "stream", Honoured, nil, ""},
		{ep, "stream_options", Honoured, nil, "Only with stream."},
		{ep, "stream_options.include_usage", Honoured, nil, ""},
		{ep, "stream_options.include_obfuscation", Refused, []string{`false`}, "Events are not padded"},
		{ep, "ignore_eos", Honoured, nil, "Extension: goes on past the end of the answer."},
		{ep, "user", Ignored, nil, "The server knows its callers by their credentials."},
		{ep, "service_tier", Refused, []string{`"auto"`, `"default"`}, "There is one tier"},
		{ep, "cache_prompt", Ignored, nil, "Extension of others: a prompt is always cached when it can be."},
		{ep, "grammar", Refused, []string{`""`}, "A caller's own grammar is not taken"},
		{ep, "lora", Refused, []string{`[]`}, "Adapters are not available on this server yet"},
	}
}

func embeddingFields() []Field {
	const ep = EndpointEmbeddings
	return []Field{
		{ep, "input", Honoured, nil, "A string, a list of strings, token ids, or a list of lists of token ids; at most 2048 inputs."},
		{ep, "model", Honoured, nil, ""},
		{ep, "dimensions", Honoured, nil, "Fewer than the model's are cut and scaled to unit length."},
		{ep, "encoding_format", Honoured, nil, "float or base64 (little-endian float32)."},
		{ep, "user", Ignored, nil, "The server knows its callers by their credentials."},
	}
}

// table finds a field by its endpoint and name.
type table map[[2]string]Field

func newTable() table {
	t := table{}
	for _, f := range Fields() {
		t[[2]string{f.Endpoint, f.Name}] = f
	}
	return t
}

// screen looks at the raw fields of the struct v, whose names begin with prefix in the table, and refuses the first one
// that the table refuses. where is put before the name in the error.
func (t table) screen(endpoint, prefix, where string, v any) error {
	rv := reflect.ValueOf(v)
	for i := range rv.NumField() {
		value, ok := reflect.TypeAssert[json.RawMessage](rv.Field(i))
		if !ok || !present(value) {
			continue
		}
		name, _, _ := strings.Cut(rv.Type().Field(i).Tag.Get("json"), ",")
		f := t[[2]string{endpoint, prefix + name}]
		if f.Decision == Refused && !slices.Contains(f.Accepts, compact(value)) {
			return refuse(where+name, f)
		}
	}
	return nil
}

func refuse(param string, f Field) *core.Error {
	var except string
	if len(f.Accepts) > 0 {
		except = " Leave it out, or send " + strings.Join(f.Accepts, " or ") + "."
	} else {
		except = " Leave it out."
	}
	return core.Invalid(param, "%s is not supported with this value. %s.%s", param, strings.TrimSuffix(f.Note, "."), except)
}

// present reports whether a raw field was given; null counts as absent.
func present(v json.RawMessage) bool { return len(v) > 0 && string(v) != "null" }

func compact(v json.RawMessage) string {
	var b bytes.Buffer
	if json.Compact(&b, v) != nil {
		return string(v)
	}
	return b.String()
}
