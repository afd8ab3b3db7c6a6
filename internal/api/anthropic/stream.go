package anthropic

import (
	"net/http"

	"ashatai/internal/api"
	"ashatai/internal/core"
)

// streamer sends blocks as server-sent events, in Anthropic's order.
type streamer struct {
	sse    *api.SSE
	index  int // of the open block
	blocks int
}

func (s *streamer) send(ev streamEvent) error { return s.sse.JSON(ev.Type, ev) }

func (s *streamer) start(b block) error {
	s.index = s.blocks
	s.blocks++
	if err := s.send(streamEvent{Type: "content_block_start", Index: &s.index, ContentBlock: &b}); err != nil {
		return err
	}
	if s.blocks > 1 {
		return nil
	}
	return s.send(streamEvent{Type: "ping"})
}

func (s *streamer) delta(d blockDelta) error {
	return s.send(streamEvent{Type: "content_block_delta", Index: &s.index, Delta: &d})
}

func (s *streamer) piece(kind, text string) error {
	switch kind {
	case kindThinking:
		return s.delta(blockDelta{Type: "thinking_delta", Thinking: &text})
	case kindToolUse:
		return s.delta(blockDelta{Type: "input_json_delta", PartialJSON: &text})
	}
	return s.delta(blockDelta{Type: "text_delta", Text: &text})
}

func (s *streamer) stop(kind, signature string) error {
	if kind == kindThinking {
		if err := s.delta(blockDelta{Type: "signature_delta", Signature: &signature}); err != nil {
			return err
		}
	}
	return s.send(streamEvent{Type: "content_block_stop", Index: &s.index})
}

// stream sends the answer as it is made. Unless it waited for long, nothing is sent before the first event, so that a failure in the
// queue or in the prompt still has its own status. A later failure is an error event, and then message_stop does not come.
func stream(w http.ResponseWriter, sse *api.SSE, s *core.Stream, a *assembler, top messageAnswer, maxTokens int) error {
	out := &streamer{sse: sse}
	a.out = out
	for ev, err := range s.Events {
		if err != nil {
			return fail(w, out.sse, err)
		}
		if !out.sse.Begun() {
			if ev.Start != nil {
				top.Usage = usageOf(*ev.Start)
			}
			if err := out.send(streamEvent{Type: "message_start", Message: &top}); err != nil {
				return err
			}
		}
		if err := a.add(&ev); err != nil {
			return fail(w, out.sse, err)
		}
	}
	if err := a.end(); err != nil {
		return fail(w, out.sse, err)
	}
	reason, sequence := a.reason(maxTokens)
	used := a.used()
	last := streamEvent{Type: "message_delta", Delta: stopDelta{&reason, sequence}, Usage: &used}
	if err := out.send(last); err != nil {
		return err
	}
	return out.send(streamEvent{Type: "message_stop"})
}

// fail tells err in the stream when it has begun. The error is returned in any case: to be answered, or only logged.
func fail(w http.ResponseWriter, sse *api.SSE, err error) error {
	if sse.Started() {
		_ = sse.JSON("error", errorOf(w, core.AsError(err))) // a client that left needs no word
	}
	return err
}
