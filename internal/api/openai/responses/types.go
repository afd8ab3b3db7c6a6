package responses

import (
	"bytes"
	"encoding/json"

	"ashatai/internal/core"
)

// The states of a response.
const (
	queued     = "queued"
	inProgress = "in_progress"
	completed  = "completed"
	incomplete = "incomplete"
	failed     = "failed"
	cancelled  = "cancelled"
)

// response is the object that the API is about.
type response struct {
	ID                 string            `json:"id"`
	Object             string            `json:"object"`
	CreatedAt          int64             `json:"created_at" doc:"seconds since 1970"`
	Status             string            `json:"status" enum:"queued,in_progress,completed,incomplete,failed,cancelled"`
	Background         bool              `json:"background"`
	CompletedAt        *int64            `json:"completed_at"`
	Error              *failure          `json:"error"`
	IncompleteDetails  *details          `json:"incomplete_details"`
	Instructions       *string           `json:"instructions"`
	MaxOutputTokens    *int              `json:"max_output_tokens"`
	MaxToolCalls       *int              `json:"max_tool_calls"`
	Model              string            `json:"model"`
	Output             []json.RawMessage `json:"output"`
	ParallelToolCalls  bool              `json:"parallel_tool_calls"`
	PreviousResponseID *string           `json:"previous_response_id"`
	Conversation       *reference        `json:"conversation"`
	Reasoning          reasoningEcho     `json:"reasoning"`
	ServiceTier        string            `json:"service_tier"`
	Store              bool              `json:"store"`
	Temperature        *float64          `json:"temperature"`
	Text               textEcho          `json:"text"`
	ToolChoice         json.RawMessage   `json:"tool_choice"`
	Tools              []shownTool       `json:"tools"`
	TopLogprobs        int               `json:"top_logprobs"`
	TopP               *float64          `json:"top_p"`
	Truncation         string            `json:"truncation" enum:"auto,disabled"`
	Usage              *usage            `json:"usage"`
	Metadata           map[string]string `json:"metadata"`
}

type failure struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

type details struct {
	Reason string `json:"reason"`
}

type reference struct {
	ID string `json:"id"`
}

type reasoningEcho struct {
	Effort  *string `json:"effort"`
	Summary *string `json:"summary"`
}

type textEcho struct {
	Format    json.RawMessage `json:"format"`
	Verbosity *string         `json:"verbosity,omitempty"`
}

type usage struct {
	InputTokens   int           `json:"input_tokens"`
	InputDetails  inputDetails  `json:"input_tokens_details"`
	OutputTokens  int           `json:"output_tokens"`
	OutputDetails outputDetails `json:"output_tokens_details"`
	TotalTokens   int           `json:"total_tokens"`
}

type inputDetails struct {
	CachedTokens      int `json:"cached_tokens"`
	CacheWriteTokens  int `json:"cache_write_tokens"`
	TruncatedMessages int `json:"truncated_messages,omitempty" doc:"messages left out because truncation is auto"`
}

type outputDetails struct {
	ReasoningTokens int `json:"reasoning_tokens"`
}

func usageOf(u core.Usage) *usage {
	return &usage{
		InputTokens: u.Prompt, InputDetails: inputDetails{CachedTokens: u.Cached, TruncatedMessages: u.LeftOut.Messages},
		OutputTokens: u.Completion, OutputDetails: outputDetails{ReasoningTokens: u.Reasoning}, TotalTokens: u.Total(),
	}
}

// message is an item of type message, in or out.
type message struct {
	ID      string `json:"id"`
	Type    string `json:"type"`
	Status  string `json:"status"`
	Role    string `json:"role"`
	Content []part `json:"content"`
}

// part is a piece of text in an item. Annotations and logprobs belong to what a model wrote.
type part struct {
	Type        string     `json:"type"`
	Text        string     `json:"text"`
	Annotations *[]any     `json:"annotations,omitempty"`
	Logprobs    *[]logprob `json:"logprobs,omitempty"`
}

type call struct {
	ID        string `json:"id"`
	Type      string `json:"type"`
	Status    string `json:"status"`
	CallID    string `json:"call_id"`
	Name      string `json:"name"`
	Namespace string `json:"namespace,omitempty"`
	Arguments string `json:"arguments"`
}

type callOutput struct {
	ID     string `json:"id"`
	Type   string `json:"type"`
	Status string `json:"status"`
	CallID string `json:"call_id"`
	Output string `json:"output"`
}

type reasoning struct {
	ID               string  `json:"id"`
	Type             string  `json:"type"`
	Status           string  `json:"status"`
	Summary          []part  `json:"summary"`
	Content          []part  `json:"content"`
	EncryptedContent *string `json:"encrypted_content"`
}

type logprob struct {
	Token       string       `json:"token"`
	Logprob     float64      `json:"logprob"`
	Bytes       []int        `json:"bytes"`
	TopLogprobs []topLogprob `json:"top_logprobs"`
}

type topLogprob struct {
	Token   string  `json:"token"`
	Logprob float64 `json:"logprob"`
	Bytes   []int   `json:"bytes"`
}

// lowest stands for the logarithm of zero, which JSON cannot write; OpenAI's number for it.
const lowest = -9999.0

func logprobsOf(tokens []core.Token) []logprob {
	out := make([]logprob, len(tokens))
	for i, t := range tokens {
		l := topOf(t)
		out[i] = logprob{Token: l.Token, Logprob: l.Logprob, Bytes: l.Bytes, TopLogprobs: make([]topLogprob, len(t.Top))}
		for k, alt := range t.Top {
			out[i].TopLogprobs[k] = topOf(alt)
		}
	}
	return out
}

func topOf(t core.Token) topLogprob {
	l := topLogprob{Token: string(t.Bytes), Logprob: t.Logprob, Bytes: make([]int, len(t.Bytes))}
	if !(l.Logprob >= lowest) { // NaN too
		l.Logprob = lowest
	}
	for i, b := range t.Bytes {
		l.Bytes[i] = int(b)
	}
	return l
}

// encode is JSON in one line, with '<' as itself.
func encode(v any) (string, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return "", core.Wrap(core.CodeInternal, err, "The server failed to encode its answer.")
	}
	return string(bytes.TrimSuffix(b.Bytes(), []byte{'\n'})), nil
}
