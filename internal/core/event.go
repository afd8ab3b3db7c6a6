package core

import (
	"iter"
	"strconv"
	"time"
)

// FinishReason says why a choice ended.
type FinishReason string

// The finish reasons; the empty one means that the choice goes on.
const (
	FinishStop   FinishReason = "stop"   // end of turn, or a stop string
	FinishLength FinishReason = "length" // max_tokens or the context was reached
	FinishTools  FinishReason = "tools"  // the model asks for tools to be called; engines never say so, package infer does
)

// Token is one generated token with its probability, for logprobs.
type Token struct {
	ID      int
	Bytes   []byte  // the exact bytes; not always valid UTF-8 alone
	Logprob float64 // natural logarithm
	Top     []Token // the most likely alternatives, best first; their Top is nil
}

// Event is one step of an answer. Text is whole UTF-8 and never a part of a stop string. A choice's last event has
// Finish set; the last event of the stream has Usage set and nothing else.
type Event struct {
	Choice     int
	Text       string
	Tokens     []Token // only when logprobs were asked for; the tokens whose text this event completes
	Count      int     // tokens that were generated for the choice since its event before; engines set it, 0 with text, reasoning or a call means 1
	Finish     FinishReason
	StopString string // the stop string that ended the choice, when one did
	Usage      *Usage

	Start *Usage // on the first event of a stream: what is known of the prompt's cost then (Prompt, Cached, Kept)

	// Read says that whoever made the answer has taken its reasoning and calls out of the text already.
	Read bool

	Reasoning string     // a piece of what the model thinks before it answers; engines set it only where Read is, else package infer does
	ToolCall  *ToolDelta // a piece of a tool call; likewise
}

// Usage counts what a request cost, in tokens and time.
type Usage struct {
	Prompt     int // prompt tokens, cached ones included
	Cached     int // prompt tokens that were not computed again
	Kept       int // prompt tokens up to the last of Request.Pins that is kept now
	Completion int // generated tokens of all choices
	Reasoning  int // those of them that the model thought with; engines never set it, package infer does

	LeftOut LeftOut // engines never set it, package infer does

	Queued  time.Duration // waiting for an instance
	Prefill time.Duration // from the start of work to the first token
	Decode  time.Duration // from the first token to the last
}

// Total is prompt plus completion.
func (u Usage) Total() int { return u.Prompt + u.Completion }

// LeftOut counts what a prompt lost to fit the model's context, because its caller allows that: messages of a conversation,
// or tokens at the beginning of raw text. It is zero where nothing was left out.
type LeftOut struct{ Messages, Tokens int }

// String is the header that tells of it: "3 messages", "40 tokens", or empty.
func (l LeftOut) String() string {
	switch {
	case l.Messages > 0:
		return strconv.Itoa(l.Messages) + " messages"
	case l.Tokens > 0:
		return strconv.Itoa(l.Tokens) + " tokens"
	}
	return ""
}

// Placement says where and how a request is served, for headers, logs and metrics.
type Placement struct {
	Model    string // canonical name
	Runtime  string
	Device   string
	Fallback string // why something weaker than asked for is used; empty when nothing is
	LeftOut  LeftOut
}

// Stream is one running answer. The error of a request that could not start is returned before there is a Stream; an
// error in Events ends it. Range over Events once and to its end, or break out: both free the sequence.
type Stream struct {
	Placement Placement
	Events    iter.Seq2[Event, error]
}

// trimFloat writes a number without needless zeros.
func trimFloat(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }
