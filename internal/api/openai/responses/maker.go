package responses

import (
	"crypto/rand"
	"encoding/json"
	"strings"
	"time"

	"ashatai/internal/core"
)

// maker turns the events of one answer into a response and its typed events, in OpenAI's order: an item is added, its part
// is added, deltas, and then each is done before the next item begins. It is used by one goroutine.
type maker struct {
	resp     response
	logprobs bool
	spaces   map[string]string // of functions, by the names that the model knows
	out      sink              // nil: nobody listens
	now      func() time.Time

	seq     int64
	started bool
	open    *openItem
	items   []core.StoredItem
	calls   int // how many calls were begun
	finish  core.FinishReason
	usage   *usage
}

// openItem is the item that grows.
type openItem struct {
	kind     string
	id       string
	index    int
	text     strings.Builder // of the part, or the arguments
	call     core.ToolDelta  // its id, name and index
	space    string          // the namespace of the function
	pending  []logprob       // not told yet
	logprobs []logprob
}

func (m *maker) send(ev event) error {
	ev.SequenceNumber = m.seq
	m.seq++
	if m.out == nil {
		return nil
	}
	body, err := encode(ev)
	if err != nil {
		return err
	}
	return m.out(core.StoredEvent{Seq: ev.SequenceNumber, Body: body})
}

// about tells of the response as a whole.
func (m *maker) about(kind string) error {
	r := m.resp
	return m.send(event{Type: "response." + kind, Response: &r})
}

// begin tells that there is a response.
func (m *maker) begin() error {
	if !m.resp.Background {
		return m.about("created")
	}
	m.resp.Status = queued
	if err := m.about("created"); err != nil {
		return err
	}
	return m.about("queued")
}

// start tells that the model is at work.
func (m *maker) start() error {
	if m.started {
		return nil
	}
	m.started = true
	m.resp.Status = inProgress
	return m.about("in_progress")
}

// see takes one event of the answer.
func (m *maker) see(ev *core.Event) error {
	if err := m.start(); err != nil {
		return err
	}
	if ev.Usage != nil {
		m.usage = usageOf(*ev.Usage)
		return nil
	}
	if ev.Reasoning != "" {
		if err := m.say(typeReasoning, ev.Reasoning, nil); err != nil {
			return err
		}
	}
	if ev.Text != "" || m.logprobs && len(ev.Tokens) > 0 && ev.Reasoning == "" && ev.ToolCall == nil {
		if err := m.say(typeMessage, ev.Text, ev.Tokens); err != nil {
			return err
		}
	}
	if ev.ToolCall != nil {
		if err := m.called(ev.ToolCall); err != nil {
			return err
		}
	}
	if ev.Finish != "" {
		m.finish = ev.Finish
	}
	return nil
}

// say adds text to a message or to reasoning.
func (m *maker) say(kind, text string, tokens []core.Token) error {
	if m.open == nil || m.open.kind != kind {
		if err := m.next(kind, core.ToolDelta{}); err != nil {
			return err
		}
	}
	o := m.open
	if m.logprobs && kind == typeMessage {
		o.pending = append(o.pending, logprobsOf(tokens)...)
	}
	if text == "" {
		return nil
	}
	o.text.WriteString(text)
	ev := event{Type: "response.reasoning_text.delta", ItemID: o.id, OutputIndex: &o.index, ContentIndex: new(int), Delta: &text}
	if kind == typeMessage {
		ev.Type, ev.Logprobs = "response.output_text.delta", o.told()
	}
	return m.send(ev)
}

// told returns what is known of tokens since the last delta.
func (o *openItem) told() *[]logprob {
	l := append([]logprob{}, o.pending...)
	o.logprobs, o.pending = append(o.logprobs, l...), nil
	return &l
}

// called adds a piece to a call.
func (m *maker) called(d *core.ToolDelta) error {
	if m.open == nil || m.open.kind != typeCall || m.open.call.Index != d.Index {
		if d.Index != m.calls {
			return core.Errorf(core.CodeInternal, "The runtime told of call %d where call %d was next.", d.Index, m.calls)
		}
		m.calls++
		if err := m.next(typeCall, core.ToolDelta{Index: d.Index, ID: d.ID, Name: d.Name}); err != nil {
			return err
		}
	}
	o := m.open
	if d.Arguments == "" {
		return nil
	}
	o.text.WriteString(d.Arguments)
	piece := d.Arguments
	return m.send(event{Type: "response.function_call_arguments.delta", ItemID: o.id, OutputIndex: &o.index, Delta: &piece})
}

// next ends the item before and begins one.
func (m *maker) next(kind string, c core.ToolDelta) error {
	if err := m.close(completed); err != nil {
		return err
	}
	prefix := map[string]string{typeMessage: "msg_", typeReasoning: "rs_", typeCall: "fc_"}[kind]
	space := m.spaces[c.Name]
	if space != "" {
		c.Name = strings.TrimPrefix(c.Name, spaced(space, ""))
	}
	m.open = &openItem{kind: kind, id: prefix + rand.Text(), index: len(m.resp.Output), call: c, space: space}
	o := m.open
	if err := m.send(event{Type: "response.output_item.added", OutputIndex: &o.index, Item: o.item(inProgress, nil)}); err != nil {
		return err
	}
	if kind == typeCall {
		return nil
	}
	return m.send(event{Type: "response.content_part.added", ItemID: o.id, OutputIndex: &o.index, ContentIndex: new(int), Part: o.part("", nil)})
}

// part is the item's part with a text.
func (o *openItem) part(text string, probs []logprob) *part {
	if o.kind == typeReasoning {
		return &part{Type: "reasoning_text", Text: text}
	}
	all := append([]logprob{}, probs...)
	return &part{Type: "output_text", Text: text, Annotations: &[]any{}, Logprobs: &all}
}

// item is the item in a state, with its part where that is there.
func (o *openItem) item(status string, p *part) any {
	content := []part{}
	if p != nil {
		content = append(content, *p)
	}
	switch o.kind {
	case typeReasoning:
		return reasoning{ID: o.id, Type: typeReasoning, Status: status, Summary: []part{}, Content: content}
	case typeCall:
		return call{ID: o.id, Type: typeCall, Status: status, CallID: o.call.ID, Name: o.call.Name, Namespace: o.space, Arguments: o.text.String()}
	}
	return message{ID: o.id, Type: typeMessage, Status: status, Role: "assistant", Content: content}
}

// close ends the open item, in the given state.
func (m *maker) close(status string) error {
	o := m.open
	if o == nil {
		return nil
	}
	m.open = nil
	done := o.item(status, nil)
	var err error
	if o.kind == typeCall {
		text := o.text.String()
		err = m.send(event{Type: "response.function_call_arguments.done", ItemID: o.id, OutputIndex: &o.index, Name: o.call.Name, Arguments: &text})
	} else {
		done, err = m.closePart(o, status)
	}
	if err != nil {
		return err
	}
	body, err := encode(done)
	if err != nil {
		return err
	}
	m.resp.Output = append(m.resp.Output, json.RawMessage(body))
	m.items = append(m.items, core.StoredItem{ID: o.id, Output: true, Body: body})
	return m.send(event{Type: "response.output_item.done", OutputIndex: &o.index, Item: done})
}

func (m *maker) closePart(o *openItem, status string) (any, error) {
	text := o.text.String()
	o.told() // what came after the last text belongs to the whole as well
	p := o.part(text, o.logprobs)
	ev := event{Type: "response.reasoning_text.done", ItemID: o.id, OutputIndex: &o.index, ContentIndex: new(int), Text: &text}
	if o.kind == typeMessage {
		ev.Type, ev.Logprobs = "response.output_text.done", p.Logprobs
	}
	if err := m.send(ev); err != nil {
		return nil, err
	}
	done := o.item(status, p)
	return done, m.send(event{Type: "response.content_part.done", ItemID: o.id, OutputIndex: &o.index, ContentIndex: new(int), Part: p})
}

// end tells how it ended; err is nil where the answer came to its own end. Its own error is one of the sink.
func (m *maker) end(err error) error {
	if err == nil && m.finish == "" {
		err = core.Errorf(core.CodeInternal, "The runtime ended the answer without a reason.")
	}
	m.resp.Usage = m.usage
	kind := completed
	switch {
	case err != nil && core.CodeOf(err) == core.CodeCancelled:
		kind, m.resp.Status = incomplete, cancelled
	case err != nil:
		kind, m.resp.Error = failed, failureOf(core.AsError(err))
	case m.finish == core.FinishLength:
		kind, m.resp.IncompleteDetails = incomplete, &details{"max_output_tokens"}
	case len(m.resp.Output) == 0 && m.open == nil: // nothing was said, and that is a message too
		if err := m.next(typeMessage, core.ToolDelta{}); err != nil {
			return err
		}
	}
	status := incomplete
	if kind == completed {
		status = completed
		now := m.now().Unix()
		m.resp.CompletedAt = &now
	}
	if err := m.close(status); err != nil {
		return err
	}
	if m.resp.Status != cancelled {
		m.resp.Status = kind
	}
	return m.about(kind)
}

// failureOf is an error in a response. The API has few codes; the message says the rest.
func failureOf(e *core.Error) *failure {
	code := "server_error"
	switch e.Code { //nolint:exhaustive // the others are the server's
	case core.CodeInvalidRequest, core.CodeContextExceeded, core.CodeUnsupported, core.CodeModelNotFound:
		code = "invalid_prompt"
	case core.CodeRateLimited, core.CodeQueueFull:
		code = "rate_limit_exceeded"
	}
	return &failure{Code: code, Message: e.Message}
}
