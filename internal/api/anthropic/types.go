package anthropic

import "encoding/json"

// messageAnswer is a whole answer; in message_start it has no content yet.
type messageAnswer struct {
	ID           string  `json:"id"`
	Type         string  `json:"type" enum:"message"`
	Role         string  `json:"role" enum:"assistant"`
	Model        string  `json:"model"`
	Content      []block `json:"content"`
	StopReason   *string `json:"stop_reason" doc:"end_turn, max_tokens, stop_sequence, tool_use or model_context_window_exceeded; null in message_start"`
	StopSequence *string `json:"stop_sequence" doc:"the stop sequence that ended the answer"`
	Usage        usage   `json:"usage"`
}

// block is a content block of an answer; which fields it has goes by its type.
type block struct {
	Type      string          `json:"type" enum:"text,thinking,tool_use"`
	Text      *string         `json:"text,omitempty"`
	Thinking  *string         `json:"thinking,omitempty"`
	Signature *string         `json:"signature,omitempty" doc:"sha256 of the reasoning in base64; a checksum, no proof of who wrote it"`
	ID        string          `json:"id,omitempty"`
	Name      string          `json:"name,omitempty"`
	Input     json.RawMessage `json:"input,omitempty"`
}

// usage counts tokens. The prompt's are the sum of the three counts of input.
type usage struct {
	InputTokens              int `json:"input_tokens" doc:"prompt tokens that were computed and are not kept on demand"`
	CacheCreationInputTokens int `json:"cache_creation_input_tokens" doc:"prompt tokens that were computed and are kept, because cache_control asked for it"`
	CacheReadInputTokens     int `json:"cache_read_input_tokens" doc:"prompt tokens that were not computed again"`
	OutputTokens             int `json:"output_tokens"`

	TruncatedMessages int `json:"truncated_messages,omitempty" doc:"messages left out because truncation is auto"`

	OutputDetails *outputDetails `json:"output_tokens_details,omitempty" doc:"where there was reasoning"`
}

type outputDetails struct {
	ThinkingTokens int `json:"thinking_tokens"`
}

// streamEvent is the data of one server-sent event, whose event line repeats its type.
type streamEvent struct {
	Type         string         `json:"type" enum:"message_start,content_block_start,ping,content_block_delta,content_block_stop,message_delta,message_stop,error"`
	Message      *messageAnswer `json:"message,omitempty"`
	Index        *int           `json:"index,omitempty" doc:"of the content block"`
	ContentBlock *block         `json:"content_block,omitempty"`
	Delta        any            `json:"delta,omitempty" doc:"a text_delta, thinking_delta, signature_delta or input_json_delta; in message_delta, stop_reason and stop_sequence"`
	Usage        *usage         `json:"usage,omitempty"`
}

type blockDelta struct {
	Type        string  `json:"type"`
	Text        *string `json:"text,omitempty"`
	Thinking    *string `json:"thinking,omitempty"`
	Signature   *string `json:"signature,omitempty"`
	PartialJSON *string `json:"partial_json,omitempty"`
}

type stopDelta struct {
	StopReason   *string `json:"stop_reason"`
	StopSequence *string `json:"stop_sequence"`
}

type countAnswer struct {
	InputTokens int `json:"input_tokens"`
}

// modelInfo is Anthropic's description of a model. What this server does not know of a model is null.
type modelInfo struct {
	Type           string  `json:"type" enum:"model"`
	ID             string  `json:"id"`
	DisplayName    string  `json:"display_name"`
	CreatedAt      string  `json:"created_at" doc:"RFC 3339; 1970 when not known"`
	Lifecycle      string  `json:"lifecycle" enum:"active"`
	MaxInputTokens *int    `json:"max_input_tokens" doc:"tokens that the model was made for; a loaded model may have room for fewer"`
	MaxTokens      *int    `json:"max_tokens"`
	DeprecatedAt   *string `json:"deprecated_at"`
	RetiresAt      *string `json:"retires_at"`
}

type modelList struct {
	Data    []modelInfo `json:"data"`
	FirstID *string     `json:"first_id"`
	LastID  *string     `json:"last_id"`
	HasMore bool        `json:"has_more"`
}
