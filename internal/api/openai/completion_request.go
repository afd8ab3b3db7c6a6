package openai

import (
	"encoding/json"

	"ashatai/internal/api"
	"ashatai/internal/api/openai/param"
	"ashatai/internal/core"
)

const (
	// defaultMaxTokens is OpenAI's own for this endpoint: raw text has no end of turn, so an absent limit must not
	// mean the whole context.
	defaultMaxTokens = 16
	maxPrompts       = 128
	maxAnswers       = 256 // prompts times n
)

// completionRequest is the body of POST /v1/completions.
type completionRequest struct {
	common
	completionOthers

	Prompt    json.RawMessage `json:"prompt"`
	MaxTokens *int            `json:"max_tokens,omitempty"`
	Logprobs  *int            `json:"logprobs,omitempty"`
	BestOf    *int            `json:"best_of,omitempty"`
}

// completionOthers are the fields that only Fields decides.
type completionOthers struct {
	Echo   json.RawMessage `json:"echo,omitempty"`
	Suffix json.RawMessage `json:"suffix,omitempty"`
}

// requests checks the body and makes one core request for each prompt.
func (c *completionRequest) requests(t api.Table) ([]*core.Request, error) {
	if err := t.Screen("", "", c.completionOthers); err != nil {
		return nil, err
	}
	base, err := c.request(t)
	if err != nil {
		return nil, err
	}
	base.Fields.Prompt = "prompt"
	if base.Format, base.Fields.Format, err = c.Format(core.Format{}, ""); err != nil {
		return nil, err
	}
	if c.BestOf != nil && *c.BestOf != base.Choices {
		return nil, t["best_of"].Refuse("best_of")
	}
	if base.MaxTokens, err = param.AtLeastOne("max_tokens", c.MaxTokens, defaultMaxTokens); err != nil {
		return nil, err
	}
	if c.Logprobs != nil {
		if *c.Logprobs < 0 || *c.Logprobs > core.MaxTopLogprobs {
			return nil, core.Invalid("logprobs", "logprobs is %d; it must be between 0 and %d.", *c.Logprobs, core.MaxTopLogprobs)
		}
		base.Logprobs, base.TopLogprobs = true, *c.Logprobs
	}
	prompts, err := readInputs("prompt", c.Prompt, maxPrompts)
	if err != nil {
		return nil, err
	}
	if base.Truncate && len(prompts) > 1 {
		return nil, core.Invalid("truncation", "truncation is auto, which is for one prompt at a time; there are %d.", len(prompts))
	}
	if n := len(prompts) * base.Choices; n > maxAnswers {
		return nil, core.Invalid("n", "%d prompts with n = %d ask for %d answers; at most %d are allowed.", len(prompts), base.Choices, n, maxAnswers)
	}
	out := make([]*core.Request, len(prompts))
	for i, p := range prompts {
		one := *base
		one.Prompt, one.Tokens = p.text, p.tokens
		out[i] = &one
	}
	return out, nil
}
