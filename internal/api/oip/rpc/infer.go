package rpc

import (
	"encoding/binary"
	"math"
	"slices"

	"ashatai/internal/api/oip"
	"ashatai/internal/api/oip/inference"
	"ashatai/internal/core"
)

// wish is what a request asks for.
func wish(req *inference.ModelInferRequest) (*oip.Wish, error) {
	limit, err := number(req.GetParameters(), "parameters", "timeout")
	if err != nil {
		return nil, err
	}
	w, err := oip.NewWish(req.GetId(), len(req.GetInputs()), len(req.GetOutputs()), limit)
	if err != nil {
		return nil, err
	}
	w.Model, w.Version = req.GetModelName(), req.GetModelVersion()
	raw := req.GetRawInputContents()
	if len(raw) > 0 && len(raw) != len(req.GetInputs()) {
		return nil, core.Invalid("raw_input_contents", "The request has %d raw contents for %d inputs; send one for each, or none.", len(raw), len(req.GetInputs()))
	}
	for i, in := range req.GetInputs() {
		if err := onlyNames(in.GetParameters(), "the input "+in.GetName()); err != nil {
			return nil, err
		}
		t := core.Tensor{Name: in.GetName(), Type: core.DataType(in.GetDatatype()), Shape: in.GetShape()}
		switch {
		case raw == nil:
			if t.Data, err = pack(t.Name, t.Type, in.GetContents()); err != nil {
				return nil, err
			}
		case in.GetContents() != nil:
			return nil, core.Invalid(t.Name, "The input %.80q has contents, and the request raw_input_contents; send one of them.", t.Name)
		default:
			t.Data = raw[i]
		}
		if err := w.Take(t); err != nil {
			return nil, err
		}
	}
	for _, o := range req.GetOutputs() {
		classes, err := number(o.GetParameters(), "the output "+o.GetName(), "classification")
		if err != nil {
			return nil, err
		}
		if err := w.Ask(o.GetName(), int(min(classes, math.MaxInt32))); err != nil {
			return nil, err
		}
	}
	return w, nil
}

// onlyNames refuses parameters of other names than those that mean something here.
func onlyNames[P any](given map[string]P, of string, names ...string) error {
	for name := range given {
		if !slices.Contains(names, name) {
			return core.Invalid(name, "The parameter %.80q of %.80s is not known here; leave it out.", name, of)
		}
	}
	return nil
}

// number is the one parameter that may be there, a whole number; 0 where it is not.
func number(given map[string]*inference.InferParameter, of, name string) (int64, error) {
	if err := onlyNames(given, of, name); err != nil || given[name] == nil {
		return 0, err
	}
	switch v := given[name].GetParameterChoice().(type) { //nolint:exhaustive // the rest is no whole number
	case *inference.InferParameter_Int64Param:
		return v.Int64Param, nil
	case *inference.InferParameter_Uint64Param:
		return int64(min(v.Uint64Param, math.MaxInt64)), nil
	}
	return 0, core.Invalid(name, "The parameter %s of %.80s must be a whole number, in int64_param.", name, of)
}

// answer writes the tensors in the form of the request's: raw, or with typed contents where all of them have a field of their type and
// they are not too large for it.
func answer(req *inference.ModelInferRequest, got *oip.Answer) (*inference.ModelInferResponse, error) {
	out := &inference.ModelInferResponse{
		ModelName: req.GetModelName(), ModelVersion: got.Version, Id: req.GetId(), Parameters: map[string]*inference.InferParameter{},
	}
	for name, value := range oip.Told(got.Placement) {
		out.Parameters[name] = &inference.InferParameter{ParameterChoice: &inference.InferParameter_StringParam{StringParam: value}}
	}
	total := 0
	for i := range got.Outputs {
		total += len(got.Outputs[i].Data)
	}
	if total > maxAnswer {
		return nil, core.Errorf(core.CodeTooLarge, "The outputs have %d bytes; at most %d fit into an answer of gRPC. Ask for fewer of them.", total, maxAnswer)
	}
	typed := req.GetRawInputContents() == nil && len(req.GetInputs()) > 0 && total <= maxTyped &&
		!slices.ContainsFunc(got.Outputs, func(t core.Tensor) bool { return t.Type == core.FP16 || t.Type == core.BF16 })
	for i := range got.Outputs {
		t := &got.Outputs[i]
		one := &inference.ModelInferResponse_InferOutputTensor{Name: t.Name, Datatype: string(t.Type), Shape: t.Shape}
		if typed {
			one.Contents = unpack(t)
		} else {
			out.RawOutputContents = append(out.RawOutputContents, t.Data)
		}
		out.Outputs = append(out.Outputs, one)
	}
	return out, nil
}

const (
	maxAnswer = 1 << 30  // bytes of outputs: a message of protocol buffers has at most 2 GiB
	maxTyped  = 64 << 20 // bytes of outputs in typed contents, where one of a negative INT8 takes ten
)

// pack makes a tensor's bytes of typed contents. How many they are is checked by the tensor's own check.
func pack(name string, typ core.DataType, c *inference.InferTensorContents) ([]byte, error) {
	var list any
	given, fits := 0, true
	take := func(n int, v any) { given, list = n, v }
	ints, uints := c.GetIntContents(), c.GetUintContents()
	switch typ {
	case core.Bool:
		take(len(c.GetBoolContents()), c.GetBoolContents())
	case core.Int8:
		take(len(ints), narrow[int8](ints, &fits))
	case core.Int16:
		take(len(ints), narrow[int16](ints, &fits))
	case core.Int32:
		take(len(ints), ints)
	case core.Int64:
		take(len(c.GetInt64Contents()), c.GetInt64Contents())
	case core.Uint8:
		take(len(uints), narrow[uint8](uints, &fits))
	case core.Uint16:
		take(len(uints), narrow[uint16](uints, &fits))
	case core.Uint32:
		take(len(uints), uints)
	case core.Uint64:
		take(len(c.GetUint64Contents()), c.GetUint64Contents())
	case core.FP32:
		take(len(c.GetFp32Contents()), c.GetFp32Contents())
	case core.FP64:
		take(len(c.GetFp64Contents()), c.GetFp64Contents())
	case core.Bytes:
		take(len(c.GetBytesContents()), texts(c.GetBytesContents()))
	case core.FP16, core.BF16:
		list = []byte{}
	default:
		return nil, nil // a type that does not exist is refused by the tensor's check
	}
	switch {
	case count(c) != given:
		return nil, core.Invalid(name, "The input %.80q of %.40s has contents of another type; FP16 and BF16 have no field, and go in raw_input_contents alone.", name, typ)
	case !fits:
		return nil, core.Invalid(name, "The input %.80q holds a number that %s cannot.", name, typ)
	}
	out, err := binary.Append(nil, binary.LittleEndian, list)
	if err != nil {
		return nil, core.Wrap(core.CodeInternal, err, "The input %.80q cannot be read.", name)
	}
	return out, nil
}

// count is how many elements contents have, of whatever type.
func count(c *inference.InferTensorContents) int {
	return len(c.GetBoolContents()) + len(c.GetIntContents()) + len(c.GetInt64Contents()) + len(c.GetUintContents()) + len(c.GetUint64Contents()) +
		len(c.GetFp32Contents()) + len(c.GetFp64Contents()) + len(c.GetBytesContents())
}

type whole interface {
	~int8 | ~int16 | ~int32 | ~uint8 | ~uint16 | ~uint32
}

// narrow writes numbers in a smaller type; fits becomes false where one is too large for it.
func narrow[To, From whole](list []From, fits *bool) []To {
	out := make([]To, len(list))
	for i, v := range list {
		out[i] = To(v)
		*fits = *fits && From(out[i]) == v
	}
	return out
}

// texts writes elements of BYTES.
func texts(list [][]byte) []byte {
	var out []byte
	for _, b := range list {
		out = core.AppendText(out, string(b))
	}
	return out
}

// unpack writes the elements of a tensor, which passed its check, into the field of their type.
func unpack(t *core.Tensor) *inference.InferTensorContents {
	c := &inference.InferTensorContents{}
	switch t.Type {
	case core.Bool:
		c.BoolContents = elements[bool](t)
	case core.Int8:
		c.IntContents = wide[int32](elements[int8](t))
	case core.Int16:
		c.IntContents = wide[int32](elements[int16](t))
	case core.Int32:
		c.IntContents = elements[int32](t)
	case core.Int64:
		c.Int64Contents = elements[int64](t)
	case core.Uint8:
		c.UintContents = wide[uint32](elements[uint8](t))
	case core.Uint16:
		c.UintContents = wide[uint32](elements[uint16](t))
	case core.Uint32:
		c.UintContents = elements[uint32](t)
	case core.Uint64:
		c.Uint64Contents = elements[uint64](t)
	case core.FP32:
		c.Fp32Contents = elements[float32](t)
	case core.FP64:
		c.Fp64Contents = elements[float64](t)
	case core.Bytes:
		for _, s := range core.Texts(t.Data) {
			c.BytesContents = append(c.BytesContents, []byte(s))
		}
	case core.FP16, core.BF16: // have no field
	}
	return c
}

func elements[T any](t *core.Tensor) []T {
	out := make([]T, len(t.Data)/t.Type.Size())
	_, _ = binary.Decode(t.Data, binary.LittleEndian, out) // numbers of as many bytes
	return out
}

func wide[To, From whole](list []From) []To {
	out := make([]To, len(list))
	for i, v := range list {
		out[i] = To(v)
	}
	return out
}
