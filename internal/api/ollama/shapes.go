package ollama

import (
	"encoding/json"
	"math"
	"time"

	"ashatai/internal/core"
)

type generateAnswer struct {
	Model      string       `json:"model"`
	CreatedAt  time.Time    `json:"created_at"`
	Response   string       `json:"response"`
	Thinking   string       `json:"thinking,omitempty"`
	Done       bool         `json:"done"`
	DoneReason string       `json:"done_reason,omitempty" enum:"stop,length,load,unload"`
	Context    []int        `json:"context,omitempty" doc:"the conversation, to be sent back with the next prompt"`
	Logprobs   []wholeToken `json:"logprobs,omitempty"`

	metrics
}

type generateShape struct{ model string }

func (g generateShape) part(now time.Time, p *piece) any {
	return generateAnswer{Model: g.model, CreatedAt: now.UTC(), Response: p.text, Thinking: p.thinking, Logprobs: logprobs(p.tokens)}
}

func (g generateShape) last(now time.Time, p *piece, e ending) any {
	return generateAnswer{
		Model: g.model, CreatedAt: now.UTC(), Response: p.text, Thinking: p.thinking, Logprobs: logprobs(p.tokens),
		Done: true, DoneReason: e.reason, Context: e.context, metrics: e.metrics,
	}
}

type chatAnswer struct {
	Model      string       `json:"model"`
	CreatedAt  time.Time    `json:"created_at"`
	Message    said         `json:"message"`
	Done       bool         `json:"done"`
	DoneReason string       `json:"done_reason,omitempty" enum:"stop,length,load,unload"`
	Logprobs   []wholeToken `json:"logprobs,omitempty"`

	metrics
}

type said struct {
	Role      string     `json:"role"`
	Content   string     `json:"content"`
	Thinking  string     `json:"thinking,omitempty"`
	ToolCalls []toolCall `json:"tool_calls,omitempty"`
}

type toolCall struct {
	ID       string         `json:"id,omitempty"`
	Function calledFunction `json:"function"`
}

type calledFunction struct {
	Index     int             `json:"index"`
	Name      string          `json:"name"`
	Arguments json.RawMessage `json:"arguments"`
}

type chatShape struct{ model string }

func (c chatShape) answer(now time.Time, p *piece) chatAnswer {
	return chatAnswer{
		Model: c.model, CreatedAt: now.UTC(), Logprobs: logprobs(p.tokens),
		Message: said{Role: "assistant", Content: p.text, Thinking: p.thinking, ToolCalls: p.calls},
	}
}

func (c chatShape) part(now time.Time, p *piece) any { return c.answer(now, p) }

func (c chatShape) last(now time.Time, p *piece, e ending) any {
	a := c.answer(now, p)
	a.Done, a.DoneReason, a.metrics = true, e.reason, e.metrics
	return a
}

type oneToken struct {
	Token   string  `json:"token"`
	Logprob float64 `json:"logprob"`
	Bytes   []int   `json:"bytes"`
}

type wholeToken struct {
	oneToken

	TopLogprobs []oneToken `json:"top_logprobs,omitempty"`
}

// lowest stands for the logarithm of zero, which JSON cannot write.
const lowest = -9999.0

func oneTokenOf(t *core.Token) oneToken {
	o := oneToken{Token: string(t.Bytes), Logprob: t.Logprob, Bytes: make([]int, len(t.Bytes))}
	if math.IsNaN(o.Logprob) {
		o.Logprob = lowest
	}
	o.Logprob = min(max(o.Logprob, lowest), 0)
	for i, b := range t.Bytes {
		o.Bytes[i] = int(b)
	}
	return o
}

func logprobs(tokens []core.Token) []wholeToken {
	var out []wholeToken
	for i := range tokens {
		w := wholeToken{oneToken: oneTokenOf(&tokens[i])}
		for j := range tokens[i].Top {
			w.TopLogprobs = append(w.TopLogprobs, oneTokenOf(&tokens[i].Top[j]))
		}
		out = append(out, w)
	}
	return out
}
