package openai

import (
	"strconv"

	"ashatai/internal/core"
)

// chatShape spells POST /v1/chat/completions.
type chatShape struct {
	buf     []byte
	oldForm bool // calls are told as function_call
}

func (*chatShape) prefix() string { return "chatcmpl-" }
func (*chatShape) object() string { return "chat.completion" }

func (s *chatShape) first(choice int) []byte {
	b := append(s.delta(choice), `"role":"assistant","content":"","refusal":null}`...)
	s.buf = append(b, `,"logprobs":null,"finish_reason":null}`...)
	return s.buf
}

// delta begins a choice of a chunk, up to the first field of its delta.
func (s *chatShape) delta(choice int) []byte {
	b := append(s.buf[:0], `{"index":`...)
	b = strconv.AppendInt(b, int64(choice), 10)
	return append(b, `,"delta":{`...)
}

// chunks tells reasoning, text and a piece of a call in chunks of their own; logprobs go with the first of them.
func (s *chatShape) chunks(ev *core.Event, emit func([]byte) error) error {
	tokens := ev.Tokens
	send := func(b []byte) error {
		b = append(b, `},"logprobs":`...)
		b = appendChatLogprobs(b, tokens)
		s.buf = append(b, `,"finish_reason":null}`...)
		tokens = nil
		return emit(s.buf)
	}
	if ev.Reasoning != "" {
		if err := send(appendString(append(s.delta(ev.Choice), `"reasoning_content":`...), ev.Reasoning)); err != nil {
			return err
		}
	}
	if ev.Text != "" || len(tokens) > 0 && ev.ToolCall == nil {
		if err := send(appendString(append(s.delta(ev.Choice), `"content":`...), ev.Text)); err != nil {
			return err
		}
	}
	if ev.ToolCall != nil {
		if err := send(s.appendCallPiece(s.delta(ev.Choice), ev.ToolCall)); err != nil {
			return err
		}
	}
	if ev.Finish == "" {
		return nil
	}
	b := append(s.delta(ev.Choice), `},"logprobs":null,"finish_reason":`...)
	s.buf = append(appendString(b, s.reason(ev.Finish)), '}')
	return emit(s.buf)
}

// reason is OpenAI's word for the end of a choice.
func (s *chatShape) reason(f core.FinishReason) string {
	if f != core.FinishTools {
		return string(f)
	}
	if s.oldForm {
		return "function_call"
	}
	return "tool_calls"
}

// appendCallPiece appends a piece of a call: id, type and name stand in the first one only.
func (s *chatShape) appendCallPiece(dst []byte, d *core.ToolDelta) []byte {
	if s.oldForm {
		dst = append(dst, `"function_call":`...)
		return appendFunction(dst, d.Name, d.Arguments)
	}
	dst = append(dst, `"tool_calls":[{"index":`...)
	dst = strconv.AppendInt(dst, int64(d.Index), 10)
	if d.ID != "" {
		dst = append(dst, `,"id":`...)
		dst = appendString(dst, d.ID)
		dst = append(dst, `,"type":"function"`...)
	}
	dst = append(dst, `,"function":`...)
	return append(appendFunction(dst, d.Name, d.Arguments), `}]`...)
}

func appendFunction(dst []byte, name, arguments string) []byte {
	dst = append(dst, '{')
	if name != "" {
		dst = append(dst, `"name":`...)
		dst = append(appendString(dst, name), ',')
	}
	dst = append(dst, `"arguments":`...)
	return append(appendString(dst, arguments), '}')
}

func (s *chatShape) whole(dst []byte, index int, a *answer) []byte {
	dst = append(dst, `{"index":`...)
	dst = strconv.AppendInt(dst, int64(index), 10)
	dst = append(dst, `,"message":`...)
	dst = s.message(dst, a)
	dst = append(dst, `,"logprobs":`...)
	dst = appendChatLogprobs(dst, a.tokens)
	dst = append(dst, `,"finish_reason":`...)
	return append(appendString(dst, s.reason(a.finish)), '}')
}

// message appends what the assistant said. Content is null where there are only calls.
func (s *chatShape) message(dst []byte, a *answer) []byte {
	dst = append(dst, `{"role":"assistant","content":`...)
	if a.text == "" && len(a.calls) > 0 {
		dst = append(dst, "null"...)
	} else {
		dst = appendString(dst, a.text)
	}
	if a.reasoning != "" {
		dst = append(dst, `,"reasoning_content":`...)
		dst = appendString(dst, a.reasoning)
	}
	dst = append(dst, `,"refusal":null,"annotations":[]`...)
	if len(a.calls) == 0 {
		return append(dst, '}')
	}
	if s.oldForm {
		dst = append(dst, `,"function_call":`...)
		return append(appendFunction(dst, a.calls[0].Name, a.calls[0].Arguments), '}')
	}
	dst = append(dst, `,"tool_calls":[`...)
	for i, c := range a.calls {
		dst = append(comma(dst, i), `{"id":`...)
		dst = appendString(dst, c.ID)
		dst = append(dst, `,"type":"function","function":`...)
		dst = append(appendFunction(dst, c.Name, c.Arguments), '}')
	}
	return append(dst, "]}"...)
}
