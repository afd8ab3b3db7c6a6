package responses

import (
	"context"
	"encoding/json"
	"fmt"

	"ashatai/internal/api"
	"ashatai/internal/core"
)

// talk builds a conversation of items: what an assistant thought, said and called in a row is one message.
type talk struct {
	messages []core.Message
	calls    map[string]string // id of each call so far → name of its tool
	open     bool              // the last message is the assistant's and takes more
}

func (t *talk) add(where string, it item) error {
	switch it.kind {
	case typeMessage:
		return t.say(it)
	case typeReasoning:
		t.assistant(func(m *core.Message) bool { return m.Content == "" && len(m.ToolCalls) == 0 }).Reasoning += it.text
	case typeCall:
		m := t.assistant(func(*core.Message) bool { return true })
		m.ToolCalls = append(m.ToolCalls, it.call)
		if t.calls == nil {
			t.calls = map[string]string{}
		}
		t.calls[it.call.ID] = it.call.Name
	case typeOutput:
		name, ok := t.calls[it.callID]
		if !ok {
			return core.Invalid(where+".call_id", "%s.call_id is %s, and no earlier item is a call with that id.", where, api.Show(it.callID))
		}
		t.open = false
		t.messages = append(t.messages, core.Message{Role: core.RoleTool, Name: name, ToolCallID: it.callID, Content: it.text})
	}
	return nil
}

func (t *talk) say(it item) error {
	last := len(t.messages) - 1
	switch {
	case it.role == core.RoleAssistant:
		t.assistant(func(m *core.Message) bool { return m.Content == "" && len(m.ToolCalls) == 0 }).Content = it.text
		return nil
	case it.role == core.RoleSystem && last == 0 && t.messages[0].Role == core.RoleSystem:
		t.messages[0].Content += "\n\n" + it.text // many templates take one system message, at the beginning
	default:
		t.messages = append(t.messages, core.Message{Role: it.role, Content: it.text})
	}
	t.open = false
	return nil
}

// assistant is the assistant's message that goes on, or a new one where there is none or it does not fit.
func (t *talk) assistant(fits func(*core.Message) bool) *core.Message {
	last := len(t.messages) - 1
	if !t.open || !fits(&t.messages[last]) {
		t.messages = append(t.messages, core.Message{Role: core.RoleAssistant})
		t.open = true
		last++
	}
	return &t.messages[last]
}

// context is what a response goes on from.
type earlier struct {
	items        []core.StoredItem
	parent       string
	conversation string
}

// earlier loads what a request continues.
func (h *handler) earlier(ctx context.Context, who core.Principal, f *promptFields) (earlier, error) {
	var out earlier
	conv, err := f.conversation()
	if err != nil {
		return out, err
	}
	prev := f.PreviousResponseID
	switch {
	case prev != nil && *prev != "" && conv != "":
		return out, core.Invalid("previous_response_id", "previous_response_id and conversation both say what is continued; send one of them.")
	case conv != "":
		if _, err := h.Archive.Get(ctx, who, core.StoredConversation, conv); err != nil {
			return out, about("conversation", err)
		}
		out.conversation = conv
		out.items, err = h.Items.History(ctx, who, conv)
		return out, about("conversation", err)
	case prev == nil || *prev == "":
		return out, nil
	}
	o, err := h.Archive.Get(ctx, who, core.StoredResponse, *prev)
	if err != nil {
		return out, about("previous_response_id", err)
	}
	var r response
	if json.Unmarshal([]byte(o.Body), &r) == nil && r.Conversation != nil {
		return out, core.Invalid("previous_response_id", "%s belongs to the conversation %s; continue that with the field conversation.", *prev, r.Conversation.ID)
	}
	if o.State == core.StoredRunning {
		return out, &core.Error{Code: core.CodeConflict, Param: "previous_response_id", Message: *prev + " is not complete yet; continue it when it is, or cancel it."}
	}
	out.parent = *prev
	out.items, err = h.Items.History(ctx, who, *prev)
	return out, about("previous_response_id", err)
}

// about names the field that an error is about.
func about(name string, err error) error {
	if err == nil {
		return nil
	}
	e := *core.AsError(err)
	e.Param = name
	return &e
}

// converse makes the messages of a request: instructions, what went before, and the new input. It returns the input with
// every reference replaced by what it stands for.
func (h *handler) converse(ctx context.Context, who core.Principal, f *promptFields, before earlier) ([]core.Message, []item, error) {
	input, err := readInput("input", f.Input)
	if err != nil {
		return nil, nil, err
	}
	var t talk
	if f.Instructions != nil && *f.Instructions != "" {
		t.messages = append(t.messages, core.Message{Role: core.RoleSystem, Content: *f.Instructions})
	}
	for _, s := range before.items {
		it, err := readItem(s.ID, json.RawMessage(s.Body))
		if err == nil {
			err = t.add(s.ID, it)
		}
		if err != nil {
			return nil, nil, err
		}
	}
	for i := range input {
		where := fmt.Sprintf("input.%d", i)
		if input[i].kind == typeReference {
			s, err := h.Items.Get(ctx, who, "", input[i].id)
			if err != nil {
				return nil, nil, about(where+".id", err)
			}
			if input[i], err = readItem(where, json.RawMessage(s.Body)); err != nil {
				return nil, nil, err
			}
		}
		if err := t.add(where, input[i]); err != nil {
			return nil, nil, err
		}
	}
	if len(input) == 0 && len(before.items) == 0 {
		return nil, nil, core.Invalid("input", "input is missing or empty, and nothing is continued; there must be something to answer.")
	}
	if len(t.messages) > core.MaxMessages {
		return nil, nil, core.Invalid("input", "The conversation has %d messages; at most %d are allowed.", len(t.messages), core.MaxMessages)
	}
	return t.messages, input, nil
}
