package gguf

import "strings"

// fileTypes names the mixtures that general.file_type numbers, by llama.cpp's enumeration.
//
//nolint:gochecknoglobals // a constant table
var fileTypes = [...]string{
	0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 7: "Q8_0", 8: "Q5_0", 9: "Q5_1",
	10: "Q2_K", 11: "Q3_K_S", 12: "Q3_K_M", 13: "Q3_K_L", 14: "Q4_K_S", 15: "Q4_K_M", 16: "Q5_K_S", 17: "Q5_K_M", 18: "Q6_K",
	19: "IQ2_XXS", 20: "IQ2_XS", 21: "Q2_K_S", 22: "IQ3_XS", 23: "IQ3_XXS", 24: "IQ1_S", 25: "IQ4_NL", 26: "IQ3_S",
	27: "IQ3_M", 28: "IQ2_S", 29: "IQ2_M", 30: "IQ4_XS", 31: "IQ1_M", 32: "BF16", 36: "TQ1_0", 37: "TQ2_0",
	38: "MXFP4", 39: "NVFP4", 40: "Q1_0", 41: "Q2_0",
}

// QuantizationName names the storage of the weights, such as "Q4_K_M". The file's own word counts when the tensors bear
// it out; otherwise the type that holds the most elements names it.
func (f *File) QuantizationName() string {
	elements := make(map[Type]uint64)
	for i := range f.Tensors {
		elements[f.Tensors[i].Type] += f.Tensors[i].Elements()
	}
	most := f.Tensors[0].Type
	for t, n := range elements {
		if n > elements[most] || n == elements[most] && t < most {
			most = t
		}
	}
	n, ok := f.Metadata.Uint("general.file_type")
	if !ok || n >= uint64(len(fileTypes)) || fileTypes[n] == "" {
		return most.String()
	}
	name := fileTypes[n]
	if most.String() == name {
		return name
	}
	// A mixture is named after a type that need not be the largest part; plain floats are in every file and prove nothing.
	for t := range elements {
		if t != F32 && t != F16 && t != BF16 && family(t.String()) == family(name) {
			return name
		}
	}
	return most.String()
}

// family is the part of a quantization's name that says how many bits and which kind: "Q4_K" of "Q4_K_M", "IQ3" of
// "IQ3_XS", whose mixtures are made of any type of that width.
func family(name string) string {
	if strings.HasPrefix(name, "IQ") {
		return name[:3]
	}
	parts := strings.SplitN(name, "_", 3)
	return strings.Join(parts[:min(2, len(parts))], "_")
}
