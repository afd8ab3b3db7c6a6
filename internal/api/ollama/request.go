package ollama

import (
	"encoding/json"
	"net/http"

	"ashatai/internal/api"
	"ashatai/internal/core"
)

// common are the fields of both text endpoints.
type common struct {
	Model       string          `json:"model" required:"true"`
	Stream      *bool           `json:"stream,omitempty" doc:"true when absent"`
	Format      json.RawMessage `json:"format,omitempty" doc:"\"json\", or a JSON schema"`
	KeepAlive   *keepAlive      `json:"keep_alive,omitempty"`
	Options     *options        `json:"options,omitempty"`
	Think       json.RawMessage `json:"think,omitempty" doc:"true, false, low, medium, high or max"`
	Logprobs    *bool           `json:"logprobs,omitempty"`
	TopLogprobs *int            `json:"top_logprobs,omitempty" min:"0" max:"20"`

	Truncate        *bool           `json:"truncate,omitempty" doc:"false when absent"`
	Shift           json.RawMessage `json:"shift,omitempty"`
	DebugRenderOnly json.RawMessage `json:"_debug_render_only,omitempty"` //nolint:tagliatelle // its clients' name
}

func (c *common) streams() bool { return c.Stream == nil || *c.Stream }

// request makes a core request of the common fields, and says which context the caller wants.
func (c *common) request(t api.Table) (_ *core.Request, context int, _ error) {
	if c.Model == "" {
		return nil, 0, core.Invalid("model", "model is required; it names an installed model. GET /api/tags lists them.")
	}
	opt, err := c.Options.choose(t, "options")
	if err != nil {
		return nil, 0, err
	}
	req := &core.Request{
		Model: c.Model, Choices: 1, Sampling: opt.sampling, Stop: opt.stop, MaxTokens: opt.limit(),
		Logprobs: c.Logprobs != nil && *c.Logprobs, Truncate: c.Truncate != nil && *c.Truncate,
	}
	if c.TopLogprobs != nil {
		if *c.TopLogprobs != 0 && !req.Logprobs {
			return nil, 0, core.Invalid("top_logprobs", "top_logprobs needs logprobs to be true.")
		}
		req.TopLogprobs = *c.TopLogprobs
	}
	if req.Format, err = formatOf(c.Format); err != nil {
		return nil, 0, err
	}
	req.Fields.Thinking = "think"
	if req.Thinking, err = thinkingOf(c.Think); err != nil {
		return nil, 0, err
	}
	return req, opt.context, req.Validate()
}

// own puts who asks, and under which id, into a request.
func own(req *core.Request, w http.ResponseWriter, r *http.Request) {
	req.ID = w.Header().Get(api.HeaderRequestID)
	req.Principal = core.PrincipalFrom(r.Context())
}

func formatOf(raw json.RawMessage) (core.Format, error) {
	if !api.Present(raw) {
		return core.Format{}, nil
	}
	var word string
	if json.Unmarshal(raw, &word) == nil {
		switch word {
		case "":
			return core.Format{}, nil
		case "json":
			return core.Format{Kind: core.FormatJSON}, nil
		}
	} else if raw[0] == '{' {
		if len(raw) > core.MaxSchemaBytes {
			return core.Format{}, core.Invalid("format", "format has %d bytes; a schema has at most %d.", len(raw), core.MaxSchemaBytes)
		}
		return core.Format{Kind: core.FormatSchema, Source: string(raw)}, nil
	}
	return core.Format{}, core.Invalid("format", "format must be \"json\" or a JSON schema, which is an object.")
}

func thinkingOf(raw json.RawMessage) (core.Thinking, error) {
	if !api.Present(raw) {
		return core.Thinking{}, nil
	}
	var on bool
	if json.Unmarshal(raw, &on) == nil {
		return core.Thinking{Enabled: &on}, nil
	}
	var level string
	if json.Unmarshal(raw, &level) == nil {
		switch level {
		case "max":
			level = "high"
			fallthrough
		case "low", "medium", "high":
			on = true
			return core.Thinking{Enabled: &on, Effort: level}, nil
		}
	}
	return core.Thinking{}, core.Invalid("think", "think must be true, false, \"low\", \"medium\", \"high\" or \"max\".")
}
