package wire

import (
	"encoding/binary"
	"math"
)

// AppendFloats adds vectors to b as little-endian 32-bit numbers.
func AppendFloats(b []byte, v []float32) []byte {
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return b
}

// Floats reads count vectors of the given length from a tail.
func Floats(tail []byte, count, dimensions int) ([][]float32, error) {
	// Bounded one by one first, so that the product cannot overflow.
	if count < 0 || dimensions < 0 || count > MaxFrame || dimensions > MaxFrame || int64(count)*int64(dimensions)*4 != int64(len(tail)) {
		return nil, broken("%d bytes are not %d vectors of length %d", len(tail), count, dimensions)
	}
	if dimensions == 0 && count > 0 {
		return nil, broken("%d vectors have no length", count)
	}
	flat := make([]float32, len(tail)/4)
	for i := range flat {
		flat[i] = math.Float32frombits(binary.LittleEndian.Uint32(tail[i*4:]))
	}
	out := make([][]float32, count)
	for i := range out {
		out[i] = flat[i*dimensions : (i+1)*dimensions : (i+1)*dimensions]
	}
	return out, nil
}

// AppendTokens adds token ids to b as little-endian 32-bit numbers.
func AppendTokens(b []byte, ids []int) []byte {
	for _, id := range ids {
		b = binary.LittleEndian.AppendUint32(b, uint32(int32(max(math.MinInt32, min(id, math.MaxInt32))))) //nolint:gosec // cut to the range
	}
	return b
}

// Tokens reads token ids from a tail. The result is never nil.
func Tokens(tail []byte) ([]int, error) {
	if len(tail)%4 != 0 {
		return nil, broken("%d bytes are not a list of token ids", len(tail))
	}
	ids := make([]int, len(tail)/4)
	for i := range ids {
		ids[i] = int(int32(binary.LittleEndian.Uint32(tail[i*4:]))) //nolint:gosec // the sign is in the bits
	}
	return ids, nil
}
