package core

import "time"

// Role says who speaks in a conversation.
type Role string

// The roles. Developer is folded into System by the dialects whose templates do not know it.
const (
	RoleSystem    Role = "system"
	RoleUser      Role = "user"
	RoleAssistant Role = "assistant"
	RoleTool      Role = "tool"
)

// Message is one turn of a conversation.
type Message struct {
	Role    Role
	Content string
	Name    string // optional name of the speaker; of the tool, for RoleTool

	Reasoning  string     // what the assistant thought before it said Content
	ToolCalls  []ToolCall // what the assistant asked for
	ToolCallID string     // which of the calls before it a RoleTool message answers
}

// Sampling holds the choices that shape the next token. A nil field means: the model's default, then the server's.
// The ranges in the comments are checked by Validate.
type Sampling struct {
	Temperature      *float64        `json:"temperature,omitempty"`       // 0 (greedy) to 5
	TopK             *int            `json:"top_k,omitempty"`             // 0 (off) to 1,000,000
	TopP             *float64        `json:"top_p,omitempty"`             // (0, 1]; 1 is off
	MinP             *float64        `json:"min_p,omitempty"`             // [0, 1]; 0 is off
	TypicalP         *float64        `json:"typical_p,omitempty"`         // (0, 1]; 1 is off
	RepeatPenalty    *float64        `json:"repeat_penalty,omitempty"`    // (0, 10]; 1 is off
	RepeatLastN      *int            `json:"repeat_last_n,omitempty"`     // -1 (whole context) to 1,000,000
	PresencePenalty  *float64        `json:"presence_penalty,omitempty"`  // [-2, 2]; 0 is off
	FrequencyPenalty *float64        `json:"frequency_penalty,omitempty"` // [-2, 2]; 0 is off
	LogitBias        map[int]float64 `json:"logit_bias,omitempty"`        // token id → [-100, 100]; -100 forbids, 100 all but forces
	Seed             *int64          `json:"seed,omitempty"`              // nil: chosen at random and reported nowhere
}

// Over returns s with every unset field taken from base.
func (s Sampling) Over(base Sampling) Sampling {
	pick(&s.Temperature, base.Temperature)
	pick(&s.TopK, base.TopK)
	pick(&s.TopP, base.TopP)
	pick(&s.MinP, base.MinP)
	pick(&s.TypicalP, base.TypicalP)
	pick(&s.RepeatPenalty, base.RepeatPenalty)
	pick(&s.RepeatLastN, base.RepeatLastN)
	pick(&s.PresencePenalty, base.PresencePenalty)
	pick(&s.FrequencyPenalty, base.FrequencyPenalty)
	pick(&s.Seed, base.Seed)
	if s.LogitBias == nil {
		s.LogitBias = base.LogitBias
	}
	return s
}

func pick[T any](dst **T, src *T) {
	if *dst == nil {
		*dst = src
	}
}

// MaxLogitBias bounds the number of entries of a logit bias.
const MaxLogitBias = 1024

// Validate checks every given field against its range.
func (s Sampling) Validate() error {
	type rng struct {
		name   string
		v      *float64
		lo, hi float64
		open   bool // lo itself is excluded
	}
	for _, r := range []rng{
		{"temperature", s.Temperature, 0, 5, false},
		{"top_p", s.TopP, 0, 1, true},
		{"min_p", s.MinP, 0, 1, false},
		{"typical_p", s.TypicalP, 0, 1, true},
		{"repeat_penalty", s.RepeatPenalty, 0, 10, true},
		{"presence_penalty", s.PresencePenalty, -2, 2, false},
		{"frequency_penalty", s.FrequencyPenalty, -2, 2, false},
	} {
		// Written so that NaN fails too.
		if r.v != nil && (!(*r.v >= r.lo && *r.v <= r.hi) || r.open && *r.v == r.lo) {
			return Invalid(r.name, "%s is %v; it must be between %v and %v%s.", r.name, *r.v, r.lo, r.hi, excluded(r.open, r.lo))
		}
	}
	if err := checkInt("top_k", s.TopK, 0, 1_000_000); err != nil {
		return err
	}
	if err := checkInt("repeat_last_n", s.RepeatLastN, -1, 1_000_000); err != nil {
		return err
	}
	if len(s.LogitBias) > MaxLogitBias {
		return Invalid("logit_bias", "logit_bias has %d entries; at most %d are allowed.", len(s.LogitBias), MaxLogitBias)
	}
	for id, b := range s.LogitBias {
		if id < 0 || !(b >= -100 && b <= 100) {
			return Invalid("logit_bias", "logit_bias for token %d is %v; token ids are not negative and a bias is between -100 and 100.", id, b)
		}
	}
	return nil
}

func excluded(open bool, lo float64) string {
	if open {
		return ", " + trimFloat(lo) + " excluded"
	}
	return ""
}

func checkInt(name string, v *int, lo, hi int) error {
	if v != nil && (*v < lo || *v > hi) {
		return Invalid(name, "%s is %d; it must be between %d and %d.", name, *v, lo, hi)
	}
	return nil
}

// Limits of a request's other fields.
const (
	MaxChoices     = 16
	MaxStops       = 16
	MaxStopBytes   = 512
	MaxTopLogprobs = 20
	MaxMessages    = 4096
)

// Request asks for text. Exactly one of Messages, Prompt and Tokens is set.
type Request struct {
	ID        string // request id, for logs and for telling one crash from another
	Principal Principal
	Model     string // as the caller wrote it; empty means the default chat model

	Messages     []Message      // a conversation, rendered by the model's chat template
	Continue     bool           // the last message is the assistant's, and the answer is what comes after it
	Pins         []Pin          // places in Messages up to which the prompt is to be kept for later requests
	Truncate     bool           // a prompt that does not fit the context loses its oldest part instead of being refused
	TemplateArgs map[string]any // extra variables for the template: strings, numbers, booleans
	Prompt       string         // raw text: the caller writes what a template would, control tokens included
	Tokens       []int          // raw token ids

	Sampling    Sampling
	MaxTokens   int // 0: until the context is full
	Choices     int // n; 0 means 1
	Stop        []string
	IgnoreEOS   bool
	Logprobs    bool
	TopLogprobs int

	Tools      []Tool
	ToolChoice ToolChoice
	Format     Format // of the answer's text
	Thinking   Thinking

	Timeout time.Duration // 0: the server's limit
	Fields  Fields
}

// Fields are what the caller's dialect calls the parts of a request that are checked far from it, for the Param of errors. An
// empty name is the server's own.
type Fields struct {
	Prompt   string // what the model is given: the conversation, the text or the token ids
	Format   string // what the answer must look like
	Thinking string // whether, and how much, the model reasons
}

// MaxPins bounds the pins of a request.
const MaxPins = 4

// Pin is a place in a conversation: in the content of one of its messages, in bytes.
type Pin struct{ Message, Byte int }

// Validate checks the bounds of every field that came from outside.
func (r *Request) Validate() error {
	if err := r.Sampling.Validate(); err != nil {
		return err
	}
	for _, b := range []struct {
		name      string
		v, lo, hi int
	}{
		{"max_tokens", r.MaxTokens, 0, 1 << 24},
		{"n", r.Choices, 0, MaxChoices},
		{"top_logprobs", r.TopLogprobs, 0, MaxTopLogprobs},
	} {
		if err := checkInt(b.name, &b.v, b.lo, b.hi); err != nil {
			return err
		}
	}
	if len(r.Stop) > MaxStops {
		return Invalid("stop", "stop has %d strings; at most %d are allowed.", len(r.Stop), MaxStops)
	}
	for _, s := range r.Stop {
		if s == "" || len(s) > MaxStopBytes {
			return Invalid("stop", "A stop string has %d bytes; it must have between 1 and %d.", len(s), MaxStopBytes)
		}
	}
	if len(r.Pins) > MaxPins {
		return Invalid("cache_control", "The request asks to keep its prompt up to %d places; at most %d are allowed.", len(r.Pins), MaxPins)
	}
	if len(r.Messages) > MaxMessages {
		return Invalid("messages", "The conversation has %d messages; at most %d are allowed.", len(r.Messages), MaxMessages)
	}
	return nil
}

// EmbedRequest asks for one vector per input. Each input is text or token ids.
type EmbedRequest struct {
	ID         string
	Principal  Principal
	Model      string
	Inputs     []EmbedInput
	Dimensions int // 0: all of the model's; fewer cuts and renormalises
}

// EmbedInput is text, or token ids where Tokens is not nil.
type EmbedInput struct {
	Text   string
	Tokens []int
}

// RerankRequest asks how well each document answers the query.
type RerankRequest struct {
	ID        string
	Principal Principal
	Model     string
	Query     string
	Documents []string
}

// Reranking answers a RerankRequest: one score per document, in their order, between 0 and 1.
type Reranking struct {
	Model     string
	Scores    []float32
	Usage     Usage
	Placement Placement
}

// Embeddings answers an EmbedRequest: one unit-length vector per input, in order.
type Embeddings struct {
	Model     string
	Vectors   [][]float32
	Usage     Usage
	Placement Placement
}
