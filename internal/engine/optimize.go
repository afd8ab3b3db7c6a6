package engine

import "context"

// Optimizer is what a Runtime may also be: it writes nearly the same weights in another type and finds out what that costs
// and gains on this machine.
type Optimizer interface {
	// Variant writes the weights of spec.Load.Path to spec.Out in the type spec.Type, compares what both compute, and then
	// how fast they are, in alternation. Step, when not nil, is told what is being done and how much of it, from 0 to 1. A
	// variant that is not worth measuring is no error: Refused says why. After an error or the end of ctx a part of
	// spec.Out may be left; removing it is the caller's. Errors: CodeUnsupported (the model generates no text, or the type is
	// not known), CodeBadModel, CodeOutOfMemory (both do not fit at once), CodeDiskFull.
	Variant(ctx context.Context, spec VariantSpec, step func(stage string, part float64)) (Variant, error)
}

// VariantSpec says which weights to make.
type VariantSpec struct {
	Load          LoadSpec `json:"load"` // the model as it is, and how it is loaded to serve
	Type          string   `json:"type"` // one of those that the catalog lists for the runtime
	Out           string   `json:"out"`  // absolute path; the folder exists and holds nothing else of worth
	MaxDivergence float64  `json:"max_divergence"`
}

// Variant is what was found about other weights.
type Variant struct {
	Type       string      `json:"type"`
	Bytes      int64       `json:"bytes"`      // of the file
	Divergence float64     `json:"divergence"` // mean Kullback-Leibler divergence from the file as it is, in nats per token
	Agreement  float64     `json:"agreement"`  // part of the tokens, 0 to 1, whose likeliest successor is the same
	Tokens     int         `json:"tokens"`     // that were compared
	Speeds     []WorkSpeed `json:"speeds,omitempty"`
	Release    string      `json:"release,omitempty"` // of the native library
	Refused    string      `json:"refused,omitempty"` // a sentence; empty where speeds were measured
}

// WorkSpeed compares the speed of one kind of work. Both speeds are medians in tokens per second; Ratio is the median over
// the pairs that were measured one right after the other, above 1 where the variant is faster.
type WorkSpeed struct {
	Work  string  `json:"work"` // "prefill 512", "decode x4"
	AsIs  float64 `json:"as_is"`
	New   float64 `json:"new"`
	Ratio float64 `json:"ratio"`
	Pairs int     `json:"pairs"`
}
