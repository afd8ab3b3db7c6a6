package openai

import (
	"encoding/json"
	"strconv"

	"ashatai/internal/api"
	"ashatai/internal/api/openai/param"
	"ashatai/internal/core"
)

// common are the fields of both text endpoints.
type common struct {
	commonOthers
	param.Guided

	Model            string              `json:"model,omitempty"`
	Temperature      *float64            `json:"temperature,omitempty"`
	TopP             *float64            `json:"top_p,omitempty"`
	TopK             *int                `json:"top_k,omitempty"`
	MinP             *float64            `json:"min_p,omitempty"`
	TypicalP         *float64            `json:"typical_p,omitempty"`
	RepeatPenalty    *float64            `json:"repeat_penalty,omitempty"`
	RepeatLastN      *int                `json:"repeat_last_n,omitempty"`
	PresencePenalty  *float64            `json:"presence_penalty,omitempty"`
	FrequencyPenalty *float64            `json:"frequency_penalty,omitempty"`
	LogitBias        map[string]*float64 `json:"logit_bias,omitempty"`
	Seed             *int64              `json:"seed,omitempty"`
	N                *int                `json:"n,omitempty"`
	Stop             json.RawMessage     `json:"stop,omitempty"`
	Stream           *bool               `json:"stream,omitempty"`
	StreamOptions    *streamOptions      `json:"stream_options,omitempty"`
	IgnoreEOS        *bool               `json:"ignore_eos,omitempty"`
	Truncation       *string             `json:"truncation,omitempty"`
	TimingsPerToken  *bool               `json:"timings_per_token,omitempty"`
}

// commonOthers are the fields that only Fields decides.
type commonOthers struct {
	User        json.RawMessage `json:"user,omitempty"`
	ServiceTier json.RawMessage `json:"service_tier,omitempty"`
	CachePrompt json.RawMessage `json:"cache_prompt,omitempty"`
	LoRA        json.RawMessage `json:"lora,omitempty"`
}

type streamOptions struct {
	IncludeUsage       *bool `json:"include_usage,omitempty"`
	IncludeObfuscation *bool `json:"include_obfuscation,omitempty"`
}

func (c *common) streams() bool { return c.Stream != nil && *c.Stream }

func (c *common) wantsUsage() bool {
	return c.StreamOptions != nil && c.StreamOptions.IncludeUsage != nil && *c.StreamOptions.IncludeUsage
}

func (c *common) wantsPadding() bool {
	return c.StreamOptions != nil && c.StreamOptions.IncludeObfuscation != nil && *c.StreamOptions.IncludeObfuscation
}

func (c *common) wantsTimings() bool { return c.TimingsPerToken != nil && *c.TimingsPerToken }

// request makes a core request of the common fields. Ranges of the sampling fields are core's to check.
func (c *common) request(t api.Table) (*core.Request, error) {
	if err := t.Screen("", "", c.commonOthers); err != nil {
		return nil, err
	}
	if c.StreamOptions != nil && !c.streams() {
		return nil, core.Invalid("stream_options", "stream_options is only allowed when stream is true.")
	}
	req := &core.Request{
		Model: c.Model,
		Sampling: core.Sampling{
			Temperature: c.Temperature, TopP: c.TopP, TopK: c.TopK, MinP: c.MinP, TypicalP: c.TypicalP,
			RepeatPenalty: c.RepeatPenalty, RepeatLastN: c.RepeatLastN,
			PresencePenalty: c.PresencePenalty, FrequencyPenalty: c.FrequencyPenalty, Seed: c.Seed,
		},
		IgnoreEOS: c.IgnoreEOS != nil && *c.IgnoreEOS,
	}
	var err error
	if req.Truncate, err = param.Truncation(c.Truncation); err != nil {
		return nil, err
	}
	if req.Choices, err = param.AtLeastOne("n", c.N, 1); err != nil {
		return nil, err
	}
	if req.Stop, err = stopStrings(c.Stop); err != nil {
		return nil, err
	}
	if req.Sampling.LogitBias, err = logitBias(c.LogitBias); err != nil {
		return nil, err
	}
	return req, nil
}

func logitBias(in map[string]*float64) (map[int]float64, error) {
	if len(in) == 0 {
		return nil, nil
	}
	if len(in) > core.MaxLogitBias {
		return nil, core.Invalid("logit_bias", "logit_bias has %d entries; at most %d are allowed.", len(in), core.MaxLogitBias)
	}
	out := make(map[int]float64, len(in))
	for k, v := range in {
		id, err := strconv.ParseUint(k, 10, 31)
		if err != nil {
			return nil, core.Invalid("logit_bias", "logit_bias has the key %s; its keys are token ids such as \"1234\".", api.Show(k))
		}
		if _, twice := out[int(id)]; twice {
			return nil, core.Invalid("logit_bias", "logit_bias names token %d twice.", id)
		}
		if v != nil {
			out[int(id)] = *v
		}
	}
	return out, nil
}

// stopStrings reads a string or a list of strings; their number and length are core's to check.
func stopStrings(raw json.RawMessage) ([]string, error) {
	if !api.Present(raw) {
		return nil, nil
	}
	var one string
	if raw[0] == '"' && json.Unmarshal(raw, &one) == nil {
		return []string{one}, nil
	}
	list, ok := param.Strings(raw)
	if !ok {
		return nil, core.Invalid("stop", "stop must be a string or a list of strings.")
	}
	return list, nil
}
