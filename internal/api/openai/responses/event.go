package responses

import (
	"strings"

	"ashatai/internal/api"
	"ashatai/internal/api/openai/param"
	"ashatai/internal/core"
)

// event is every event of a stream; each kind has some of the fields. Type and number come first, so that they can be
// found in a stored event without reading it.
type event struct {
	Type           string     `json:"type"`
	SequenceNumber int64      `json:"sequence_number"`
	Response       *response  `json:"response,omitempty"`
	OutputIndex    *int       `json:"output_index,omitempty"`
	ItemID         string     `json:"item_id,omitempty"`
	ContentIndex   *int       `json:"content_index,omitempty"`
	Item           any        `json:"item,omitempty"`
	Part           *part      `json:"part,omitempty"`
	Delta          *string    `json:"delta,omitempty"`
	Text           *string    `json:"text,omitempty"`
	Name           string     `json:"name,omitempty"`
	Arguments      *string    `json:"arguments,omitempty"`
	Logprobs       *[]logprob `json:"logprobs,omitempty"`
	Obfuscation    string     `json:"obfuscation,omitempty" doc:"padding of a delta, when asked for"`
}

const typeFirst = `{"type":"`

// typeOf finds the type of a stored event.
func typeOf(body string) string {
	name, _, _ := strings.Cut(strings.TrimPrefix(body, typeFirst), `"`)
	return name
}

// tell sends an event, given in JSON. Padding is never stored: it is made anew for each reader who asks.
func tell(sse *api.SSE, body string, padded bool) error {
	kind := typeOf(body)
	if padded && strings.HasSuffix(kind, ".delta") {
		body = body[:len(body)-1] + `,"obfuscation":"` + param.Padding(len(body)) + `"}`
	}
	return sse.Event(kind, body)
}

// sink takes the events of a response, each encoded. An error ends the making of it.
type sink func(ev core.StoredEvent) error
