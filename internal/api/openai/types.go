package openai

// The types of answers. They stand in the OpenAPI document, and tests hold the hand-written encoders to them; the
// encoders write the same JSON without going through them, since one runs for every token.

type chatAnswer struct {
	ID                string       `json:"id"`
	Object            string       `json:"object"`
	Created           int64        `json:"created" doc:"seconds since 1970"`
	Model             string       `json:"model"`
	SystemFingerprint string       `json:"system_fingerprint"`
	Choices           []chatChoice `json:"choices"`
	Usage             usageInfo    `json:"usage"`
	Timings           *timings     `json:"timings,omitempty" doc:"when asked for"`
}

// timings are llama-server's: of the prompt's tokens that were computed, and of the answer's.
type timings struct {
	CacheN             int     `json:"cache_n" doc:"prompt tokens that were not computed again"`
	PromptN            int     `json:"prompt_n"`
	PromptMS           float64 `json:"prompt_ms" doc:"milliseconds to the first token"`
	PromptPerSecond    float64 `json:"prompt_per_second"`
	PredictedN         int     `json:"predicted_n"`
	PredictedMS        float64 `json:"predicted_ms" doc:"milliseconds from the first token to the last"`
	PredictedPerSecond float64 `json:"predicted_per_second"`
}

type chatChoice struct {
	Index        int           `json:"index"`
	Message      chatText      `json:"message"`
	Logprobs     *chatLogprobs `json:"logprobs"`
	FinishReason string        `json:"finish_reason" enum:"stop,length,tool_calls,function_call"`
}

type chatText struct {
	Role             string          `json:"role"`
	Content          *string         `json:"content" doc:"null where there are only calls"`
	ReasoningContent *string         `json:"reasoning_content,omitempty" doc:"what the model thought before it answered"`
	Refusal          *string         `json:"refusal"`
	Annotations      []any           `json:"annotations"`
	ToolCalls        []toolCall      `json:"tool_calls,omitempty"`
	FunctionCall     *calledFunction `json:"function_call,omitempty" doc:"where the request spoke of functions"`
}

type chatLogprobs struct {
	Content []tokenInfo `json:"content"`
	Refusal *string     `json:"refusal"`
}

type tokenInfo struct {
	topToken
	TopLogprobs []topToken `json:"top_logprobs"`
}

type topToken struct {
	Token   string  `json:"token"`
	Logprob float64 `json:"logprob"`
	Bytes   []int   `json:"bytes"`
}

type chatChunk struct {
	ID                string        `json:"id"`
	Object            string        `json:"object"`
	Created           int64         `json:"created" doc:"seconds since 1970"`
	Model             string        `json:"model"`
	SystemFingerprint string        `json:"system_fingerprint"`
	Choices           []chunkChoice `json:"choices"`
	Obfuscation       string        `json:"obfuscation,omitempty" doc:"padding, when asked for"`
	Usage             *usageInfo    `json:"usage,omitempty" doc:"in the last event, when asked for"`
	Timings           *timings      `json:"timings,omitempty" doc:"likewise"`
}

type chunkChoice struct {
	Index        int           `json:"index"`
	Delta        chatDelta     `json:"delta"`
	Logprobs     *chatLogprobs `json:"logprobs"`
	FinishReason *string       `json:"finish_reason"`
}

type chatDelta struct {
	Role             string          `json:"role,omitempty"`
	Content          *string         `json:"content,omitempty"`
	ReasoningContent *string         `json:"reasoning_content,omitempty"`
	Refusal          *string         `json:"refusal,omitempty"`
	ToolCalls        []toolCall      `json:"tool_calls,omitempty"`
	FunctionCall     *calledFunction `json:"function_call,omitempty"`
}

type completionAnswer struct {
	ID                string             `json:"id"`
	Object            string             `json:"object"`
	Created           int64              `json:"created" doc:"seconds since 1970"`
	Model             string             `json:"model"`
	SystemFingerprint string             `json:"system_fingerprint"`
	Choices           []completionChoice `json:"choices"`
	Obfuscation       string             `json:"obfuscation,omitempty" doc:"padding of a chunk, when asked for"`
	Usage             *usageInfo         `json:"usage,omitempty"`
	Timings           *timings           `json:"timings,omitempty" doc:"when asked for"`
}

type completionChoice struct {
	Text         string        `json:"text"`
	Index        int           `json:"index"`
	Logprobs     *textLogprobs `json:"logprobs"`
	FinishReason *string       `json:"finish_reason"`
}

type textLogprobs struct {
	Tokens        []string             `json:"tokens"`
	TokenLogprobs []float64            `json:"token_logprobs"`
	TopLogprobs   []map[string]float64 `json:"top_logprobs"`
	TextOffset    []int                `json:"text_offset" doc:"place in the text, in characters"`
}

type usageInfo struct {
	PromptTokens      int               `json:"prompt_tokens"`
	CompletionTokens  int               `json:"completion_tokens"`
	TotalTokens       int               `json:"total_tokens"`
	PromptDetails     promptDetails     `json:"prompt_tokens_details"`
	CompletionDetails completionDetails `json:"completion_tokens_details"`
}

type completionDetails struct {
	ReasoningTokens int `json:"reasoning_tokens"`
}

type promptDetails struct {
	CachedTokens      int `json:"cached_tokens"`
	TruncatedMessages int `json:"truncated_messages,omitempty" doc:"messages left out because truncation is auto"`
	TruncatedTokens   int `json:"truncated_tokens,omitempty" doc:"tokens of raw text left out because truncation is auto"`
}

type embeddingAnswer struct {
	Object string         `json:"object"`
	Data   []embedding    `json:"data"`
	Model  string         `json:"model"`
	Usage  embeddingUsage `json:"usage"`
}

type embedding struct {
	Object    string `json:"object"`
	Index     int    `json:"index"`
	Embedding any    `json:"embedding" doc:"numbers, or base64 of little-endian float32"`
}

type embeddingUsage struct {
	PromptTokens int `json:"prompt_tokens"`
	TotalTokens  int `json:"total_tokens"`
}
