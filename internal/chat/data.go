package chat

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"

	"ashatai/internal/chat/jinja/value"
	"ashatai/internal/core"
)

// maxNesting bounds how deep the JSON that a template sees nests.
const maxNesting = 128

var errNesting = errors.New("nested too deeply")

// data reads JSON into values of a template, keys in their order, all text untrusted.
func data(raw []byte) (value.Value, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	v, err := dataNext(dec, maxNesting)
	if err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one value")
	}
	return v, nil
}

func dataNext(dec *json.Decoder, depth int) (value.Value, error) {
	tok, err := dec.Token()
	if err != nil {
		return nil, err
	}
	if depth == 0 {
		return nil, errNesting
	}
	switch x := tok.(type) {
	case json.Delim:
		if x == '[' {
			return dataList(dec, depth)
		}
		return dataDict(dec, depth)
	case string:
		return untrusted(x), nil
	case json.Number:
		return dataNumber(x)
	case bool:
		return value.Bool(x), nil
	}
	return value.None{}, nil
}

func dataList(dec *json.Decoder, depth int) (value.Value, error) {
	l := &value.List{}
	for dec.More() {
		v, err := dataNext(dec, depth-1)
		if err != nil {
			return nil, err
		}
		l.Items = append(l.Items, v)
	}
	_, err := dec.Token()
	return l, err
}

func dataDict(dec *json.Decoder, depth int) (value.Value, error) {
	d := &value.Dict{}
	for dec.More() {
		k, err := dec.Token()
		if err != nil {
			return nil, err
		}
		v, err := dataNext(dec, depth-1)
		if err != nil {
			return nil, err
		}
		name, ok := k.(string)
		if !ok {
			return nil, errors.New("a key that is no text")
		}
		d.PutText(value.Text(name, false), v)
	}
	_, err := dec.Token()
	return d, err
}

func dataNumber(n json.Number) (value.Value, error) {
	if i, err := n.Int64(); err == nil {
		return value.Int(i), nil
	}
	f, err := n.Float64()
	return value.Float(f), err
}

// toolList is the tools as transformers hands them to a template.
func toolList(tools []core.Tool) (value.Value, error) {
	l := &value.List{}
	for i, t := range tools {
		raw := t.Parameters
		if len(raw) == 0 {
			raw = json.RawMessage(`{"type": "object", "properties": {}}`)
		}
		params, err := data(raw)
		if err != nil {
			return nil, core.Invalid("tools", "The parameters of tool %d cannot be read: %v.", i, err)
		}
		f := &value.Dict{}
		f.PutText(word("name"), untrusted(t.Name))
		f.PutText(word("description"), untrusted(t.Description))
		f.PutText(word("parameters"), params)
		d := &value.Dict{}
		d.PutText(word("type"), word("function"))
		d.PutText(word("function"), f)
		l.Items = append(l.Items, d)
	}
	return l, nil
}

// callList is the calls of an assistant's turn. Their arguments are data, or text where asText is set.
func callList(calls []core.ToolCall, at int, asText bool) (value.Value, error) {
	l := &value.List{}
	for _, c := range calls {
		args, err := data([]byte(c.Arguments))
		if _, ok := args.(*value.Dict); err != nil || !ok {
			return nil, core.Invalid("messages", "Message %d has a call of the tool %.64q whose arguments are not a JSON object. Send the arguments as the model gave them.", at, c.Name)
		}
		if asText {
			args = untrusted(c.Arguments)
		}
		f := &value.Dict{}
		f.PutText(word("name"), untrusted(c.Name))
		f.PutText(word("arguments"), args)
		d := &value.Dict{}
		d.PutText(word("id"), untrusted(c.ID))
		d.PutText(word("type"), word("function"))
		d.PutText(word("function"), f)
		l.Items = append(l.Items, d)
	}
	return l, nil
}

// word is a text of the server's own.
func word(s string) *value.Str { return value.Text(s, true) }
