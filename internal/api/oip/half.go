package oip

import "math"

// halfBits rounds to the nearest number of 16 bits (IEEE 754 binary16), ties to even; what is too large becomes infinite.
func halfBits(f float32) uint16 {
	b := math.Float32bits(f)
	sign := uint16(b >> 16 & 0x8000)
	mag := b & 0x7fffffff
	switch {
	case mag > 0x7f800000:
		return sign | 0x7e00
	case mag >= 0x47800000: // 65,536 and above; what lies between the largest number and that rounds below
		return sign | 0x7c00
	case mag < 0x38800000: // below the smallest normal number: counted in units of 2⁻²⁴
		return sign | uint16(math.RoundToEven(float64(math.Float32frombits(mag))*(1<<24)))
	}
	mag += 0xfff + mag>>13&1
	return sign | uint16((mag-0x38000000)>>13)
}

// halfFloat is the number of 16 bits (IEEE 754 binary16).
func halfFloat(h uint16) float32 {
	sign := uint32(h&0x8000) << 16
	exp, frac := uint32(h>>10&0x1f), uint32(h&0x3ff)
	switch exp {
	case 0:
		f := float32(frac) / (1 << 24)
		return math.Float32frombits(math.Float32bits(f) | sign)
	case 0x1f:
		return math.Float32frombits(sign | 0x7f800000 | frac<<13)
	}
	return math.Float32frombits(sign | (exp+112)<<23 | frac<<13)
}

// bfloatBits rounds to the nearest bfloat16, ties to even.
func bfloatBits(f float32) uint16 {
	b := math.Float32bits(f)
	if f != f { //nolint:gocritic // NaN
		return uint16(b>>16) | 0x40
	}
	return uint16((b + 0x7fff + b>>16&1) >> 16)
}

func bfloatFloat(h uint16) float32 { return math.Float32frombits(uint32(h) << 16) }
