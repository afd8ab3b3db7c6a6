package ollama

import (
	"encoding/json"

	"ashatai/internal/api"
	"ashatai/internal/core"
)

// options are a request's options and a model's parameters. Fields of type json.RawMessage are decided by Fields.
type options struct {
	Temperature      *float64  `json:"temperature,omitempty"`
	TopK             *int      `json:"top_k,omitempty"`
	TopP             *float64  `json:"top_p,omitempty"`
	MinP             *float64  `json:"min_p,omitempty"`
	TypicalP         *float64  `json:"typical_p,omitempty"`
	RepeatLastN      *int      `json:"repeat_last_n,omitempty"`
	RepeatPenalty    *float64  `json:"repeat_penalty,omitempty"`
	PresencePenalty  *float64  `json:"presence_penalty,omitempty"`
	FrequencyPenalty *float64  `json:"frequency_penalty,omitempty"`
	Seed             *int64    `json:"seed,omitempty"`
	Stop             []*string `json:"stop,omitempty"`
	NumPredict       *int      `json:"num_predict,omitempty"`
	NumCtx           *int      `json:"num_ctx,omitempty"`

	NumBatch        json.RawMessage `json:"num_batch,omitempty"`
	NumThread       json.RawMessage `json:"num_thread,omitempty"`
	NumGPU          json.RawMessage `json:"num_gpu,omitempty"`
	MainGPU         json.RawMessage `json:"main_gpu,omitempty"`
	UseMmap         json.RawMessage `json:"use_mmap,omitempty"`
	UseMlock        json.RawMessage `json:"use_mlock,omitempty"`
	LowVRAM         json.RawMessage `json:"low_vram,omitempty"`
	F16KV           json.RawMessage `json:"f16_kv,omitempty"`
	NUMA            json.RawMessage `json:"numa,omitempty"`
	DraftNumPredict json.RawMessage `json:"draft_num_predict,omitempty"`
	NumKeep         json.RawMessage `json:"num_keep,omitempty"`
	LogitsAll       json.RawMessage `json:"logits_all,omitempty"`
	VocabOnly       json.RawMessage `json:"vocab_only,omitempty"`
	EmbeddingOnly   json.RawMessage `json:"embedding_only,omitempty"`
	TfsZ            json.RawMessage `json:"tfs_z,omitempty"`
	Mirostat        json.RawMessage `json:"mirostat,omitempty"`
	MirostatTau     json.RawMessage `json:"mirostat_tau,omitempty"`
	MirostatEta     json.RawMessage `json:"mirostat_eta,omitempty"`
	PenalizeNewline json.RawMessage `json:"penalize_newline,omitempty"`
}

// maxContext bounds num_ctx; a model's own limit is far below.
const maxContext = 1 << 24

// chosen is what options ask for, checked.
type chosen struct {
	sampling core.Sampling
	stop     []string
	predict  int // 0: until the context is full
	context  int // 0: not said
}

// limit is the most tokens of an answer, 0 for as many as the context holds. As with Ollama, an answer is at most ten times as
// long as the context that the caller asked for, so that a model that finds no end stops.
func (c chosen) limit() int {
	if most := 10 * c.context; most > 0 && (c.predict == 0 || c.predict > most) {
		return most
	}
	return c.predict
}

// choose checks options, which may be nil. where is what the caller calls them.
func (o *options) choose(t api.Table, where string) (chosen, error) {
	if o == nil {
		return chosen{}, nil
	}
	if err := t.Screen(where+".", where+".", *o); err != nil {
		return chosen{}, err
	}
	c := chosen{sampling: core.Sampling{
		Temperature: o.Temperature, TopP: o.TopP, TopK: o.TopK, MinP: o.MinP, TypicalP: o.TypicalP,
		RepeatPenalty: o.RepeatPenalty, RepeatLastN: o.RepeatLastN,
		PresencePenalty: o.PresencePenalty, FrequencyPenalty: o.FrequencyPenalty, Seed: o.Seed,
	}}
	if o.TopK != nil && *o.TopK < 0 {
		c.sampling.TopK = new(int)
	}
	if o.Seed != nil && *o.Seed == -1 {
		c.sampling.Seed = nil
	}
	if err := c.sampling.Validate(); err != nil {
		e := core.AsError(err)
		e.Param = where + "." + e.Param
		return chosen{}, e
	}
	for i, s := range o.Stop {
		if s == nil {
			return chosen{}, core.Invalid(where+".stop", "Entry %d of %s.stop is null; it is a list of strings.", i, where)
		}
		c.stop = append(c.stop, *s)
	}
	if err := (&core.Request{Stop: c.stop}).Validate(); err != nil {
		return chosen{}, err
	}
	if n := o.NumPredict; n != nil {
		if *n < -2 {
			return chosen{}, core.Invalid(where+".num_predict", "%s.num_predict is %d; it is a number of tokens, or -1 for as many as the context holds.", where, *n)
		}
		c.predict = max(*n, 0)
	}
	if n := o.NumCtx; n != nil {
		if *n < 0 || *n > maxContext {
			return chosen{}, core.Invalid(where+".num_ctx", "%s.num_ctx is %d; it must be between 0 and %d.", where, *n, maxContext)
		}
		c.context = *n
	}
	return c, nil
}
