package responses

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strings"

	"ashatai/internal/api"
	"ashatai/internal/api/openai/param"
	"ashatai/internal/core"
)

// The types of items that the server knows.
const (
	typeMessage   = "message"
	typeCall      = "function_call"
	typeOutput    = "function_call_output"
	typeReasoning = "reasoning"
	typeReference = "item_reference"
)

const noMedia = "Only text goes in and comes out"

// inputItem is every field of the items that the server knows.
type inputItem struct {
	Type             string          `json:"type"`
	ID               *string         `json:"id"`
	Role             string          `json:"role"`
	Content          json.RawMessage `json:"content"`
	CallID           string          `json:"call_id"`
	Name             string          `json:"name"`
	Namespace        string          `json:"namespace"`
	Arguments        string          `json:"arguments"`
	Output           json.RawMessage `json:"output"`
	Summary          json.RawMessage `json:"summary"`
	EncryptedContent json.RawMessage `json:"encrypted_content"` // ignored: this server never makes any
	Status           json.RawMessage `json:"status"`            // ignored: what comes in is complete
	Phase            json.RawMessage `json:"phase"`             // ignored: answers are not divided into phases
}

// item is one checked item.
type item struct {
	id   string
	kind string
	body any // its JSON, in the form in which the server gives it back

	role   core.Role     // of a message
	text   string        // of a message, of reasoning, or a call's output
	call   core.ToolCall // of a function_call
	callID string        // of a function_call_output
}

// stored is the item as it is kept.
func (it item) stored(output bool) (core.StoredItem, error) {
	body, err := encode(it.body)
	return core.StoredItem{ID: it.id, Output: output, Body: body}, err
}

// readItem reads the item at the place where.
func readItem(where string, raw json.RawMessage) (item, error) {
	var kind struct {
		Type any `json:"type"`
		Role any `json:"role"`
	}
	if len(raw) == 0 || raw[0] != '{' || json.Unmarshal(raw, &kind) != nil {
		return item{}, core.Invalid(where, "%s is not an item; an item is an object such as {\"role\":\"user\",\"content\":\"…\"}.", where)
	}
	t, _ := kind.Type.(string)
	if kind.Type == nil {
		t = typeReference
		if kind.Role != nil {
			t = typeMessage
		}
	}
	switch t {
	case typeMessage, typeCall, typeOutput, typeReasoning, typeReference:
	default:
		return item{}, core.Invalid(where+".type", "%s.type is %s; this server knows items of the types message, function_call, function_call_output, reasoning and item_reference.", where, api.Show(t))
	}
	var in inputItem
	if err := api.Strict(raw, &in); err != nil {
		return item{}, under(where, err)
	}
	it := item{kind: t}
	if in.ID != nil {
		it.id = *in.ID
	}
	switch t {
	case typeMessage:
		return it.asMessage(where, in)
	case typeCall:
		return it.asCall(where, in)
	case typeOutput:
		return it.asOutput(where, in)
	case typeReasoning:
		return it.asReasoning(where, in)
	}
	if it.id == "" {
		return item{}, core.Invalid(where+".id", "%s.id is missing; a reference names the item that it stands for.", where)
	}
	return it, nil
}

// under puts the place of a value before the place in the value that an error names.
func under(where string, err error) error {
	e := *core.AsError(err)
	if e.Param != "" {
		where += "." + e.Param
	}
	e.Param = where
	return &e
}

const maxID = 128

// named gives an item without an id one of its own.
func named(id, prefix, where string) (string, error) {
	if id == "" {
		return prefix + rand.Text(), nil
	}
	if len(id) > maxID {
		return id, core.Invalid(where+".id", "%s.id has %d bytes; at most %d are allowed.", where, len(id), maxID)
	}
	return id, nil
}

func (it item) asMessage(where string, in inputItem) (item, error) {
	kind := "input_text"
	switch in.Role {
	case "system", "developer":
		it.role = core.RoleSystem
	case "user":
		it.role = core.RoleUser
	case "assistant":
		it.role, kind = core.RoleAssistant, "output_text"
	default:
		return it, core.Invalid(where+".role", "%s.role is %s; it is user, assistant, system or developer.", where, api.Show(in.Role))
	}
	parts, text, err := readParts(where+".content", kind, in.Content)
	if err != nil {
		return it, err
	}
	it.text = text
	it.id, err = named(it.id, "msg_", where)
	it.body = message{ID: it.id, Type: typeMessage, Status: completed, Role: in.Role, Content: parts}
	return it, err
}

// inputPart is every field of the parts that the server knows.
type inputPart struct {
	Type        string          `json:"type"`
	Text        *string         `json:"text"`
	Annotations json.RawMessage `json:"annotations"` // ignored: they are about the text, which is there
	Logprobs    json.RawMessage `json:"logprobs"`    // likewise
}

// readParts reads a string or a list of text parts, and gives them back as parts of the given type.
func readParts(where, kind string, raw json.RawMessage) ([]part, string, error) {
	make1 := func(text string) part {
		p := part{Type: kind, Text: text}
		if kind == "output_text" {
			p.Annotations, p.Logprobs = &[]any{}, &[]logprob{}
		}
		return p
	}
	if text, ok := param.Text(raw); ok {
		return []part{make1(text)}, text, nil
	}
	var list []json.RawMessage
	if !api.Present(raw) || raw[0] != '[' || json.Unmarshal(raw, &list) != nil {
		return nil, "", core.Invalid(where, "%s must be a string or a list of parts.", where)
	}
	var all strings.Builder
	parts := make([]part, len(list))
	for i, raw := range list {
		at := fmt.Sprintf("%s.%d", where, i)
		var t struct {
			Type string `json:"type"`
		}
		if raw[0] != '{' || json.Unmarshal(raw, &t) != nil {
			return nil, "", core.Invalid(at, "%s is not a part; a part is an object such as {\"type\":\"input_text\",\"text\":\"…\"}.", at)
		}
		switch t.Type {
		case "input_text", "output_text", "text", "reasoning_text", "summary_text":
		default:
			return nil, "", core.Invalid(at+".type", "%s.type is %s. %s: send parts of the type %s.", at, api.Show(t.Type), noMedia, kind)
		}
		var p inputPart
		if err := api.Strict(raw, &p); err != nil {
			return nil, "", under(at, err)
		}
		if p.Text == nil {
			return nil, "", core.Invalid(at+".text", "%s.text is missing.", at)
		}
		parts[i] = make1(*p.Text)
		_, _ = all.WriteString(*p.Text) // never fails
	}
	return parts, all.String(), nil
}

func (it item) asCall(where string, in inputItem) (item, error) {
	if in.CallID == "" || in.Name == "" {
		return it, core.Invalid(where+".call_id", "%s must have a call_id and a name.", where)
	}
	var err error
	it.call, err = param.Call(where+".arguments", core.ToolCall{ID: in.CallID, Name: spaced(in.Namespace, in.Name), Arguments: in.Arguments})
	if err != nil {
		return it, err
	}
	it.id, err = named(it.id, "fc_", where)
	it.body = call{ID: it.id, Type: typeCall, Status: completed, CallID: in.CallID, Name: in.Name, Namespace: in.Namespace, Arguments: it.call.Arguments}
	return it, err
}

func (it item) asOutput(where string, in inputItem) (item, error) {
	if in.CallID == "" {
		return it, core.Invalid(where+".call_id", "%s.call_id is missing; it says which call this answers.", where)
	}
	_, text, err := readParts(where+".output", "input_text", in.Output)
	if err != nil {
		return it, err
	}
	it.callID, it.text = in.CallID, text
	it.id, err = named(it.id, "fco_", where)
	it.body = callOutput{ID: it.id, Type: typeOutput, Status: completed, CallID: in.CallID, Output: text}
	return it, err
}

func (it item) asReasoning(where string, in inputItem) (item, error) {
	body := reasoning{Type: typeReasoning, Status: completed, Summary: []part{}, Content: []part{}}
	var err error
	if api.Present(in.Content) {
		if body.Content, it.text, err = readParts(where+".content", "reasoning_text", in.Content); err != nil {
			return it, err
		}
	}
	if api.Present(in.Summary) {
		var text string
		if body.Summary, text, err = readParts(where+".summary", "summary_text", in.Summary); err != nil {
			return it, err
		}
		if it.text == "" {
			it.text = text
		}
	}
	it.id, err = named(it.id, "rs_", where)
	body.ID = it.id
	it.body = body
	return it, err
}

// readInput reads the input of a request: a text is one message of a user.
func readInput(name string, raw json.RawMessage) ([]item, error) {
	if !api.Present(raw) {
		return nil, nil
	}
	if text, ok := param.Text(raw); ok {
		content, err := json.Marshal(text)
		if err != nil {
			return nil, err
		}
		it, err := item{kind: typeMessage}.asMessage(name, inputItem{Role: "user", Content: content})
		return []item{it}, err
	}
	var list []json.RawMessage
	if raw[0] != '[' || json.Unmarshal(raw, &list) != nil {
		return nil, core.Invalid(name, "%s must be a string or a list of items.", name)
	}
	if len(list) > core.MaxMessages {
		return nil, core.Invalid(name, "%s has %d items; at most %d are allowed.", name, len(list), core.MaxMessages)
	}
	out := make([]item, len(list))
	for i, raw := range list {
		var err error
		if out[i], err = readItem(fmt.Sprintf("%s.%d", name, i), raw); err != nil {
			return nil, err
		}
	}
	return out, nil
}
