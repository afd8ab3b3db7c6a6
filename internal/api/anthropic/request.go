package anthropic

import (
	"encoding/json"
	"fmt"
	"strings"

	"ashatai/internal/api"
	"ashatai/internal/core"
)

// messageRequest is the body of POST /v1/messages. Fields of type json.RawMessage are decided by Fields, or have several
// forms and are read in a second step, where the place of a fault is known.
type messageRequest struct {
	prompt
	messageOthers

	MaxTokens     *int      `json:"max_tokens" required:"true"`
	StopSequences []string  `json:"stop_sequences,omitempty"`
	Stream        *bool     `json:"stream,omitempty"`
	Temperature   *float64  `json:"temperature,omitempty"`
	TopP          *float64  `json:"top_p,omitempty"`
	TopK          *int      `json:"top_k,omitempty"`
	Metadata      *metadata `json:"metadata,omitempty"`
}

// messageOthers are the fields that only Fields decides.
type messageOthers struct {
	ServiceTier         json.RawMessage `json:"service_tier,omitempty"`
	InferenceGeo        json.RawMessage `json:"inference_geo,omitempty"`
	Container           json.RawMessage `json:"container,omitempty"`
	Diagnostics         json.RawMessage `json:"diagnostics,omitempty"`
	Fallbacks           json.RawMessage `json:"fallbacks,omitempty"`
	FallbackCreditToken json.RawMessage `json:"fallback_credit_token,omitempty"`
	Thread              json.RawMessage `json:"thread,omitempty"`
}

type metadata struct {
	UserID json.RawMessage `json:"user_id,omitempty"`
}

// countRequest is the body of POST /v1/messages/count_tokens.
type countRequest struct{ prompt }

// prompt are the fields of both: what the model reads, and what it may answer with.
type prompt struct {
	promptOthers

	Model        string            `json:"model,omitempty"`
	Messages     []message         `json:"messages" required:"true"`
	System       json.RawMessage   `json:"system,omitempty"`
	Tools        []json.RawMessage `json:"tools,omitempty"`
	ToolChoice   *toolChoice       `json:"tool_choice,omitempty"`
	Thinking     *thinking         `json:"thinking,omitempty"`
	OutputConfig *outputConfig     `json:"output_config,omitempty"`
	OutputFormat *outputFormat     `json:"output_format,omitempty"`
	CacheControl *cacheControl     `json:"cache_control,omitempty"`
	Truncation   *string           `json:"truncation,omitempty" doc:"auto or disabled"`
}

// promptOthers are the fields that only Fields decides.
type promptOthers struct {
	UserProfileID     json.RawMessage `json:"user_profile_id,omitempty"`
	Speed             json.RawMessage `json:"speed,omitempty"`
	MCPServers        json.RawMessage `json:"mcp_servers,omitempty"`
	ContextManagement json.RawMessage `json:"context_management,omitempty"`
	Compaction        json.RawMessage `json:"compaction,omitempty"`
	BillingPolicy     json.RawMessage `json:"billing_policy,omitempty"`
}

type message struct {
	Role    string          `json:"role" required:"true" enum:"user,assistant,system"`
	Content json.RawMessage `json:"content" required:"true"`
}

func (m *messageRequest) streams() bool { return m.Stream != nil && *m.Stream }

// onlyFills reports whether the request asks for no answer, only for its prompt to be cached.
func (m *messageRequest) onlyFills() bool { return *m.MaxTokens == 0 }

// request checks the body and makes the core request of it. Ranges of the sampling fields are core's to check.
func (m *messageRequest) request(t api.Table) (*core.Request, error) {
	if err := t.Screen("", "", m.messageOthers); err != nil {
		return nil, err
	}
	if m.MaxTokens == nil {
		return nil, core.Invalid("max_tokens", "max_tokens is missing; it says how many tokens the answer may have.")
	}
	if *m.MaxTokens < 0 {
		return nil, core.Invalid("max_tokens", "max_tokens is %d; it must be at least 1, or 0 to only fill the prompt cache.", *m.MaxTokens)
	}
	req, err := m.prompt.request(t)
	if err != nil {
		return nil, err
	}
	if m.Thinking != nil && m.Thinking.BudgetTokens != nil && *m.Thinking.BudgetTokens >= *m.MaxTokens {
		return nil, core.Invalid("thinking.budget_tokens", "thinking.budget_tokens is %d and max_tokens is %d; the budget must be smaller.", *m.Thinking.BudgetTokens, *m.MaxTokens)
	}
	req.MaxTokens = max(*m.MaxTokens, 1)
	req.Choices = 1
	req.Sampling = core.Sampling{Temperature: m.Temperature, TopP: m.TopP, TopK: m.TopK}
	req.Stop, err = stops(m.StopSequences)
	return req, err
}

// stops checks what core would refuse under another name.
func stops(in []string) ([]string, error) {
	const name = "stop_sequences"
	if len(in) > core.MaxStops {
		return nil, core.Invalid(name, "%s has %d strings; at most %d are allowed.", name, len(in), core.MaxStops)
	}
	for i, s := range in {
		if s == "" || len(s) > core.MaxStopBytes {
			where := fmt.Sprintf("%s.%d", name, i)
			return nil, core.Invalid(where, "%s has %d bytes; it must have between 1 and %d.", where, len(s), core.MaxStopBytes)
		}
	}
	return in, nil
}

// truncation reads this server's own field: whether a prompt that does not fit may lose its oldest turns.
func truncation(v *string) (bool, error) {
	switch {
	case v == nil || *v == "disabled":
		return false, nil
	case *v == "auto":
		return true, nil
	}
	return false, core.Invalid("truncation", "truncation is %s; it must be auto or disabled.", api.Show(*v))
}

// request makes a core request of what both endpoints take.
func (p *prompt) request(t api.Table) (*core.Request, error) {
	if err := t.Screen("", "", p.promptOthers); err != nil {
		return nil, err
	}
	messages, pins, err := p.conversation(t)
	if err != nil {
		return nil, err
	}
	req := &core.Request{Model: p.Model, Messages: messages}
	if req.Truncate, err = truncation(p.Truncation); err != nil {
		return nil, err
	}
	var kept bool
	if req.Tools, kept, err = tools(t, p.Tools); err != nil {
		return nil, err
	}
	if req.Pins, err = p.pins(messages, pins, kept); err != nil {
		return nil, err
	}
	if req.ToolChoice, err = p.ToolChoice.choice(req.Tools); err != nil {
		return nil, err
	}
	if req.Thinking, err = p.Thinking.core(); err != nil {
		return nil, err
	}
	if req.Thinking.Effort, err = p.OutputConfig.effort(); err != nil {
		return nil, err
	}
	if req.Format, err = p.format(); err != nil {
		return nil, err
	}
	return req, p.resume(req)
}

// resume marks a request whose answer was begun: its last message is the assistant's.
func (p *prompt) resume(req *core.Request) error {
	last := len(p.Messages) - 1
	if req.Continue = p.Messages[last].Role == string(core.RoleAssistant); !req.Continue {
		return nil
	}
	where := fmt.Sprintf("messages.%d", last)
	if p.Thinking != nil && p.Thinking.Type != "disabled" {
		return core.Invalid(where, "The conversation ends with %s, which is the assistant's: an answer that was begun is not reasoned about. Turn thinking off, or end with a message from the user.", where)
	}
	return nil
}

// conversation is the system prompt and the messages.
func (p *prompt) conversation(t api.Table) ([]core.Message, []core.Pin, error) {
	if len(p.Messages) == 0 {
		return nil, nil, core.Invalid("messages", "messages is missing or empty; a conversation has at least one message.")
	}
	if len(p.Messages) > core.MaxMessages {
		return nil, nil, core.Invalid("messages", "The conversation has %d messages; at most %d are allowed.", len(p.Messages), core.MaxMessages)
	}
	c := conversation{reader: reader{t}}
	if api.Present(p.System) {
		if err := c.system(c.open(core.RoleSystem, "system"), p.System, "system"); err != nil {
			return nil, nil, err
		}
	}
	for i := range p.Messages {
		if err := c.add(i, &p.Messages[i]); err != nil {
			return nil, nil, err
		}
	}
	return c.finish()
}

// strict decodes one value of a body by the rules of the whole, and says in an error where the value stands.
func strict(where string, raw json.RawMessage, v any) error {
	err := api.Strict(raw, v)
	if err == nil {
		return nil
	}
	e := *core.AsError(err)
	e.Param = strings.TrimSuffix(where+"."+e.Param, ".")
	e.Message = where + ": " + e.Message
	return &e
}
