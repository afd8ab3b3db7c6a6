package anthropic

import (
	"encoding/json"

	"ashatai/internal/api"
	"ashatai/internal/core"
)

// thinking says whether the model reasons before it answers.
type thinking struct {
	Type         string  `json:"type" required:"true" enum:"enabled,disabled,adaptive"`
	BudgetTokens *int    `json:"budget_tokens,omitempty"`
	Display      *string `json:"display,omitempty" enum:"summarized,omitted"`
}

// core is the wish in the server's words; t may be nil. Without one a model that can does not reason: this dialect's clients ask
// for reasoning where they can take it, and read the first block of an answer as text where they did not.
func (t *thinking) core() (core.Thinking, error) {
	var out core.Thinking
	if t == nil {
		out.Enabled = new(false)
		return out, nil
	}
	switch t.Type {
	case "enabled":
		out.Enabled = new(true)
		if t.BudgetTokens == nil || *t.BudgetTokens < 1 {
			return out, core.Invalid("thinking.budget_tokens", "thinking.budget_tokens is missing or below 1; it says how many tokens of reasoning the model may write.")
		}
		out.Budget = *t.BudgetTokens
	case "disabled":
		out.Enabled = new(false)
	case "adaptive":
	default:
		return out, core.Invalid("thinking.type", "thinking.type is %s; it is enabled, disabled or adaptive.", api.Show(t.Type))
	}
	if t.BudgetTokens != nil && t.Type != "enabled" {
		return out, core.Invalid("thinking.budget_tokens", "thinking.budget_tokens is only allowed with the type enabled.")
	}
	if t.Display != nil {
		if t.Type == "disabled" {
			return out, core.Invalid("thinking.display", "thinking.display is not allowed with the type disabled.")
		}
		if *t.Display != "summarized" && *t.Display != "omitted" {
			return out, core.Invalid("thinking.display", "thinking.display is %s; it is summarized or omitted.", api.Show(*t.Display))
		}
	}
	return out, nil
}

// hidden reports whether the reasoning is kept from the caller.
func (t *thinking) hidden() bool { return t != nil && t.Display != nil && *t.Display == "omitted" }

type outputConfig struct {
	Effort *string       `json:"effort,omitempty" enum:"low,medium,high,xhigh,max"`
	Format *outputFormat `json:"format,omitempty"`
}

// effort is the wish in the server's words, of which high is the strongest; c may be nil.
func (c *outputConfig) effort() (string, error) {
	if c == nil || c.Effort == nil {
		return "", nil
	}
	switch *c.Effort {
	case "low", "medium", "high":
		return *c.Effort, nil
	case "xhigh", "max":
		return "high", nil
	}
	return "", core.Invalid("output_config.effort", "output_config.effort is %s; it is low, medium, high, xhigh or max.", api.Show(*c.Effort))
}

type outputFormat struct {
	Type   string          `json:"type" required:"true" enum:"json_schema"`
	Schema json.RawMessage `json:"schema" required:"true"`
}

// format is what the answer's text must look like.
func (p *prompt) format() (core.Format, error) {
	f, where := p.OutputFormat, "output_format"
	if p.OutputConfig != nil && p.OutputConfig.Format != nil {
		if f != nil {
			return core.Format{}, core.Invalid(where, "output_format is the old name of output_config.format; send one of them.")
		}
		f, where = p.OutputConfig.Format, "output_config.format"
	}
	if f == nil {
		return core.Format{}, nil
	}
	if f.Type != "json_schema" {
		return core.Format{}, core.Invalid(where+".type", "%s.type is %s; it is json_schema.", where, api.Show(f.Type))
	}
	where += ".schema"
	if len(f.Schema) == 0 || f.Schema[0] != '{' {
		return core.Format{}, core.Invalid(where, "%s is missing or no object; it is a JSON schema.", where)
	}
	text, err := schemaText(where, f.Schema)
	return core.Format{Kind: core.FormatSchema, Source: string(text)}, err
}
