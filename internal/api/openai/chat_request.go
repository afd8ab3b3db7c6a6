package openai

import (
	"encoding/json"
	"math"
	"strings"

	"ashatai/internal/api"
	"ashatai/internal/api/openai/param"
	"ashatai/internal/core"
)

// maxTemplateArgs bounds chat_template_kwargs.
const maxTemplateArgs = 32

// chatRequest is the body of POST /v1/chat/completions. Fields of type json.RawMessage are decided by Fields, or have
// several forms and are read in a second step, where the place of a fault is known.
type chatRequest struct {
	common
	chatOthers
	chatTools

	Messages            []chatMessage     `json:"messages"`
	MaxCompletionTokens *int              `json:"max_completion_tokens,omitempty"`
	MaxTokens           *int              `json:"max_tokens,omitempty"`
	Logprobs            *bool             `json:"logprobs,omitempty"`
	TopLogprobs         *int              `json:"top_logprobs,omitempty"`
	TemplateArgs        map[string]any    `json:"chat_template_kwargs,omitempty"`
	ResponseFormat      json.RawMessage   `json:"response_format,omitempty"`
	ReasoningEffort     *string           `json:"reasoning_effort,omitempty"`
	ThinkingBudget      *int              `json:"thinking_budget,omitempty"`
	Store               *bool             `json:"store,omitempty"`
	Metadata            map[string]string `json:"metadata,omitempty"`
	ContinueLast        *bool             `json:"continue_final_message,omitempty"`
	OpenTurn            *bool             `json:"add_generation_prompt,omitempty"`
}

// chatOthers are the fields that only Fields decides.
type chatOthers struct {
	Modalities           json.RawMessage `json:"modalities,omitempty"`
	Audio                json.RawMessage `json:"audio,omitempty"`
	WebSearchOptions     json.RawMessage `json:"web_search_options,omitempty"`
	Prediction           json.RawMessage `json:"prediction,omitempty"`
	Moderation           json.RawMessage `json:"moderation,omitempty"`
	Verbosity            json.RawMessage `json:"verbosity,omitempty"`
	SafetyIdentifier     json.RawMessage `json:"safety_identifier,omitempty"`
	PromptCacheKey       json.RawMessage `json:"prompt_cache_key,omitempty"`
	PromptCacheOptions   json.RawMessage `json:"prompt_cache_options,omitempty"`
	PromptCacheRetention json.RawMessage `json:"prompt_cache_retention,omitempty"`
}

// request checks the body and makes the core request of it.
func (c *chatRequest) request(t api.Table) (*core.Request, error) {
	if err := t.Screen("", "", c.chatOthers); err != nil {
		return nil, err
	}
	req, err := c.common.request(t)
	if err != nil {
		return nil, err
	}
	if req.Messages, err = messages(t, c.Messages); err != nil {
		return nil, err
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
	if err := c.apply(req); err != nil {
		return nil, err
	}
	format, err := param.ReadFormat("response_format", c.ResponseFormat, true)
	if err != nil {
		return nil, err
	}
	req.Fields.Prompt, req.Fields.Thinking = "messages", "reasoning_effort"
	if req.Format, req.Fields.Format, err = c.Format(format, "response_format"); err != nil {
		return nil, err
	}
	if req.Thinking, err = param.Effort("reasoning_effort", c.ReasoningEffort); err != nil {
		return nil, err
	}
	if req.Thinking.Budget, err = param.AtLeastOne("thinking_budget", c.ThinkingBudget, 0); err != nil {
		return nil, err
	}
	if c.Metadata, err = param.Metadata("metadata", c.Metadata); err != nil {
		return nil, err
	}
	if req.TemplateArgs, err = templateArgs(c.TemplateArgs); err != nil {
		return nil, err
	}
	return req, c.resume(req)
}

// resume reads the two fields that say whether the answer goes on from the last message.
func (c *chatRequest) resume(req *core.Request) error {
	const name, turn = "continue_final_message", "add_generation_prompt"
	req.Continue = c.ContinueLast != nil && *c.ContinueLast
	if c.OpenTurn != nil && *c.OpenTurn == req.Continue {
		return core.Invalid(turn, "%s is %t and %s is %t; an answer either begins a turn or goes on from the last message.", turn, *c.OpenTurn, name, req.Continue)
	}
	last := req.Messages[len(req.Messages)-1]
	if req.Continue && (last.Role != core.RoleAssistant || len(last.ToolCalls) > 0 || strings.TrimSpace(last.Content) == "") {
		return core.Invalid(name, "%s is true, and the last message is not one of the assistant that holds text and no calls.", name)
	}
	return nil
}

// keeps reports whether the chat is to be stored.
func (c *chatRequest) keeps() bool { return c.Store != nil && *c.Store }

func (c *chatRequest) maxTokens() (int, error) {
	if c.MaxTokens != nil && c.MaxCompletionTokens != nil && *c.MaxTokens != *c.MaxCompletionTokens {
		return 0, core.Invalid("max_tokens", "max_tokens is %d and max_completion_tokens is %d; send one of them.", *c.MaxTokens, *c.MaxCompletionTokens)
	}
	if c.MaxCompletionTokens != nil {
		return param.AtLeastOne("max_completion_tokens", c.MaxCompletionTokens, 0)
	}
	return param.AtLeastOne("max_tokens", c.MaxTokens, 0)
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
			return nil, core.Invalid(name+"."+k, "%s.%s must be a string, a number or a boolean.", name, api.Show(k))
		}
	}
	return out, nil
}
