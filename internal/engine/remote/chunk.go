package remote

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"

	"ashatai/internal/core"
)

// maxLine bounds one line of a stream.
const maxLine = 4 << 20

var (
	errLine    = errors.New("a line of the stream is longer than 4 MiB")
	errGarbage = errors.New("a piece of the stream is not what OpenAI's interface says")
)

// chunk is one piece of a stream, of a chat or of a completion.
type chunk struct {
	Choices []chunkChoice   `json:"choices"`
	Usage   *usage          `json:"usage"`
	Error   json.RawMessage `json:"error"`
}

type chunkChoice struct {
	Index    int             `json:"index"`
	Delta    delta           `json:"delta"`
	Text     string          `json:"text"`
	Logprobs json.RawMessage `json:"logprobs"`
	Finish   string          `json:"finish_reason"`
	Stop     json.RawMessage `json:"stop_reason"` // vLLM: the stop string, or a token
}

type delta struct {
	Content          string      `json:"content"`
	Refusal          string      `json:"refusal"`
	ReasoningContent string      `json:"reasoning_content"`
	Reasoning        string      `json:"reasoning"`
	Calls            []callDelta `json:"tool_calls"`
}

type callDelta struct {
	Index    int    `json:"index"`
	ID       string `json:"id"`
	Function struct {
		Name      string `json:"name"`
		Arguments string `json:"arguments"`
	} `json:"function"`
}

type usage struct {
	Prompt     int `json:"prompt_tokens"`
	Completion int `json:"completion_tokens"`
	Details    struct {
		Cached int `json:"cached_tokens"`
	} `json:"prompt_tokens_details"`
	Made struct {
		Reasoning int `json:"reasoning_tokens"`
	} `json:"completion_tokens_details"`
}

// maxTokens bounds what a server may say that it counted.
const maxTokens = 1 << 30

func (u *usage) core() core.Usage {
	bound := func(n int) int { return min(max(n, 0), maxTokens) }
	out := core.Usage{Prompt: bound(u.Prompt), Completion: bound(u.Completion)}
	out.Cached = min(bound(u.Details.Cached), out.Prompt)
	out.Reasoning = min(bound(u.Made.Reasoning), out.Completion)
	return out
}

// ofPrompt is the usage of what has no answer in tokens. Where the server did not count, it is estimated from what was sent.
func (u *usage) ofPrompt(sent any) core.Usage {
	n := u.core().Prompt
	if data, err := json.Marshal(sent); n == 0 && err == nil {
		n = max(1, len(data)/bytesPerToken)
	}
	return core.Usage{Prompt: n}
}

// lines reads the data of server-sent events, one at a time.
type lines struct{ r *bufio.Reader }

func newLines(r io.Reader) *lines { return &lines{bufio.NewReaderSize(r, 32<<10)} }

// next returns the next event's data; io.EOF at the end of the stream, and at its last word.
func (l *lines) next() ([]byte, error) {
	for {
		line, err := l.line()
		if err != nil {
			return nil, err
		}
		data, ok := bytes.CutPrefix(line, []byte("data:"))
		if !ok { // a comment, another field, or the empty line between events
			continue
		}
		if data = bytes.TrimSpace(data); string(data) == "[DONE]" {
			return nil, io.EOF
		}
		return data, nil
	}
}

// line returns a line. What stands after the last line feed is none: the stream was cut there.
func (l *lines) line() ([]byte, error) {
	var long []byte
	for {
		part, err := l.r.ReadSlice('\n')
		switch {
		case err == nil && long == nil:
			return part, nil
		case err == nil && len(long)+len(part) <= maxLine:
			return append(long, part...), nil
		case err == nil:
			return nil, errLine
		case !errors.Is(err, bufio.ErrBufferFull):
			if errors.Is(err, io.EOF) && len(part)+len(long) > 0 {
				return nil, io.ErrUnexpectedEOF
			}
			return nil, err
		}
		if long = append(long, part...); len(long) > maxLine {
			return nil, errLine
		}
	}
}

// finishOf translates a finish reason.
func finishOf(s string) core.FinishReason {
	switch s {
	case "":
		return ""
	case "length":
		return core.FinishLength
	case "tool_calls", "function_call":
		return core.FinishTools
	}
	return core.FinishStop // stop, content_filter, abort: the answer is over
}

// logprobs of a chat name bytes; those of a completion, texts.
type logprobs struct {
	Content []tokenLogprob       `json:"content"`
	Tokens  []string             `json:"tokens"`
	Values  []*float64           `json:"token_logprobs"`
	Top     []map[string]float64 `json:"top_logprobs"`
}

type tokenLogprob struct {
	ID      *int           `json:"id"` // llama-server
	Token   string         `json:"token"`
	Logprob float64        `json:"logprob"`
	Bytes   []int          `json:"bytes"`
	Top     []tokenLogprob `json:"top_logprobs"`
}

// noID is the id of a token that only its text is known of.
const noID = -1

func (t tokenLogprob) core() core.Token {
	out := core.Token{ID: noID, Logprob: min(t.Logprob, 0), Bytes: []byte(t.Token)}
	if t.ID != nil {
		out.ID = *t.ID
	}
	if t.Bytes != nil {
		out.Bytes = make([]byte, len(t.Bytes))
		for i, b := range t.Bytes {
			out.Bytes[i] = byte(b & 0xff)
		}
	}
	for _, top := range t.Top {
		top.Top = nil
		out.Top = append(out.Top, top.core())
	}
	return out
}

// bytesOf reads the text of a token of a completion. One that is no UTF-8 is written as bytes:\x20\xe6.
func bytesOf(text string) []byte {
	if code, ok := strings.CutPrefix(text, `bytes:\x`); ok {
		if raw, err := hex.DecodeString(strings.ReplaceAll(code, `\x`, "")); err == nil {
			return raw
		}
	}
	return []byte(text)
}

func tokensOf(raw json.RawMessage) ([]core.Token, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return nil, nil
	}
	var l logprobs
	if err := json.Unmarshal(raw, &l); err != nil {
		return nil, err
	}
	var out []core.Token
	for _, t := range l.Content {
		out = append(out, t.core())
	}
	for i, text := range l.Tokens {
		t := core.Token{ID: noID, Bytes: bytesOf(text)}
		if i < len(l.Values) && l.Values[i] != nil {
			t.Logprob = min(*l.Values[i], 0)
		}
		if i < len(l.Top) {
			for text, p := range l.Top[i] {
				t.Top = append(t.Top, core.Token{ID: noID, Bytes: bytesOf(text), Logprob: min(p, 0)})
			}
			slices.SortFunc(t.Top, func(a, b core.Token) int {
				return cmp.Or(cmp.Compare(b.Logprob, a.Logprob), strings.Compare(string(a.Bytes), string(b.Bytes)))
			})
		}
		out = append(out, t)
	}
	return out, nil
}
