package cli

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"ashatai/internal/cli/client"
	"ashatai/internal/cli/failure"
	"ashatai/internal/cli/sse"
	"ashatai/internal/core"
)

// chatMessage is one turn.
type chatMessage struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

// chatRequest is the body of POST /v1/chat/completions.
type chatRequest struct {
	Model         string        `json:"model,omitempty"` // empty: the server's default
	Messages      []chatMessage `json:"messages"`
	Temperature   *float64      `json:"temperature,omitempty"`
	Seed          *int64        `json:"seed,omitempty"`
	MaxTokens     *int          `json:"max_tokens,omitempty"`
	Stream        bool          `json:"stream"`
	StreamOptions streamOptions `json:"stream_options"`
}

type streamOptions struct {
	IncludeUsage bool `json:"include_usage"`
}

// chatUsage counts tokens.
type chatUsage struct {
	Prompt     int `json:"prompt_tokens"`
	Completion int `json:"completion_tokens"`
	Total      int `json:"total_tokens"`
}

type chatChunk struct {
	Model   string `json:"model"`
	Choices []struct {
		Delta struct {
			Content string `json:"content"`
		} `json:"delta"`
		FinishReason string `json:"finish_reason"`
	} `json:"choices"`
	Usage *chatUsage `json:"usage"`
}

// chatReply is a finished answer, and what run --json prints.
type chatReply struct {
	Model    string     `json:"model"`
	Response string     `json:"response"`
	Finish   string     `json:"finish_reason"`
	Usage    *chatUsage `json:"usage"`

	fallback string // why the server serves it weaker than asked for
}

// complete asks for one answer and hands each piece of text to show. What came before an error is in the reply.
func complete(ctx context.Context, c *client.Client, req chatRequest, show func(string) error) (*chatReply, error) {
	req.Stream, req.StreamOptions.IncludeUsage = true, true
	reply := &chatReply{}
	resp, err := c.Open(ctx, http.MethodPost, "/v1/chat/completions", req)
	if err != nil {
		return reply, err
	}
	defer client.Close(resp)
	reply.fallback = resp.Header.Get("X-Ashatai-Fallback")
	if kind := resp.Header.Get("Content-Type"); !strings.HasPrefix(kind, "text/event-stream") {
		return reply, c.Foreign(resp, nil)
	}
	var text strings.Builder
	defer func() { reply.Response = text.String() }()
	for data, err := range sse.Events(resp.Body) {
		if err != nil {
			return reply, c.Broken(ctx, err)
		}
		if string(data) == "[DONE]" {
			return reply, nil
		}
		if e := failure.Parse(data, http.StatusInternalServerError); e != nil {
			return reply, e
		}
		piece, err := reply.take(data)
		if err != nil {
			return reply, c.Foreign(resp, err)
		}
		text.WriteString(piece)
		if piece == "" {
			continue
		}
		if err := show(piece); err != nil {
			return reply, core.Wrap(core.CodeInternal, err, "The answer cannot be written to standard output.")
		}
	}
	return reply, c.Broken(ctx, nil)
}

// take reads one chunk and returns its text.
func (r *chatReply) take(data []byte) (string, error) {
	var chunk chatChunk
	if err := json.Unmarshal(data, &chunk); err != nil {
		return "", err
	}
	if chunk.Model != "" {
		r.Model = chunk.Model
	}
	if chunk.Usage != nil {
		r.Usage = chunk.Usage
	}
	if len(chunk.Choices) == 0 {
		return "", nil
	}
	if f := chunk.Choices[0].FinishReason; f != "" {
		r.Finish = f
	}
	return chunk.Choices[0].Delta.Content, nil
}
