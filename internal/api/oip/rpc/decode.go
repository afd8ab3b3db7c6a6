package rpc

import (
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"ashatai/internal/api/oip"
	"ashatai/internal/api/oip/inference"
	"ashatai/internal/core"
)

// What a request may be made of besides raw contents, which take in memory what they are: two bytes of a message can be an empty
// text, which takes forty, and sixteen an entry of a map, which takes two hundred.
const (
	maxPlain      = 8 << 20 // bytes
	maxPieces     = 1 << 18 // texts, and numbers that are not packed
	maxParameters = 4096    // a thousand outputs may each have one
)

// decode reads a message. Fields that are not known are refused, as over HTTP.
func decode(b []byte, m proto.Message) error {
	name := m.ProtoReflect().Descriptor().Name()
	if _, ok := m.(*inference.ModelInferRequest); ok {
		if err := affordable(b); err != nil {
			return err
		}
	}
	if err := proto.Unmarshal(b, m); err != nil {
		return core.Wrap(core.CodeInvalidRequest, err, "The message is no %s: %v.", name, err)
	}
	if n := unknown(m.ProtoReflect()); n != 0 {
		return core.Errorf(core.CodeInvalidRequest, "The message %s has the field %d, which is not known here; leave it out.", name, n)
	}
	return nil
}

// affordable says whether a request can be read into memory, from its bytes.
func affordable(b []byte) error {
	var c cost
	if n := c.request(b); n < 0 {
		return core.Wrap(core.CodeInvalidRequest, protowire.ParseError(n), "The message is no ModelInferRequest: %v.", protowire.ParseError(n))
	}
	switch {
	case c.raw > oip.MaxTensors || c.tensors > 2*oip.MaxTensors:
		return core.Invalid("inputs", "The request has %d inputs and outputs, and %d raw contents; at most %d of each are allowed.", c.tensors, c.raw, oip.MaxTensors)
	case c.parameters > maxParameters:
		return core.Invalid("parameters", "The request, its inputs and its outputs have %d parameters; at most %d are allowed.", c.parameters, maxParameters)
	case c.plain > maxPlain:
		return core.Errorf(core.CodeTooLarge, "The request has %d bytes beside its raw contents; at most %d are allowed. Send large tensors in raw_input_contents.", c.plain, maxPlain)
	case c.pieces > maxPieces:
		return core.Errorf(core.CodeTooLarge, "The contents of the request are %d texts, or numbers that are not packed; at most %d are allowed. Send large tensors in raw_input_contents.", c.pieces, maxPieces)
	}
	return nil
}

// cost is what the bytes of a request are made of.
type cost struct{ plain, raw, tensors, parameters, pieces int }

func (c *cost) request(b []byte) int {
	return each(b, func(number protowire.Number, kind protowire.Type, value []byte, n int) {
		if number == 7 && kind == protowire.BytesType { // raw_input_contents
			c.raw++
			return
		}
		c.plain += n
		switch number { //nolint:exhaustive // the others are plain
		case 4:
			c.parameters++
		case 5, 6: // inputs, outputs
			c.tensors++
			each(value, func(inner protowire.Number, _ protowire.Type, value []byte, _ int) { c.tensor(number, inner, value) })
		}
	})
}

// tensor counts a field of an input or an output. What is broken in it is found when it is read.
func (c *cost) tensor(of, number protowire.Number, value []byte) {
	switch {
	case of == 5 && number == 4 || of == 6 && number == 2:
		c.parameters++
	case of == 5 && number == 5: // contents
		c.pieces++
		each(value, func(protowire.Number, protowire.Type, []byte, int) { c.pieces++ })
	default:
		c.pieces++
	}
}

// each calls do for the fields of a message: number, kind, the bytes of a field of bytes, and the length of the field in the message. It
// returns below 0 where the message is broken, as package protowire does.
func each(b []byte, do func(number protowire.Number, kind protowire.Type, value []byte, n int)) int {
	for len(b) > 0 {
		number, kind, tag := protowire.ConsumeTag(b)
		if tag < 0 {
			return tag
		}
		n := protowire.ConsumeFieldValue(number, kind, b[tag:])
		if n < 0 {
			return n
		}
		var value []byte
		if kind == protowire.BytesType {
			value, _ = protowire.ConsumeBytes(b[tag:])
		}
		do(number, kind, value, tag+n)
		b = b[tag+n:]
	}
	return 0
}

// unknown is the number of a field that the message, or one in it, does not know; 0 for none.
func unknown(m protoreflect.Message) protowire.Number {
	if b := m.GetUnknown(); len(b) > 0 {
		n, _, _ := protowire.ConsumeTag(b)
		return n
	}
	var found protowire.Number
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.IsMap() && f.MapValue().Message() != nil:
			v.Map().Range(func(_ protoreflect.MapKey, v protoreflect.Value) bool {
				found = unknown(v.Message())
				return found == 0
			})
		case f.IsList() && f.Message() != nil:
			for i := range v.List().Len() {
				if found = unknown(v.List().Get(i).Message()); found != 0 {
					break
				}
			}
		case f.Message() != nil && !f.IsMap():
			found = unknown(v.Message())
		}
		return found == 0
	})
	return found
}
