package oip

import (
	"encoding/json"
	"maps"
	"net/http"
	"strconv"

	"ashatai/internal/api"
	"ashatai/internal/core"
)

// headerLength says how long the JSON before the bytes of tensors is, in requests and in answers.
const headerLength = "Inference-Header-Content-Length"

type inferRequest struct {
	ID         string        `json:"id,omitempty" doc:"comes back with the answer"`
	Parameters inferOptions  `json:"parameters,omitzero"`
	Inputs     []inferInput  `json:"inputs"`
	Outputs    []inferOutput `json:"outputs,omitempty" doc:"absent: all of the model's"`
}

type inferOptions struct {
	Binary  bool  `json:"binary_data_output,omitempty" doc:"outputs come as bytes where they do not say otherwise"`
	Timeout int64 `json:"timeout,omitempty" doc:"microseconds; 0: the server's limit"`
}

type inferInput struct {
	Name       string          `json:"name"`
	Shape      []int64         `json:"shape"`
	Datatype   core.DataType   `json:"datatype"`
	Parameters inputOptions    `json:"parameters,omitzero"`
	Data       json.RawMessage `json:"data,omitempty" doc:"values in row-major order, nested or not"`
}

type inputOptions struct {
	Size *int64 `json:"binary_data_size,omitempty" doc:"bytes behind the JSON, in place of data"`
}

type inferOutput struct {
	Name       string        `json:"name"`
	Parameters outputOptions `json:"parameters,omitzero"`
}

type outputOptions struct {
	Binary  *bool `json:"binary_data,omitempty" doc:"whether it comes as bytes behind the JSON"`
	Classes int   `json:"classification,omitempty" doc:"only the highest values, so many, each as value:place:label"`
}

type inferAnswer struct {
	Model   string         `json:"model_name"`
	Version string         `json:"model_version"`
	ID      string         `json:"id,omitempty"`
	Outputs []answerOutput `json:"outputs"`
}

type answerOutput struct {
	Name       string          `json:"name"`
	Datatype   core.DataType   `json:"datatype"`
	Shape      []int64         `json:"shape"`
	Parameters *answerOptions  `json:"parameters,omitempty"`
	Data       json.RawMessage `json:"data,omitempty"`
}

type answerOptions struct {
	Size int `json:"binary_data_size"`
}

// infer answers POST …/infer.
func (h *handler) infer(w http.ResponseWriter, r *http.Request) error {
	body, err := readInfer(r)
	if err != nil {
		return err
	}
	wish, err := body.wish()
	if err != nil {
		return err
	}
	wish.Model, wish.Version = r.PathValue("model"), r.PathValue("version")
	got, err := h.s.Infer(r.Context(), wish)
	if err != nil {
		return err
	}
	place(w, got.Placement)
	return body.answer(w, wish.Model, got)
}

// inferBody is a request and the bytes behind it.
type inferBody struct {
	inferRequest

	tail []byte
}

func readInfer(r *http.Request) (*inferBody, error) {
	split := r.Header.Get(headerLength)
	if split == "" {
		out := &inferBody{}
		return out, api.DecodeJSON(r, MaxBody, &out.inferRequest)
	}
	all, err := api.ReadBody(r, MaxBody)
	if err != nil {
		return nil, err
	}
	n, err := strconv.Atoi(split)
	if err != nil || n < 0 || n > len(all) {
		return nil, core.Errorf(core.CodeInvalidRequest, "%s is %.40q; it must be the length of the JSON, which is at most the body's %d bytes.", headerLength, split, len(all))
	}
	out := &inferBody{tail: all[n:]}
	return out, api.Strict(all[:n], &out.inferRequest)
}

// wish is what the request asks for, without the model.
func (b *inferBody) wish() (*Wish, error) {
	w, err := NewWish(b.ID, len(b.Inputs), len(b.Outputs), b.Parameters.Timeout)
	if err != nil {
		return nil, err
	}
	rest := b.tail
	for i := range b.Inputs {
		in := &b.Inputs[i]
		t := core.Tensor{Name: in.Name, Type: in.Datatype, Shape: in.Shape}
		if t.Data, rest, err = in.bytes(rest); err != nil {
			return nil, err
		}
		if err := w.Take(t); err != nil {
			return nil, err
		}
	}
	if len(rest) > 0 {
		return nil, core.Errorf(core.CodeInvalidRequest, "The body has %d bytes behind the JSON that belong to no input; binary_data_size says how many an input has.", len(rest))
	}
	for _, o := range b.Outputs {
		if err := w.Ask(o.Name, o.Parameters.Classes); err != nil {
			return nil, err
		}
	}
	return w, nil
}

// bytes are those of an input: of its data, or the next ones behind the JSON.
func (in *inferInput) bytes(tail []byte) (data, rest []byte, err error) {
	if !in.Datatype.Known() {
		return nil, nil, core.Invalid(in.Name, "The input %.80q has the datatype %.40q, which does not exist.", in.Name, in.Datatype)
	}
	if size := in.Parameters.Size; size != nil {
		switch {
		case api.Present(in.Data):
			return nil, nil, core.Invalid(in.Name, "The input %.80q has data and binary_data_size; send one of them.", in.Name)
		case *size < 0 || *size > int64(len(tail)):
			return nil, nil, core.Invalid(in.Name, "The input %.80q has a binary_data_size of %d; the body has %d bytes left behind the JSON.", in.Name, *size, len(tail))
		}
		return tail[:*size:*size], tail[*size:], nil
	}
	if !api.Present(in.Data) {
		return nil, nil, core.Invalid(in.Name, "The input %.80q has no data.", in.Name)
	}
	data, err = readValues(in.Name, in.Datatype, in.Data)
	return data, tail, err
}

// answer writes the tensors: as JSON, and as bytes behind it where the request asks for them.
func (b *inferBody) answer(w http.ResponseWriter, model string, got *Answer) error {
	out := inferAnswer{Model: model, Version: got.Version, ID: b.ID, Outputs: make([]answerOutput, len(got.Outputs))}
	var tail [][]byte
	total, room := 0, maxText
	for i := range got.Outputs {
		t := &got.Outputs[i]
		one := answerOutput{Name: t.Name, Datatype: t.Type, Shape: append([]int64{}, t.Shape...)}
		binary := b.Parameters.Binary
		if i < len(b.Outputs) && b.Outputs[i].Parameters.Binary != nil {
			binary = *b.Outputs[i].Parameters.Binary
		}
		if binary {
			one.Parameters = &answerOptions{len(t.Data)}
			tail = append(tail, t.Data)
			total += len(t.Data)
		} else {
			var err error
			if one.Data, err = values(t, room); err != nil {
				return err
			}
			room -= len(one.Data)
		}
		out.Outputs[i] = one
	}
	if tail == nil {
		return api.WriteJSON(w, http.StatusOK, out)
	}
	head, err := json.Marshal(out)
	if err != nil {
		return core.Wrap(core.CodeInternal, err, "The server failed to encode its answer.")
	}
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set(headerLength, strconv.Itoa(len(head)))
	h.Set("Content-Length", strconv.Itoa(len(head)+total))
	return api.WriteParts(w, append([][]byte{head}, tail...)...)
}

// place tells in headers where the answer comes from.
func place(w http.ResponseWriter, p core.Placement) {
	for name, value := range Told(p) {
		w.Header().Set(name, value)
	}
}

// Told is what an answer says of where it comes from, by the names of its headers.
func Told(p core.Placement) map[string]string {
	all := map[string]string{"x-ashatai-runtime": p.Runtime, "x-ashatai-device": p.Device, "x-ashatai-fallback": p.Fallback}
	maps.DeleteFunc(all, func(_, value string) bool { return value == "" })
	return all
}
