package reply

import (
	"bytes"
	"strings"

	"ashatai/internal/chat/reply/lark"
)

// harmony is the form of gpt-oss. An answer is a row of messages; the analysis channel is reasoning, a message to a
// function is a call, everything else is text:
//
//	<|channel|>analysis<|message|>…<|end|><|start|>assistant<|channel|>final<|message|>…<|return|>
//	<|channel|>commentary to=functions.f <|constrain|>json<|message|>{…}<|call|>
type harmony struct{ silent bool } // silent: calls are text

const (
	harmonyStart     = "<|start|>"
	harmonyChannel   = "<|channel|>"
	harmonyConstrain = "<|constrain|>"
	harmonyMessage   = "<|message|>"
	harmonyEnd       = "<|end|>"
	harmonyCall      = "<|call|>"
	harmonyReturn    = "<|return|>"
	harmonyTo        = "to=functions."
)

func (harmony) markers() []string {
	return []string{harmonyStart, harmonyChannel, harmonyConstrain, harmonyMessage, harmonyEnd, harmonyCall, harmonyReturn}
}

func (f harmony) start() state { return f.header }

// header reads up to a message's body. The prompt ends with "<|start|>assistant", so the answer begins in one.
func (f harmony) header(m *machine) bool {
	end, wait := m.upTo(harmonyMessage)
	if end < 0 {
		if wait && f.isHeader(m.buf, false) {
			return false
		}
		if m.final && f.isHeader(m.buf, true) {
			m.drop(len(m.buf))
		}
		return f.noHeader(m)
	}
	head := string(m.buf[:end])
	if !f.isHeader(m.buf[:end], true) {
		return f.noHeader(m)
	}
	m.drop(end + len(harmonyMessage))
	_, channel, _ := strings.Cut(head, harmonyChannel)
	to, called := recipient(head)
	switch {
	case called && !f.silent:
		m.state = arguments(to, nil, f.after, f.text)
	case strings.HasPrefix(channel, "analysis"):
		m.state = f.reasoning
	default:
		m.state = f.text
	}
	return true
}

// noHeader goes on with text. The marker that led here must not lead here again.
func (f harmony) noHeader(m *machine) bool {
	if m.starts(harmonyChannel) == 1 {
		m.drop(len(harmonyChannel))
	}
	m.state = f.text
	return len(m.buf) > 0
}

// isHeader reports whether b begins like a header, or, where it is not whole, may do so when more comes.
func (harmony) isHeader(b []byte, whole bool) bool {
	b = bytes.TrimLeft(b, " \n")
	if len(b) == 0 {
		return true
	}
	for _, k := range []string{harmonyStart, harmonyChannel, harmonyMessage, harmonyConstrain, "to=", "assistant"} {
		n := min(len(k), len(b))
		if string(b[:n]) == k[:n] && (n == len(k) || !whole) {
			return true
		}
	}
	return false
}

// recipient is the function that a message is for.
func recipient(head string) (string, bool) {
	_, to, ok := strings.Cut(head, harmonyTo)
	if i := strings.IndexAny(to, " \n<"); i >= 0 {
		to = to[:i]
	}
	return to, ok && validName(to)
}

// ends are the markers that end a message's body.
func (f harmony) ends() []mark {
	return []mark{
		{text: harmonyEnd, then: f.header},
		{text: harmonyCall, then: f.header},
		{text: harmonyReturn, then: f.header},
		{text: harmonyStart, then: f.header},
		{text: harmonyChannel, then: f.header, kept: true},
	}
}

func (f harmony) text(m *machine) bool {
	return m.until(append(f.ends(), mark{text: harmonyMessage}, mark{text: harmonyConstrain}), false)
}

func (f harmony) reasoning(m *machine) bool {
	n := len(m.out)
	again := m.until(f.ends(), false)
	m.thinking = !again // until goes on only when the message has ended
	for i := n; i < len(m.out); i++ {
		m.out[i].Reasoning, m.out[i].Text = m.out[i].Text, ""
	}
	return again
}

// after passes over what stands between a call's arguments and the next message.
func (f harmony) after(m *machine) bool {
	n := len(m.out)
	again := m.until(f.ends(), false)
	m.out = m.out[:n]
	return again
}

// grammar writes the rules of the channels.
func (harmony) grammar(g *lark.Grammar) {
	var body []lark.Part
	final := lark.Seq(lark.Tok(harmonyChannel), lark.Lit("final"), lark.Tok(harmonyMessage))
	if len(g.Tools) > 0 {
		body = append(body, lark.Ref("call"))
	}
	switch {
	case g.Answer != "":
		body = append(body, lark.Seq(final, lark.Ref("answer")))
	case g.Free:
		body = append(body, lark.Seq(final, lark.Ref(lark.Anything)))
	}
	thought := lark.Seq(lark.Tok(harmonyChannel), lark.Lit("analysis"), lark.Tok(harmonyMessage), lark.Ref("analysis"), lark.Tok(harmonyStart), lark.Lit("assistant"), lark.Ref("body"))
	g.Rule("start", lark.Ref("body"), thought)
	g.Rule("body", body...)
	g.UpTo("analysis", harmonyEnd, g.Budget)
	if len(g.Tools) > 0 {
		g.Calling(func(name string) []lark.Part {
			return []lark.Part{lark.Tok(harmonyChannel), lark.Lit("commentary to=functions." + name + " "), lark.Tok(harmonyConstrain), lark.Lit("json"), lark.Tok(harmonyMessage)}
		}, nil)
	}
}
