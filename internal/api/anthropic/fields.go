package anthropic

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

// The endpoints that Fields names; EndpointHeaders stands for the headers of every call.
const (
	EndpointMessages = "messages"
	EndpointCount    = "messages/count_tokens"
	EndpointModels   = "models"
	EndpointHeaders  = "headers"
)

// Field is one field of one endpoint's request and what becomes of it. A nested field's name has its parent's before a
// dot; the fields of a content block stand under its type ("messages.content.text.text"), and a block that is refused as
// a whole is one field. Null counts as absent everywhere, and a field that is not listed is refused.
type Field struct {
	Endpoint string
	Name     string
	Decision Decision
	Accepts  []string // compact JSON values of a refused field that ask for nothing, and so pass
	Note     string
}

const (
	noMedia  = "The models here read text only"
	noServer = "The server runs no tools itself: give the model a tool of type custom and run it on your side"
	cached   = "Prompts are cached by their own text for as long as there is room; no part is pinned."
)

// Fields lists every field that the endpoints know, in the order of the documentation. The slice is the caller's.
func Fields() []Field {
	return slices.Concat(messageFields(), promptFields(EndpointMessages), promptFields(EndpointCount), modelFields(), headerFields())
}

func messageFields() []Field {
	const ep = EndpointMessages
	return []Field{
		{ep, "max_tokens", Honoured, nil, "Required. 0 only fills the prompt cache: the answer is empty."},
		{ep, "stop_sequences", Honoured, nil, "Up to 16."},
		{ep, "stream", Honoured, nil, ""},
		{ep, "temperature", Honoured, nil, "0 (greedy) to 5; beyond 1 is an extension."},
		{ep, "top_p", Honoured, nil, ""},
		{ep, "top_k", Honoured, nil, ""},
		{ep, "metadata", Honoured, nil, "Its user_id has no effect, and it holds nothing else."},
		{ep, "metadata.user_id", Ignored, nil, "The server knows its callers by their credentials."},
		{ep, "service_tier", Refused, []string{`"auto"`, `"standard_only"`}, "There is one tier"},
		{ep, "inference_geo", Refused, nil, "The server computes where it stands"},
		{ep, "container", Refused, nil, "The server runs no code"},
		{ep, "diagnostics", Refused, []string{`{}`, `{"previous_message_id":null}`}, "The server does not compare a prompt with an earlier one"},
		{ep, "fallbacks", Refused, []string{`[]`}, "A request is answered by the model that it names"},
		{ep, "fallback_credit_token", Refused, nil, "Nothing is billed"},
		{ep, "thread", Refused, nil, "Conversations are not stored; send all messages"},
	}
}

// promptFields are those of both endpoints that take a conversation.
func promptFields(ep string) []Field {
	return slices.Concat([]Field{
		{ep, "model", Honoured, nil, "Absent: the default chat model."},
		{ep, "messages", Honoured, nil, "One or more, up to 4096. Messages of one role that follow each other are one turn, with an empty line between them."},
		{ep, "messages.role", Honoured, nil, "user, assistant, or system for an instruction in mid-conversation. The last message is not from the assistant: an answer that was begun is not continued."},
		{ep, "messages.content", Honoured, nil, "A string or a list of blocks, at most 10000 in all. Text blocks of the assistant are joined as they are, others by a line end."},
	}, blockFields(ep), []Field{
		{ep, "system", Honoured, nil, "A string or a list of text blocks, which are joined by a line end."},
		{ep, "system.text", Honoured, nil, ""},
		{ep, "system.cache_control", Ignored, nil, cached},
		{ep, "system.citations", Refused, []string{`[]`}, "Citations are not made"},
	}, toolFields(ep), []Field{
		{ep, "thinking", Honoured, nil, "Absent: a model that can do without reasoning does not reason."},
		{ep, "thinking.type", Honoured, nil, "enabled, disabled, or adaptive (as the model does by itself)."},
		{ep, "thinking.budget_tokens", Honoured, nil, "With enabled: at least 1 and less than max_tokens."},
		{ep, "thinking.display", Honoured, nil, "summarized shows the whole reasoning, since no summary is made; omitted shows none of it."},
		{ep, "output_config", Honoured, nil, ""},
		{ep, "output_config.effort", Honoured, nil, "low, medium or high, for models whose template knows it; xhigh and max are read as high."},
		{ep, "output_config.format", Honoured, nil, ""},
		{ep, "output_config.format.type", Honoured, nil, "json_schema."},
		{ep, "output_config.format.schema", Honoured, nil, "Enforced while the answer is made; a keyword that cannot be enforced is refused."},
		{ep, "output_format", Honoured, nil, "The old name of output_config.format."},
		{ep, "output_format.type", Honoured, nil, "json_schema."},
		{ep, "output_format.schema", Honoured, nil, ""},
		{ep, "cache_control", Ignored, nil, cached},
		{ep, "user_profile_id", Ignored, nil, "The server knows its callers by their credentials."},
		{ep, "speed", Refused, []string{`"standard"`}, "There is one speed"},
		{ep, "mcp_servers", Refused, []string{`[]`}, noServer},
		{ep, "context_management", Refused, []string{`{}`, `{"edits":[]}`, `{"edits":[{"type":"clear_thinking_20251015","keep":"all"}]}`}, "The conversation is taken as it is sent"},
		{ep, "compaction", Refused, nil, "The conversation is taken as it is sent"},
		{ep, "billing_policy", Refused, nil, "Nothing is billed"},
	})
}

func blockFields(ep string) []Field {
	const at = "messages.content."
	return []Field{
		{ep, at + "text.text", Honoured, nil, ""},
		{ep, at + "text.cache_control", Ignored, nil, cached},
		{ep, at + "text.citations", Refused, []string{`[]`}, "Citations are not made"},
		{ep, at + "tool_use.id", Honoured, nil, "From the assistant only, like every tool_use block."},
		{ep, at + "tool_use.name", Honoured, nil, ""},
		{ep, at + "tool_use.input", Honoured, nil, "An object."},
		{ep, at + "tool_use.cache_control", Ignored, nil, cached},
		{ep, at + "tool_use.caller", Refused, []string{`{"type":"direct"}`}, "Only the model itself calls tools here"},
		{ep, at + "tool_use.toolset_name", Refused, []string{`""`}, "There are no sets of tools"},
		{ep, at + "tool_result.tool_use_id", Honoured, nil, "Of a tool_use block in the message before. Results come first in their message."},
		{ep, at + "tool_result.content", Honoured, nil, "A string or a list of text blocks, which are joined by a line end; absent is empty."},
		{ep, at + "tool_result.content.text", Honoured, nil, ""},
		{ep, at + "tool_result.content.cache_control", Ignored, nil, cached},
		{ep, at + "tool_result.content.citations", Refused, []string{`[]`}, "Citations are not made"},
		{ep, at + "tool_result.is_error", Honoured, nil, "The model reads the word Error and a colon before the result."},
		{ep, at + "tool_result.cache_control", Ignored, nil, cached},
		{ep, at + "tool_result.toolset_name", Refused, []string{`""`}, "There are no sets of tools"},
		{ep, at + "thinking.thinking", Honoured, nil, "From the assistant only; given to the chat template, which may leave it out."},
		{ep, at + "thinking.signature", Ignored, nil, "The server puts no trust in what it said before, so nothing needs proof."},
		{ep, at + "thinking.cache_control", Ignored, nil, cached},
		{ep, at + "redacted_thinking.data", Ignored, nil, "Only the server that wrote it can read it; the model is not shown it."},
		{ep, at + "image", Refused, nil, noMedia},
		{ep, at + "document", Refused, nil, noMedia},
		{ep, at + "search_result", Refused, nil, "Citations are not made; send the text in a text block"},
		{ep, at + "container_upload", Refused, nil, "The server runs no code"},
		{ep, at + "server_tool_use", Refused, nil, noServer},
		{ep, at + "web_search_tool_result", Refused, nil, noServer},
		{ep, at + "web_fetch_tool_result", Refused, nil, noServer},
		{ep, at + "code_execution_tool_result", Refused, nil, noServer},
		{ep, at + "bash_code_execution_tool_result", Refused, nil, noServer},
		{ep, at + "text_editor_code_execution_tool_result", Refused, nil, noServer},
		{ep, at + "tool_search_tool_result", Refused, nil, noServer},
		{ep, at + "tool_reference", Refused, nil, noServer},
		{ep, at + "mcp_tool_use", Refused, nil, noServer},
		{ep, at + "mcp_tool_result", Refused, nil, noServer},
	}
}

func toolFields(ep string) []Field {
	return []Field{
		{ep, "tools", Honoured, nil, "Up to 128, with names of their own."},
		{ep, "tools.type", Honoured, nil, "custom; a built-in tool is refused by its name."},
		{ep, "tools.name", Honoured, nil, "1 to 128 letters, digits, '_' and '-'."},
		{ep, "tools.description", Honoured, nil, ""},
		{ep, "tools.input_schema", Honoured, nil, "A JSON schema of type object."},
		{ep, "tools.strict", Honoured, nil, ""},
		{ep, "tools.cache_control", Ignored, nil, cached},
		{ep, "tools.eager_input_streaming", Ignored, nil, "A call's input is always streamed as it is made."},
		{ep, "tools.defer_loading", Refused, []string{`false`}, "The model sees every tool from the start"},
		{ep, "tools.allowed_callers", Refused, []string{`[]`, `["direct"]`}, "Only the model itself calls tools here"},
		{ep, "tools.input_examples", Refused, []string{`[]`}, "Put examples into the description"},
		{ep, "tool_choice", Honoured, nil, "Needs tools, unless it is auto or none."},
		{ep, "tool_choice.type", Honoured, nil, "auto, any, tool or none."},
		{ep, "tool_choice.name", Honoured, nil, "With tool: one of tools."},
		{ep, "tool_choice.disable_parallel_tool_use", Honoured, nil, ""},
	}
}

func modelFields() []Field {
	const ep = EndpointModels
	return []Field{
		{ep, "limit", Honoured, nil, "In the query: 1 to 1000; 20 when absent."},
		{ep, "after_id", Honoured, nil, "In the query: the page after this model."},
		{ep, "before_id", Honoured, nil, "In the query: the page before this model."},
		{ep, "lifecycle", Honoured, nil, "In the query: every installed model is active."},
	}
}

func headerFields() []Field {
	const ep = EndpointHeaders
	return []Field{
		{ep, "x-api-key", Honoured, nil, "Or authorization with a bearer token; not looked at while there are no accounts."},
		{ep, "anthropic-version", Honoured, nil, "Asks for this dialect's shape where a path is shared, whatever the version; may be left out elsewhere."},
		{ep, "anthropic-beta", Ignored, nil, "What this server knows needs no switch, and what it does not is refused by its field."},
		{ep, "anthropic-workspace-id", Ignored, nil, "There are no workspaces."},
		{ep, "anthropic-user-profile-id", Ignored, nil, "The server knows its callers by their credentials."},
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

// at is a struct's place: prefix is what its fields' names begin with in the table, where the same in the request.
type at struct{ endpoint, prefix, where string }

// screen looks at the raw fields of the struct v and refuses the first one that the table refuses.
func (t table) screen(p at, v any) error {
	rv := reflect.ValueOf(v)
	for i := range rv.NumField() {
		value, ok := reflect.TypeAssert[json.RawMessage](rv.Field(i))
		if !ok || !present(value) {
			continue
		}
		name, _, _ := strings.Cut(rv.Type().Field(i).Tag.Get("json"), ",")
		f := t[[2]string{p.endpoint, p.prefix + name}]
		if f.Decision == Refused && !slices.Contains(f.Accepts, compact(value)) {
			return refuse(p.where+name, f)
		}
	}
	return nil
}

func refuse(param string, f Field) *core.Error {
	except := " Leave it out."
	if len(f.Accepts) > 0 {
		except = " Leave it out, or send " + strings.Join(f.Accepts, " or ") + "."
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
