package wire

import (
	"encoding/json"
	"math"
	"unicode/utf8"

	"ashatai/internal/core"
)

// Event is the header of an event frame; the text is the tail. An event that is only text of choice 0 has no header.
type Event struct {
	Choice     int     `json:"choice,omitempty"`
	Count      int     `json:"count,omitempty"`
	Tokens     []Token `json:"tokens,omitempty"`
	Finish     string  `json:"finish,omitempty"`
	StopString string  `json:"stop_string,omitempty"`
	Usage      *Usage  `json:"usage,omitempty"`
	Start      *Usage  `json:"start,omitempty"`
}

// Token is core.Token with JSON keys; bytes are base64.
type Token struct {
	ID      int     `json:"id"`
	Bytes   []byte  `json:"bytes"`
	Logprob float64 `json:"logprob"`
	Top     []Token `json:"top,omitempty"`
}

// plain reports whether an event is only text of one token of choice 0, which nearly all are.
func plain(e *core.Event) bool {
	return e.Choice == 0 && e.Count == 1 && e.Finish == "" && e.Usage == nil && e.Start == nil && e.StopString == "" && len(e.Tokens) == 0
}

func eventHeader(e *core.Event) ([]byte, error) {
	if plain(e) {
		return nil, nil
	}
	h := Event{Choice: e.Choice, Count: e.Count, Finish: string(e.Finish), StopString: e.StopString, Tokens: tokensOut(e.Tokens)}
	h.Usage, h.Start = (*Usage)(e.Usage), (*Usage)(e.Start)
	return json.Marshal(h)
}

func tokensOut(in []core.Token) []Token {
	if len(in) == 0 {
		return nil
	}
	out := make([]Token, len(in))
	for i, t := range in {
		// JSON has no infinity; a forbidden token has the smallest number instead.
		out[i] = Token{ID: t.ID, Bytes: t.Bytes, Logprob: max(t.Logprob, -math.MaxFloat64), Top: tokensOut(t.Top)}
	}
	return out
}

func tokensIn(in []Token) []core.Token {
	if len(in) == 0 {
		return nil
	}
	out := make([]core.Token, len(in))
	for i, t := range in {
		out[i] = core.Token{ID: t.ID, Bytes: t.Bytes, Logprob: t.Logprob, Top: tokensIn(t.Top)}
	}
	return out
}

// maxCount is more tokens than any context holds.
const maxCount = 1 << 30

// Event reads an event frame. Text that is not UTF-8 is an error.
func (f *Frame) Event() (core.Event, error) {
	if !utf8.Valid(f.Tail) {
		return core.Event{}, broken("the text of an event is not UTF-8")
	}
	ev := core.Event{Text: string(f.Tail)}
	if len(f.Header) == 0 {
		ev.Count = 1
		return ev, nil
	}
	var h Event
	if err := f.Decode(&h); err != nil {
		return core.Event{}, err
	}
	switch finish := core.FinishReason(h.Finish); finish {
	case "", core.FinishStop, core.FinishLength:
		ev.Finish = finish
	case core.FinishTools: // only package infer says so
		fallthrough
	default:
		return core.Event{}, broken("the finish reason %q is not known", h.Finish)
	}
	if h.Choice < 0 || h.Choice >= core.MaxChoices {
		return core.Event{}, broken("choice %d is out of range", h.Choice)
	}
	if h.Count < 0 || h.Count > maxCount {
		return core.Event{}, broken("an event of %d tokens is out of range", h.Count)
	}
	ev.Count = h.Count
	ev.Choice, ev.StopString, ev.Tokens = h.Choice, h.StopString, tokensIn(h.Tokens)
	ev.Usage, ev.Start = (*core.Usage)(h.Usage), (*core.Usage)(h.Start)
	return ev, nil
}
