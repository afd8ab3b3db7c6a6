package rpc

import (
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"ashatai/internal/api/oip"
	"ashatai/internal/api/oip/inference"
	"ashatai/internal/core"
)

// maxPlain is how many bytes of a request may be something else than raw contents: two bytes of a message can take a hundred in
// memory, while raw ones take what they are.
const maxPlain = 8 << 20

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
	plain, tensors, raw := 0, 0, 0
	for len(b) > 0 {
		number, kind, n := protowire.ConsumeField(b)
		if n < 0 {
			return core.Wrap(core.CodeInvalidRequest, protowire.ParseError(n), "The message is no ModelInferRequest: %v.", protowire.ParseError(n))
		}
		switch {
		case number == 7 && kind == protowire.BytesType: // raw_input_contents
			raw++
		case number == 5 || number == 6: // inputs, outputs
			tensors++
			plain += n
		default:
			plain += n
		}
		b = b[n:]
	}
	switch {
	case raw > oip.MaxTensors || tensors > 2*oip.MaxTensors:
		return core.Invalid("inputs", "The request has %d inputs and outputs, and %d raw contents; at most %d of each are allowed.", tensors, raw, oip.MaxTensors)
	case plain > maxPlain:
		return core.Errorf(core.CodeTooLarge, "The request has %d bytes beside its raw contents; at most %d are allowed. Send large tensors in raw_input_contents.", plain, maxPlain)
	}
	return nil
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
