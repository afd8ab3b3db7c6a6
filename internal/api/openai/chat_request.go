package openai

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"

	"ashatai/internal/core"
)

// maxTemplateArgs bounds chat_template_kwargs.
const maxTemplateArgs = 32

// chatRequest is the body of POST /v1/chat/completions. Fields of type json.RawMessage are decided by Fields, or have
// several forms and are read in a second step, where the place of a fault is known.
type chatRequest struct {
	common
	chatOthers

	Messages            []chatMessage  `json:"messages"`
	MaxCompletionTokens *int           `json:"max_completion_tokens,omitempty"`
	MaxTokens           *int           `json:"max_tokens,omitempty"`
	Logprobs            *bool          `json:"logprobs,omitempty"`
	TopLogprobs         *int           `json:"top_logprobs,omitempty"`
	TemplateArgs        map[string]any `json:"chat_template_kwargs,omitempty"`
}

// chatOthers are the fields that only Fields decides.
type chatOthers struct {
	Tools                json.RawMessage `json:"tools,omitempty"`
	ToolChoice           json.RawMessage `json:"tool_choice,omitempty"`
	Functions            json.RawMessage `json:"functions,omitempty"`
	FunctionCall         json.RawMessage `json:"function_call,omitempty"`
	ResponseFormat       json.RawMessage `json:"response_format,omitempty"`
	Modalities           json.RawMessage `json:"modalities,omitempty"`
	Audio                json.RawMessage `json:"audio,omitempty"`
	WebSearchOptions     json.RawMessage `json:"web_search_options,omitempty"`
	Prediction           json.RawMessage `json:"prediction,omitempty"`
	Store                json.RawMessage `json:"store,omitempty"`
	Moderation           json.RawMessage `json:"moderation,omitempty"`
	ReasoningEffort      json.RawMessage `json:"reasoning_effort,omitempty"`
	Verbosity            json.RawMessage `json:"verbosity,omitempty"`
	Metadata             json.RawMessage `json:"metadata,omitempty"`
	ParallelToolCalls    json.RawMessage `json:"parallel_tool_calls,omitempty"`
	SafetyIdentifier     json.RawMessage `json:"safety_identifier,omitempty"`
	PromptCacheKey       json.RawMessage `json:"prompt_cache_key,omitempty"`
	PromptCacheOptions   json.RawMessage `json:"prompt_cache_options,omitempty"`
	PromptCacheRetention json.RawMessage `json:"prompt_cache_retention,omitempty"`
}

type chatMessage struct {
	Role    string          `json:"role"`
	Content json.RawMessage `json:"content"`
	Name    *string         `json:"name,omitempty"`

	Refusal          json.RawMessage `json:"refusal,omitempty"`
	ToolCalls        json.RawMessage `json:"tool_calls,omitempty"`
	ToolCallID       json.RawMessage `json:"tool_call_id,omitempty"`
	FunctionCall     json.RawMessage `json:"function_call,omitempty"`
	Audio            json.RawMessage `json:"audio,omitempty"`
	Annotations      json.RawMessage `json:"annotations,omitempty"`
	ReasoningContent json.RawMessage `json:"reasoning_content,omitempty"`
}

// request checks the body and makes the core request of it.
func (c *chatRequest) request(t table) (*core.Request, error) {
	if err := t.screen(EndpointChat, "", "", c.chatOthers); err != nil {
		return nil, err
	}
	req, err := c.common.request(t, EndpointChat)
	if err != nil {
		return nil, err
	}
	if len(c.Messages) == 0 {
		return nil, core.Invalid("messages", "messages is missing or empty; a conversation has at least one message.")
	}
	if len(c.Messages) > core.MaxMessages {
		return nil, core.Invalid("messages", "The conversation has %d messages; at most %d are allowed.", len(c.Messages), core.MaxMessages)
	}
	req.Messages = make([]core.Message, len(c.Messages))
	for i := range c.Messages {
		if req.Messages[i], err = c.Messages[i].message(t, i); err != nil {
			return nil, err
		}
	}
	if req.MaxTokens, err = c.maxTokens(); err != nil {
		return nil, err
	}
	req.Logprobs = c.Logprobs != nil && *c.Logprobs
	if c.TopLogprobs != nil {
		if !req.Logprobs && *c.TopLogprobs != 0 {
			return nil, core.Invalid("top_logprobs", "top_logprobs needs logprobs to be true.")
		}
		req.TopLogprobs = *c.TopLogprobs
	}
	req.TemplateArgs, err = templateArgs(c.TemplateArgs)
	return req, err
}

func (c *chatRequest) maxTokens() (int, error) {
	if c.MaxTokens != nil && c.MaxCompletionTokens != nil && *c.MaxTokens != *c.MaxCompletionTokens {
		return 0, core.Invalid("max_tokens", "max_tokens is %d and max_completion_tokens is %d; send one of them.", *c.MaxTokens, *c.MaxCompletionTokens)
	}
	if c.MaxCompletionTokens != nil {
		return atLeastOne("max_completion_tokens", c.MaxCompletionTokens, 0)
	}
	return atLeastOne("max_tokens", c.MaxTokens, 0)
}

// atLeastOne reads an optional count that must be positive when it is given.
func atLeastOne(name string, v *int, absent int) (int, error) {
	if v == nil {
		return absent, nil
	}
	if *v < 1 {
		return 0, core.Invalid(name, "%s is %d; it must be at least 1.", name, *v)
	}
	return *v, nil
}

func (m *chatMessage) message(t table, i int) (core.Message, error) {
	where := fmt.Sprintf("messages.%d.", i)
	var out core.Message
	switch m.Role {
	case "system", "developer":
		out.Role = core.RoleSystem
	case "user":
		out.Role = core.RoleUser
	case "assistant":
		out.Role = core.RoleAssistant
	case "tool", "function":
		return out, core.Invalid(where+"role", "%srole is %q. %s.", where, m.Role, noTools)
	case "":
		return out, core.Invalid(where+"role", "%srole is missing; it is system, developer, user or assistant.", where)
	default:
		return out, core.Invalid(where+"role", "%srole is %s; it is system, developer, user or assistant.", where, show(m.Role))
	}
	if err := t.screen(EndpointChat, "messages.", where, *m); err != nil {
		return out, err
	}
	if m.Name != nil {
		out.Name = *m.Name
	}
	var err error
	out.Content, err = content(where+"content", m.Content)
	return out, err
}

// part is one element of a content list.
type part struct {
	Type string  `json:"type"`
	Text *string `json:"text"`
}

// content reads a string or a list of text parts, which are joined as they are.
func content(where string, raw json.RawMessage) (string, error) {
	if !present(raw) {
		return "", core.Invalid(where, "%s is missing; it is a string or a list of text parts.", where)
	}
	var text string
	if raw[0] == '"' {
		if err := json.Unmarshal(raw, &text); err != nil {
			return "", core.Wrap(core.CodeInvalidRequest, err, "%s is not a valid JSON string.", where)
		}
		return text, nil
	}
	var list []json.RawMessage
	if raw[0] != '[' || json.Unmarshal(raw, &list) != nil {
		return "", core.Invalid(where, "%s is neither a string nor a list of parts.", where)
	}
	if len(list) == 0 {
		return "", core.Invalid(where, "%s is an empty list; it has at least one text part.", where)
	}
	var all []byte
	for i, raw := range list {
		at := fmt.Sprintf("%s.%d", where, i)
		var kind struct {
			Type string `json:"type"`
		}
		if raw[0] != '{' || json.Unmarshal(raw, &kind) != nil || kind.Type == "" {
			return "", core.Invalid(at, "%s is not a part; a part is an object such as {\"type\":\"text\",\"text\":\"…\"}.", at)
		}
		if kind.Type != "text" {
			return "", core.Invalid(at+".type", "%s.type is %s. %s: send parts of type text.", at, show(kind.Type), noMedia)
		}
		var p part
		dec := json.NewDecoder(bytes.NewReader(raw))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&p); err != nil || p.Text == nil {
			return "", core.Invalid(at, "%s must have the fields type and text, both strings, and no others.", at)
		}
		all = append(all, *p.Text...)
	}
	return string(all), nil
}

// templateArgs checks the variables for the chat template. Whole numbers become int64, since templates count with them.
func templateArgs(in map[string]any) (map[string]any, error) {
	const name = "chat_template_kwargs"
	if len(in) > maxTemplateArgs {
		return nil, core.Invalid(name, "%s has %d entries; at most %d are allowed.", name, len(in), maxTemplateArgs)
	}
	if len(in) == 0 {
		return nil, nil
	}
	out := make(map[string]any, len(in))
	for k, v := range in {
		switch v := v.(type) {
		case nil: // absent
		case string, bool:
			out[k] = v
		case float64:
			if v == math.Trunc(v) && math.Abs(v) < 1<<53 {
				out[k] = int64(v)
			} else {
				out[k] = v
			}
		default:
			return nil, core.Invalid(name+"."+k, "%s.%s must be a string, a number or a boolean.", name, show(k))
		}
	}
	return out, nil
}

// show quotes a caller's text for a message and cuts it where it is long.
func show(s string) string {
	if r := []rune(s); len(r) > 64 {
		s = string(r[:64]) + "…"
	}
	return fmt.Sprintf("%q", s)
}
