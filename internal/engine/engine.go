// Package engine is the runtime contract: what a runtime says of itself, how it loads a model, and the capabilities a
// loaded model may have. It holds no runtime; each lives in a folder of its own and is listed in engine/all. The same
// interfaces are implemented in process, by a worker process through worker/host, and by remote servers.
package engine

import (
	"context"
	"iter"
	"time"

	"ashatai/internal/core"
)

// Descriptor is what a runtime claims. It is constant, needs no library and no device.
type Descriptor struct {
	Name         string            // "llamacpp": used in settings, headers and metric labels
	Title        string            // "llama.cpp"
	Formats      []string          // model formats it loads: "gguf"
	Capabilities []core.Capability // what its models may be able to do
	Devices      []string          // kinds of device it can use: "cpu", "cuda", "vulkan", "metal"
	Cost         int               // relative cost of a token; the selector prefers less
	Front        bool              // it loads no file and no library: the server holds it itself, without a worker
}

// Status is what a runtime finds on this machine.
type Status struct {
	Ready   bool
	Version string // of the native library
	Device  string // the device it would use, in words
	Missing string // a sentence that says what is missing and how to get it; empty when Ready

	// What holds answers to schemas and grammars, where that is a library of its own: its version, or a sentence that says
	// what is missing. The runtime serves all else without it.
	Guide, NoGuide string
}

// Runtime loads models of the formats it claims.
type Runtime interface {
	Descriptor() Descriptor
	// Probe looks at libraries and devices without loading a model.
	Probe(ctx context.Context) Status
	// Load makes a model ready to serve. Progress, when not nil, is called with 0 to 1. The caller closes the model.
	// Errors: CodeBadModel, CodeOutOfMemory, CodeUnavailable (library missing), CodeInvalidRequest (bad option).
	Load(ctx context.Context, spec LoadSpec, progress func(float64)) (Model, error)
}

// Placer is a Runtime that knows before a load where the model will run: Device is what its Facts will say.
type Placer interface {
	Device(spec LoadSpec) string
}

// ScratchPrompts is the folder in LoadSpec.Scratch for what a runtime computed of prompts. Files in it may be removed at any time: those
// that are too old are, also while the model is not loaded.
const ScratchPrompts = "prefixes"

// LoadSpec says what to load and how. Zero numbers mean: the runtime chooses.
type LoadSpec struct {
	Path      string            `json:"path"`                // main file
	Sequences int               `json:"sequences,omitempty"` // sequences served at once
	Context   int               `json:"context,omitempty"`   // tokens per sequence
	Batch     int               `json:"batch,omitempty"`     // largest number of tokens of one step
	Threads   int               `json:"threads,omitempty"`   // CPU threads; never above the cores that the process has
	Memory    int64             `json:"memory,omitempty"`    // bytes the model may use, weights included; 0: no bound given
	Scratch   string            `json:"scratch,omitempty"`   // folder of this model alone that the runtime may write in; empty: none
	Embedding bool              `json:"embedding,omitempty"` // load for embeddings, or for scores where the model makes those, instead of generation
	Options   map[string]string `json:"options,omitempty"`   // what only one runtime knows; unknown keys are refused
	Offload   *Offload          `json:"offload,omitempty"`   // what it may use besides the processor; nil: nothing
	Fallback  string            `json:"-"`                   // why the caller asks for less than it was set to; worker/host puts it before Facts.Fallback
}

// Model is a loaded model. It also implements the capability interfaces that its Facts name.
type Model interface {
	Facts() Facts
	// Close frees everything. It ends running requests, may be called twice, and waits until nothing runs.
	Close() error
}

// Facts are measured after the load.
type Facts struct {
	Runtime      string            `json:"runtime"`
	Device       string            `json:"device"`
	Context      int               `json:"context"`   // tokens per sequence, as loaded
	Sequences    int               `json:"sequences"` // sequences served at once
	Batch        int               `json:"batch"`     // largest number of prompt tokens between two looks at cancellation
	Threads      int               `json:"threads"`
	Vocabulary   int               `json:"vocabulary"` // number of tokens
	Dimensions   int               `json:"dimensions"` // length of an embedding
	Memory       Memory            `json:"memory"`
	Capabilities []core.Capability `json:"capabilities"`
	Template     string            `json:"template,omitempty"` // SHA-256 of the chat template, where the runtime brings its own
	Fallback     string            `json:"fallback,omitempty"` // why something weaker than asked for is in force
	Offload      []DeviceUse       `json:"offload,omitempty"`  // what lies on devices besides the processor
	Inputs       []core.TensorInfo `json:"inputs,omitempty"`   // of a TensorModel
	Outputs      []core.TensorInfo `json:"outputs,omitempty"`
	Labels       []string          `json:"labels,omitempty"` // of the classes that a TensorModel tells apart
}

// Memory is what a model takes, in bytes.
type Memory struct {
	Weights int64 `json:"weights"`
	KV      int64 `json:"kv"`
	Compute int64 `json:"compute"`
	Cache   int64 `json:"cache"` // the most that prefixes may take which no sequence holds
}

// Total is the sum of all parts.
func (m Memory) Total() int64 { return m.Weights + m.KV + m.Compute + m.Cache }

// Segment is a piece of a prompt. Control tokens are recognised in trusted text only (what a chat template wrote itself);
// text that came from a user is plain, whatever it spells.
type Segment struct {
	Text    string `json:"text"`
	Trusted bool   `json:"trusted,omitempty"`
}

// Prompt is text in segments, or token ids where Tokens is not nil. AddSpecial asks for the model's own start tokens;
// a chat template writes them itself.
type Prompt struct {
	Segments   []Segment `json:"segments,omitempty"`
	Tokens     []int     `json:"tokens,omitempty"`
	AddSpecial bool      `json:"add_special,omitempty"`
}

// Before is the prompt of the first n bytes of the segments' text.
func (p Prompt) Before(n int) Prompt {
	out := Prompt{AddSpecial: p.AddSpecial}
	for _, s := range p.Segments {
		if n < len(s.Text) {
			s.Text = s.Text[:max(n, 0)]
		}
		n -= len(s.Text)
		if s.Text == "" {
			break
		}
		out.Segments = append(out.Segments, s)
	}
	return out
}

// Sampling is core.Sampling with every choice made.
type Sampling struct {
	Temperature      float64         `json:"temperature"`
	TopK             int             `json:"top_k"`
	TopP             float64         `json:"top_p"`
	MinP             float64         `json:"min_p"`
	TypicalP         float64         `json:"typical_p"`
	RepeatPenalty    float64         `json:"repeat_penalty"`
	RepeatLastN      int             `json:"repeat_last_n"`
	PresencePenalty  float64         `json:"presence_penalty"`
	FrequencyPenalty float64         `json:"frequency_penalty"`
	LogitBias        map[int]float64 `json:"logit_bias,omitempty"`
	Seed             int64           `json:"seed"` // choice i uses Seed+i
}

// GenerateRequest asks for Choices continuations of one prompt. It was validated at the border: every number is in range.
type GenerateRequest struct {
	ID          string   `json:"id"`
	Tenant      string   `json:"tenant"` // caches are never shared across tenants
	Prompt      Prompt   `json:"prompt"`
	Sampling    Sampling `json:"sampling"`
	MaxTokens   int      `json:"max_tokens"` // 0: until the context is full
	Choices     int      `json:"choices"`    // at least 1
	Stop        []string `json:"stop,omitempty"`
	IgnoreEOS   bool     `json:"ignore_eos,omitempty"`
	Logprobs    bool     `json:"logprobs,omitempty"`
	TopLogprobs int      `json:"top_logprobs,omitempty"`

	Constraint Constraint `json:"constraint,omitzero"` // what the text must follow

	// Pins are places in the text of the prompt's segments, in bytes, ascending. What stands before each is asked for again
	// soon: a runtime that keeps prefixes keeps these before others, and tells how many tokens that are in Usage.Kept.
	Pins []int `json:"pins,omitempty"`

	// Asked is the request as its caller put it, where the runtime is one that answers in its own way; nil where nobody knows.
	Asked *Asked `json:"-"`

	// Reveal are control tokens, as they are spelled, whose text is part of the answer's text (of Event.Text, and of the
	// bytes of its Tokens); all others have no text. A spelling that is no control token of the model changes nothing.
	Reveal []string `json:"reveal,omitempty"`
}

// Constraint is what a text must follow: a core.Format whose kind is not empty, or nothing. A runtime that cannot enforce
// it answers CodeUnsupported; one whose library for it is missing, CodeUnavailable; a source that cannot be enforced whole,
// CodeInvalidRequest with the place in it.
type Constraint struct {
	Kind   core.FormatKind `json:"kind"`
	Source string          `json:"source,omitempty"`
}

// RuleParam begins the Param of an error about a JSON schema within a grammar in Lark. The name of its rule, at most 80 bytes of it,
// follows, and stands in the text as "the rule NAME".
const RuleParam = "format."

// Generator continues prompts.
//
// Generate returns when the request is accepted (tokenised, and known to fit the context) and before it is computed.
// Errors before that: CodeInvalidRequest, CodeContextExceeded, CodeUnsupported. Events follow core.Event's rules: every
// choice ends with one event that has Finish set, then one event has Usage alone. The first event has Start set, and each says in Count how
// many tokens it brings. Ending ctx, or leaving the range,
// frees the sequence within one batch; ctx's end is reported as the stream's error.
type Generator interface {
	Generate(ctx context.Context, req GenerateRequest) (iter.Seq2[core.Event, error], error)
}

// Sink takes the events of one answer. The model calls it from one goroutine, which also computes, so its methods must not
// wait for whoever reads.
type Sink interface {
	Accept()            // the request is accepted; the first call
	Event(e core.Event) // follows core.Event's rules
	End(err error)      // the last call, once; nil after the usage event
	Flush()             // what was handed over must leave now, as the model turns to its next work
}

// Pusher is a Generator that hands its events over by itself. Between processes that saves a switch of goroutines, and with
// it the wake-up of a thread beside the computing ones, for every token. An error means that the sink was not called.
type Pusher interface {
	Push(ctx context.Context, req GenerateRequest, to Sink) error
}

// Embedder makes one unit-length vector per prompt.
type Embedder interface {
	Embed(ctx context.Context, prompts []Prompt) (vectors [][]float32, usage core.Usage, err error)
}

// Reranker scores how well each document answers a query: between 0 and 1, more is better, and only the order of the scores
// of one model means anything. A score does not depend on the other documents. A pair that does not fit the context is
// CodeContextExceeded.
type Reranker interface {
	Rerank(ctx context.Context, query string, documents []string) (scores []float32, usage core.Usage, err error)
}

// TensorModel takes tensors and gives tensors. What it takes and gives stands in Facts.Inputs and Facts.Outputs.
//
// Infer needs every input of the model, each once, and no others. outputs names what is wanted, in this order; nil means
// all, in the model's order. Models that carry a state give it as an output, and take it as an input: nothing is kept
// between calls. Errors: CodeInvalidRequest (names, types, shapes), CodeTooLarge, CodeUnavailable (closed). Ending ctx ends
// the run as soon as the library looks.
type TensorModel interface {
	Infer(ctx context.Context, inputs []core.Tensor, outputs []string) ([]core.Tensor, error)
}

// Tokenizer turns text into the model's token ids and back. Detokenize returns the exact bytes, which need not be UTF-8.
type Tokenizer interface {
	Tokenize(ctx context.Context, p Prompt) ([]int, error)
	Detokenize(ctx context.Context, tokens []int) ([]byte, error)
}

// Sharer computes on no more processors than it is told, whatever it was loaded for: other models compute now too. The
// number is at least 1 and holds until the next call.
type Sharer interface {
	Share(processors int)
}

// Stats are a loaded model's live figures. Counters never fall.
type Stats struct {
	Active    int           `json:"active"`  // sequences generating or prefilling
	Waiting   int           `json:"waiting"` // accepted, not yet in a sequence
	Threads   int           `json:"threads"` // computing now
	Steps     uint64        `json:"steps"`   // batches computed
	Prompt    uint64        `json:"prompt"`  // prompt tokens computed
	Cached    uint64        `json:"cached"`  // prompt tokens reused
	Generated uint64        `json:"generated"`
	Drafted   uint64        `json:"drafted"`  // tokens guessed from repeated text
	Accepted  uint64        `json:"accepted"` // guesses that were right
	Paused    uint64        `json:"paused"`   // sequences that gave their place up for a while
	Busy      time.Duration `json:"busy"`     // time inside the native library

	Began map[string]uint64 `json:"began,omitempty"` // prompts by where their beginning came from: live, host, disk, none
	Cache CacheStats        `json:"cache,omitzero"`
}

// CacheStats are the figures of the memory for prefixes that no sequence holds.
type CacheStats struct {
	HostBytes   int64             `json:"host_bytes"`
	DiskBytes   int64             `json:"disk_bytes"`
	HostEntries int               `json:"host_entries"`
	DiskEntries int               `json:"disk_entries"`
	EvictedHost uint64            `json:"evicted_host"`
	EvictedDisk uint64            `json:"evicted_disk"`
	Corrupt     uint64            `json:"corrupt"`
	WriteErrors uint64            `json:"write_errors"`
	Misses      map[string]uint64 `json:"misses,omitempty"` // by reason
}

// Statter reports live figures.
type Statter interface {
	Stats(ctx context.Context) (Stats, error)
}
