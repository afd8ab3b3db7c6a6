package oip

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"strconv"
	"unicode/utf8"
	"unsafe"

	"ashatai/internal/core"
)

// readValues makes a tensor's bytes of JSON: an array of values in row-major order, which may be nested as the shape is. The
// number of values is checked by the tensor's own check. data was found to be valid JSON before.
func readValues(name string, typ core.DataType, data []byte) ([]byte, error) {
	out := make([]byte, 0, min(len(data), MaxBody)/2*max(typ.Size(), 1))
	depth, i := 0, 0
	wrong := func(what string) error {
		return core.Invalid(name, "The data of %.80q %s; it must be an array of values of %s.", name, what, typ)
	}
	for i < len(data) {
		switch c := data[i]; c {
		case ' ', '\t', '\r', '\n', ',':
			i++
		case '[':
			if depth++; depth > core.MaxRank {
				return nil, wrong("is nested too deep")
			}
			i++
		case ']':
			depth--
			i++
		case '{':
			return nil, wrong("holds an object")
		default:
			if depth == 0 {
				return nil, wrong("is no array")
			}
			n := scan(data[i:])
			var ok bool
			if out, ok = appendValue(out, typ, data[i:i+n]); !ok {
				return nil, wrong("holds " + string(data[i:i+min(n, 40)]))
			}
			i += n
		}
	}
	return out, nil
}

// scan is the length of the string, number or word that b begins with.
func scan(b []byte) int {
	if b[0] == '"' {
		for i := 1; ; i++ {
			switch b[i] {
			case '\\':
				i++
			case '"':
				return i + 1
			}
		}
	}
	for i, c := range b {
		switch c {
		case ' ', '\t', '\r', '\n', ',', ']', '[', '{', '}', '"':
			return i
		}
	}
	return len(b)
}

func appendValue(out []byte, typ core.DataType, tok []byte) ([]byte, bool) {
	if typ == core.Bytes {
		var s string
		if tok[0] != '"' || json.Unmarshal(tok, &s) != nil {
			return out, false
		}
		return core.AppendText(out, s), true
	}
	text := unsafe.String(unsafe.SliceData(tok), len(tok)) //nolint:gosec // read only, and not kept
	bits := typ.Size() * 8
	switch typ { //nolint:exhaustive // BYTES is above
	case core.Bool:
		switch text {
		case "true", "1":
			return append(out, 1), true
		case "false", "0":
			return append(out, 0), true
		}
		return out, false
	case core.Uint8, core.Uint16, core.Uint32, core.Uint64:
		v, err := strconv.ParseUint(text, 10, bits)
		return appendBits(out, v, bits), err == nil
	case core.Int8, core.Int16, core.Int32, core.Int64:
		v, err := strconv.ParseInt(text, 10, bits)
		return appendBits(out, uint64(v), bits), err == nil //nolint:gosec // the sign is in the bits
	case core.FP64:
		v, err := strconv.ParseFloat(text, 64)
		return appendBits(out, math.Float64bits(v), bits), err == nil
	}
	v, err := strconv.ParseFloat(text, 32)
	f := float32(v)
	switch typ { //nolint:exhaustive // the rest is above
	case core.FP32:
		return appendBits(out, uint64(math.Float32bits(f)), bits), err == nil
	case core.FP16:
		return appendBits(out, uint64(halfBits(f)), bits), err == nil && halfBits(f)&0x7fff != 0x7c00
	case core.BF16:
		return appendBits(out, uint64(bfloatBits(f)), bits), err == nil && bfloatBits(f)&0x7fff != 0x7f80
	}
	return out, false
}

func appendBits(out []byte, v uint64, bits int) []byte {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], v)
	return append(out, b[:bits/8]...)
}

// values writes the values of a tensor as a JSON array without nesting, of about room bytes at most.
func values(t *core.Tensor, room int) ([]byte, error) {
	out := []byte{'['}
	tooLarge := core.Errorf(core.CodeTooLarge, "The outputs are more than %d MiB as JSON; ask for %.80q with binary_data.", maxText>>20, t.Name)
	if t.Type == core.Bytes {
		for i, s := range core.Texts(t.Data) {
			if i > 0 {
				out = append(out, ',')
			}
			if !utf8.ValidString(s) {
				return nil, core.Invalid("outputs", "The output %.80q holds bytes that are no text; ask for it with binary_data.", t.Name)
			}
			quoted, err := json.Marshal(s)
			if err != nil {
				return nil, core.Wrap(core.CodeInternal, err, "The output %.80q cannot be written.", t.Name)
			}
			if out = append(out, quoted...); len(out) > room {
				return nil, tooLarge
			}
		}
		return append(out, ']'), nil
	}
	size := t.Type.Size()
	for at := 0; size > 0 && at+size <= len(t.Data); at += size {
		if len(out) > room {
			return nil, tooLarge
		}
		if at > 0 {
			out = append(out, ',')
		}
		var ok bool
		if out, ok = appendNumber(out, t.Type, t.Data[at:at+size]); !ok {
			return nil, core.Invalid("outputs", "The output %.80q holds a value that JSON has no word for (infinite, or no number); ask for it with binary_data.", t.Name)
		}
	}
	return append(out, ']'), nil
}

func appendNumber(out []byte, typ core.DataType, b []byte) ([]byte, bool) {
	f, whole, isFloat := number(typ, b)
	switch {
	case typ == core.Bool:
		return strconv.AppendBool(out, whole != 0), true
	case !isFloat && typ[0] == 'U':
		return strconv.AppendUint(out, uint64(whole), 10), true //nolint:gosec // its bits
	case !isFloat:
		return strconv.AppendInt(out, whole, 10), true
	case math.IsNaN(f) || math.IsInf(f, 0):
		return out, false
	case typ == core.FP64:
		return strconv.AppendFloat(out, f, 'g', -1, 64), true
	}
	return strconv.AppendFloat(out, f, 'g', -1, 32), true
}

// number reads an element of a type with a size: as a float, or as a whole number, whose bits are those of an unsigned one
// where the type is that.
func number(typ core.DataType, b []byte) (f float64, whole int64, isFloat bool) {
	le := binary.LittleEndian
	switch typ { //nolint:exhaustive // BYTES has no size
	case core.Int8:
		return 0, int64(int8(b[0])), false //nolint:gosec // its bits
	case core.Bool, core.Uint8:
		return 0, int64(b[0]), false
	case core.Int16:
		return 0, int64(int16(le.Uint16(b))), false //nolint:gosec // its bits
	case core.Uint16:
		return 0, int64(le.Uint16(b)), false
	case core.Int32:
		return 0, int64(int32(le.Uint32(b))), false //nolint:gosec // its bits
	case core.Uint32:
		return 0, int64(le.Uint32(b)), false
	case core.Int64, core.Uint64:
		return 0, int64(le.Uint64(b)), false //nolint:gosec // its bits
	case core.FP16:
		return float64(halfFloat(le.Uint16(b))), 0, true
	case core.BF16:
		return float64(bfloatFloat(le.Uint16(b))), 0, true
	case core.FP32:
		return float64(math.Float32frombits(le.Uint32(b))), 0, true
	}
	return math.Float64frombits(le.Uint64(b)), 0, true
}
