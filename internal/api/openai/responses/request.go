package responses

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	"ashatai/internal/api"
	"ashatai/internal/api/openai/param"
	"ashatai/internal/core"
)

// promptFields are those that shape the prompt, which the count of tokens takes as well.
type promptFields struct {
	Model              string          `json:"model,omitempty"`
	Input              json.RawMessage `json:"input,omitempty"`
	Instructions       *string         `json:"instructions,omitempty"`
	PreviousResponseID *string         `json:"previous_response_id,omitempty"`
	Conversation       json.RawMessage `json:"conversation,omitempty"`
	Tools              []toolField     `json:"tools,omitempty"`
	ToolChoice         json.RawMessage `json:"tool_choice,omitempty"`
	ParallelToolCalls  *bool           `json:"parallel_tool_calls,omitempty"`
	Reasoning          *reasoningField `json:"reasoning,omitempty"`
	Text               *textField      `json:"text,omitempty"`
	Truncation         *string         `json:"truncation,omitempty"`
}

// createRequest is the body of POST /v1/responses.
type createRequest struct {
	promptFields
	createOthers
	param.Guided

	Background      *bool             `json:"background,omitempty"`
	Include         []string          `json:"include,omitempty"`
	MaxOutputTokens *int              `json:"max_output_tokens,omitempty"`
	MaxToolCalls    *int              `json:"max_tool_calls,omitempty"`
	Metadata        map[string]string `json:"metadata,omitempty"`
	Store           *bool             `json:"store,omitempty"`
	Stream          *bool             `json:"stream,omitempty"`
	StreamOptions   *streamField      `json:"stream_options,omitempty"`
	Temperature     *float64          `json:"temperature,omitempty"`
	TopP            *float64          `json:"top_p,omitempty"`
	TopLogprobs     *int              `json:"top_logprobs,omitempty"`
	TopK            *int              `json:"top_k,omitempty"`
	MinP            *float64          `json:"min_p,omitempty"`
	RepeatPenalty   *float64          `json:"repeat_penalty,omitempty"`
	Seed            *int64            `json:"seed,omitempty"`
}

// createOthers are the fields that only Fields decides.
type createOthers struct {
	ClientMetadata       json.RawMessage `json:"client_metadata,omitempty"`
	AccessPrograms       json.RawMessage `json:"access_programs,omitempty"`
	BackgroundOptions    json.RawMessage `json:"background_options,omitempty"`
	ContextManagement    json.RawMessage `json:"context_management,omitempty"`
	Image                json.RawMessage `json:"image,omitempty"`
	Moderation           json.RawMessage `json:"moderation,omitempty"`
	Prompt               json.RawMessage `json:"prompt,omitempty"`
	PromptCacheKey       json.RawMessage `json:"prompt_cache_key,omitempty"`
	PromptCacheOptions   json.RawMessage `json:"prompt_cache_options,omitempty"`
	PromptCacheRetention json.RawMessage `json:"prompt_cache_retention,omitempty"`
	SafetyIdentifier     json.RawMessage `json:"safety_identifier,omitempty"`
	ServiceTier          json.RawMessage `json:"service_tier,omitempty"`
	User                 json.RawMessage `json:"user,omitempty"`
}

// countRequest is the body of POST /v1/responses/input_tokens.
type countRequest struct {
	promptFields
	countOthers
}

type countOthers struct {
	Personality json.RawMessage `json:"personality,omitempty"`
}

type reasoningField struct {
	Effort *string `json:"effort,omitempty"`
	reasoningOthers
}

type reasoningOthers struct {
	Summary         json.RawMessage `json:"summary,omitempty"`
	GenerateSummary json.RawMessage `json:"generate_summary,omitempty"`
	Context         json.RawMessage `json:"context,omitempty"`
	Mode            json.RawMessage `json:"mode,omitempty"`
}

type textField struct {
	Format json.RawMessage `json:"format,omitempty"`
	textOthers
}

type textOthers struct {
	Verbosity json.RawMessage `json:"verbosity,omitempty"`
}

type streamField struct {
	IncludeObfuscation *bool `json:"include_obfuscation,omitempty"`
}

// conversation is the id of the conversation that a request names, as a text or as an object; empty for none.
func (f *promptFields) conversation() (string, error) {
	if !api.Present(f.Conversation) {
		return "", nil
	}
	if id, ok := param.Text(f.Conversation); ok && id != "" {
		return id, nil
	}
	var ref reference
	dec := json.NewDecoder(bytes.NewReader(f.Conversation))
	dec.DisallowUnknownFields()
	if f.Conversation[0] != '{' || dec.Decode(&ref) != nil || ref.ID == "" {
		return "", core.Invalid("conversation", "conversation must be the id of a conversation, or an object with its id.")
	}
	return ref.ID, nil
}

// apply puts the fields into a request, all but what is said in it.
func (f *promptFields) apply(t api.Table, req *core.Request) error {
	req.Model = f.Model
	if err := f.applyTools(t, req); err != nil {
		return err
	}
	if f.Reasoning != nil {
		if err := t.Screen("reasoning.", "reasoning.", f.Reasoning.reasoningOthers); err != nil {
			return err
		}
		var err error
		if req.Thinking, err = param.Effort("reasoning.effort", f.Reasoning.Effort); err != nil {
			return err
		}
	}
	if f.Text != nil {
		if err := t.Screen("text.", "text.", f.Text.textOthers); err != nil {
			return err
		}
		var err error
		if req.Format, err = param.ReadFormat("text.format", f.Text.Format, false); err != nil {
			return err
		}
	}
	var err error
	req.Truncate, err = param.Truncation(f.Truncation)
	return err
}

// plan is a checked request.
type plan struct {
	req        *core.Request
	spaces     map[string]string
	resp       response // as it is at its beginning
	input      []item
	before     earlier
	stream     bool
	background bool
	logprobs   bool
	padded     bool
}

const includeLogprobs = "message.output_text.logprobs"

// includes are the values of include. All but one ask for parts of what only other tools make.
func includes() []string {
	return []string{
		includeLogprobs, "reasoning.encrypted_content", "file_search_call.results", "web_search_call.results",
		"web_search_call.action.sources", "message.input_image.image_url", "computer_call_output.output.image_url",
		"code_interpreter_call.outputs",
	}
}

func checkInclude(list []string) error {
	for i, v := range list {
		if err := param.OneOf(fmt.Sprintf("include.%d", i), &v, includes()...); err != nil {
			return err
		}
	}
	return nil
}

// plan checks the body, except for what is said and what it continues.
func (c *createRequest) plan(t api.Table) (*plan, error) {
	if err := t.Screen("", "", c.createOthers); err != nil {
		return nil, err
	}
	p := &plan{
		stream: is(c.Stream), background: is(c.Background),
		req: &core.Request{Choices: 1, Sampling: core.Sampling{
			Temperature: c.Temperature, TopP: c.TopP, TopK: c.TopK, MinP: c.MinP, RepeatPenalty: c.RepeatPenalty, Seed: c.Seed,
		}},
	}
	if err := c.apply(t, p.req); err != nil {
		return nil, err
	}
	if c.StreamOptions != nil {
		if !p.stream {
			return nil, core.Invalid("stream_options", "stream_options is only allowed when stream is true.")
		}
		p.padded = is(c.StreamOptions.IncludeObfuscation)
	}
	var err error
	p.req.Fields.Prompt, p.req.Fields.Thinking = "input", "reasoning.effort"
	if p.req.Format, p.req.Fields.Format, err = c.Format(p.req.Format, "text.format"); err != nil {
		return nil, err
	}
	if p.req.MaxTokens, err = param.AtLeastOne("max_output_tokens", c.MaxOutputTokens, 0); err != nil {
		return nil, err
	}
	if _, err := param.AtLeastOne("max_tool_calls", c.MaxToolCalls, 0); err != nil {
		return nil, err
	}
	if err := checkInclude(c.Include); err != nil {
		return nil, err
	}
	p.logprobs = slices.Contains(c.Include, includeLogprobs) || c.TopLogprobs != nil && *c.TopLogprobs > 0
	p.req.Logprobs = p.logprobs
	if c.TopLogprobs != nil {
		p.req.TopLogprobs = *c.TopLogprobs
	}
	if c.Metadata, err = param.Metadata("metadata", c.Metadata); err != nil {
		return nil, err
	}
	if p.background && c.Store != nil && !*c.Store {
		return nil, core.Invalid("background", "background needs store to be true: nobody could come back for the answer.")
	}
	p.spaces = spacesOf(c.Tools)
	p.resp = c.echo(p)
	return p, p.req.Validate()
}

func is(b *bool) bool { return b != nil && *b }

// echo is the response as the request describes it.
func (c *createRequest) echo(p *plan) response {
	r := response{
		Object: "response", Status: inProgress, Background: p.background, Instructions: c.Instructions,
		MaxOutputTokens: c.MaxOutputTokens, MaxToolCalls: c.MaxToolCalls, Output: []json.RawMessage{},
		ParallelToolCalls: !p.req.ToolChoice.Single, PreviousResponseID: c.PreviousResponseID, ServiceTier: "default",
		Store: c.Store == nil || *c.Store, Temperature: c.Temperature, Text: textEcho{Format: json.RawMessage(`{"type":"text"}`)},
		ToolChoice: json.RawMessage(`"auto"`), TopLogprobs: p.req.TopLogprobs, TopP: c.TopP,
		Truncation: "disabled", Metadata: c.Metadata,
	}
	if c.Reasoning != nil {
		r.Reasoning.Effort = c.Reasoning.Effort
	}
	if c.Text != nil && api.Present(c.Text.Format) {
		r.Text.Format = c.Text.Format
	}
	if api.Present(c.ToolChoice) {
		r.ToolChoice = c.ToolChoice
	}
	r.Tools = echoTools(c.Tools)
	if p.req.Truncate {
		r.Truncation = "auto"
	}
	return r
}
