package openai

import (
	"strconv"
	"time"

	"ashatai/internal/api/openai/param"
	"ashatai/internal/core"
)

// head is what every part of one answer repeats.
type head struct {
	id          string
	created     int64
	model       string
	fingerprint string
	timed       bool // the answer ends with its times
}

// open appends the object's first fields up to the list of choices.
func (h head) open(dst []byte, object string) []byte {
	dst = append(dst, `{"id":`...)
	dst = appendString(dst, h.id)
	dst = append(dst, `,"object":"`...)
	dst = append(dst, object...)
	dst = append(dst, `","created":`...)
	dst = strconv.AppendInt(dst, h.created, 10)
	dst = append(dst, `,"model":`...)
	dst = appendString(dst, h.model)
	dst = append(dst, `,"system_fingerprint":`...)
	dst = appendString(dst, h.fingerprint)
	return append(dst, `,"choices":[`...)
}

// whole is the answer of an endpoint that is not streamed.
func (h head) whole(form shape, answers []answer, usage core.Usage) []byte {
	body := h.open(nil, form.object())
	for i := range answers {
		body = form.whole(comma(body, i), i, &answers[i])
	}
	body = append(body, `],"usage":`...)
	body = appendUsage(body, usage)
	if h.timed {
		body = appendTimings(body, usage)
	}
	return append(body, '}')
}

// shape is how an endpoint spells its answers. The chunk methods append one JSON object each.
type shape interface {
	prefix() string // of ids
	object() string // of a whole answer
	// first is what a stream says of a choice before its text; nil for nothing.
	first(choice int) []byte
	// chunks appends the objects for one event to dst and calls emit for each; emit's argument is valid during the call.
	chunks(ev *core.Event, emit func(choiceObject []byte) error) error
	// whole appends the object of one finished choice.
	whole(dst []byte, index int, a *answer) []byte
}

// chunker writes the chunks of one stream. It is used by one goroutine and reuses its buffer.
type chunker struct {
	open  []byte // head of each chunk, up to the choice
	close []byte
	buf   []byte
	tells bool // the usage
	timed bool
	pads  bool
}

// chunks makes the chunker of a stream.
func (h head) chunks(form shape, opts *common) *chunker {
	object := form.object()
	if object == "chat.completion" {
		object = "chat.completion.chunk"
	}
	c := &chunker{open: h.open(nil, object), close: []byte("]"), tells: opts.wantsUsage(), timed: h.timed, pads: opts.wantsPadding()}
	if c.tells {
		c.close = []byte(`],"usage":null`) // OpenAI's way to say that one will come
	}
	return c
}

// wrap puts one choice into a chunk. The result is valid until the next call.
func (c *chunker) wrap(choice []byte) []byte {
	c.buf = append(append(append(c.buf[:0], c.open...), choice...), c.close...)
	if c.pads {
		c.buf = append(c.buf, `,"obfuscation":"`...)
		c.buf = append(append(c.buf, param.Padding(len(choice))...), '"')
	}
	c.buf = append(c.buf, '}')
	return c.buf
}

// last is the chunk of the figures, which has no choice; nil where nobody asked for one.
func (c *chunker) last(u core.Usage) []byte {
	if !c.tells && !c.timed {
		return nil
	}
	c.buf = append(append(c.buf[:0], c.open...), ']')
	if c.tells {
		c.buf = appendUsage(append(c.buf, `,"usage":`...), u)
	}
	if c.timed {
		c.buf = appendTimings(c.buf, u)
	}
	c.buf = append(c.buf, '}')
	return c.buf
}

// appendTimings appends the field with the times of an answer, in llama-server's words.
func appendTimings(dst []byte, u core.Usage) []byte {
	part := func(name string, tokens int, took time.Duration) {
		var rate float64
		if took > 0 {
			rate = float64(tokens) / took.Seconds()
		}
		dst = append(append(dst, `,"`...), name...)
		dst = strconv.AppendInt(append(dst, `_n":`...), int64(tokens), 10)
		dst = append(append(dst, `,"`...), name...)
		dst = strconv.AppendFloat(append(dst, `_ms":`...), float64(took)/float64(time.Millisecond), 'f', 3, 64)
		dst = append(append(dst, `,"`...), name...)
		dst = strconv.AppendFloat(append(dst, `_per_second":`...), rate, 'f', 3, 64)
	}
	dst = strconv.AppendInt(append(dst, `,"timings":{"cache_n":`...), int64(u.Cached), 10)
	part("prompt", u.Prompt-u.Cached, u.Prefill)
	part("predicted", u.Completion, u.Decode)
	return append(dst, '}')
}

func appendUsage(dst []byte, u core.Usage) []byte {
	dst = append(dst, `{"prompt_tokens":`...)
	dst = strconv.AppendInt(dst, int64(u.Prompt), 10)
	dst = append(dst, `,"completion_tokens":`...)
	dst = strconv.AppendInt(dst, int64(u.Completion), 10)
	dst = append(dst, `,"total_tokens":`...)
	dst = strconv.AppendInt(dst, int64(u.Total()), 10)
	dst = append(dst, `,"prompt_tokens_details":{"cached_tokens":`...)
	dst = strconv.AppendInt(dst, int64(u.Cached), 10)
	if n := u.LeftOut.Messages; n > 0 {
		dst = append(dst, `,"truncated_messages":`...)
		dst = strconv.AppendInt(dst, int64(n), 10)
	}
	if n := u.LeftOut.Tokens; n > 0 {
		dst = append(dst, `,"truncated_tokens":`...)
		dst = strconv.AppendInt(dst, int64(n), 10)
	}
	dst = append(dst, `},"completion_tokens_details":{"reasoning_tokens":`...)
	dst = strconv.AppendInt(dst, int64(u.Reasoning), 10)
	return append(dst, "}}"...)
}

// textShape spells POST /v1/completions. It counts the characters of each choice for text_offset.
type textShape struct {
	buf     []byte
	offsets map[int]int
}

func (*textShape) prefix() string   { return "cmpl-" }
func (*textShape) object() string   { return "text_completion" }
func (*textShape) first(int) []byte { return nil }

func (s *textShape) chunks(ev *core.Event, emit func([]byte) error) error {
	if ev.Text == "" && len(ev.Tokens) == 0 && ev.Finish == "" {
		return nil
	}
	s.buf = append(s.buf[:0], `{"text":`...)
	s.buf = appendString(s.buf, ev.Text)
	s.buf = append(s.buf, `,"index":`...)
	s.buf = strconv.AppendInt(s.buf, int64(ev.Choice), 10)
	s.buf = append(s.buf, `,"logprobs":`...)
	if len(ev.Tokens) == 0 {
		s.buf = append(s.buf, "null"...)
	} else {
		s.buf, s.offsets[ev.Choice] = appendTextLogprobs(s.buf, ev.Tokens, s.offsets[ev.Choice])
	}
	s.buf = append(s.buf, `,"finish_reason":`...)
	if ev.Finish == "" {
		s.buf = append(s.buf, "null}"...)
	} else {
		s.buf = append(appendString(s.buf, string(ev.Finish)), '}')
	}
	return emit(s.buf)
}

func (s *textShape) whole(dst []byte, index int, a *answer) []byte {
	dst = append(dst, `{"text":`...)
	dst = appendString(dst, a.text)
	dst = append(dst, `,"index":`...)
	dst = strconv.AppendInt(dst, int64(index), 10)
	dst = append(dst, `,"logprobs":`...)
	dst, _ = appendTextLogprobs(dst, a.tokens, 0)
	dst = append(dst, `,"finish_reason":`...)
	return append(appendString(dst, string(a.finish)), '}')
}
