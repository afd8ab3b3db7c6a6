package v1

import (
	"encoding/json"
	"time"

	"ashatai/internal/core"
)

// Version says which build answers.
type Version struct {
	Version string `json:"version"`
	Commit  string `json:"commit,omitempty"`
	Go      string `json:"go"`
	OS      string `json:"os"`
	Arch    string `json:"arch"`
}

// ModelSummary is a model in a list.
type ModelSummary struct {
	Name         string            `json:"name" doc:"canonical name"`
	Digest       string            `json:"digest" doc:"SHA-256 of the main file"`
	Format       string            `json:"format"`
	Size         int64             `json:"size" doc:"bytes of all files"`
	Architecture string            `json:"architecture"`
	Parameters   int64             `json:"parameter_count"`
	Quantization string            `json:"quantization,omitempty"`
	Context      int               `json:"context" doc:"tokens the model was trained for"`
	Capabilities []core.Capability `json:"capabilities"`
	Aliases      []string          `json:"aliases,omitempty"`
	Created      time.Time         `json:"created"`
}

func summaryOf(m *core.Manifest) ModelSummary {
	return ModelSummary{
		Name: m.Name, Digest: m.Digest, Format: m.Format, Size: m.Size(), Architecture: m.Architecture,
		Parameters: m.Parameters, Quantization: m.Quantization, Context: m.Context,
		Capabilities: orEmpty(m.Capabilities), Aliases: m.Aliases, Created: m.Created,
	}
}

// orEmpty makes an absent list an empty one in JSON: clients range over it.
func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// ModelList is the answer of GET /api/v1/models.
type ModelList struct {
	Models []ModelSummary `json:"models"`
}

// Model is all that is known of one model.
type Model struct {
	ModelSummary

	Files    []core.File       `json:"files"`
	Template string            `json:"template,omitempty" doc:"Jinja source of the chat template"`
	System   string            `json:"system,omitempty" doc:"system prompt used when a caller gives none"`
	Defaults core.Sampling     `json:"parameters" doc:"sampling defaults"`
	Stop     []string          `json:"stop,omitempty" doc:"strings that end every answer"`
	Window   int               `json:"window,omitempty" doc:"tokens per sequence it is loaded with; absent: the server's setting"`
	Messages []core.Turn       `json:"messages,omitempty" doc:"how every conversation with it begins"`
	BOS      string            `json:"bos,omitempty"`
	EOS      string            `json:"eos,omitempty"`
	License  string            `json:"license,omitempty"`
	Source   string            `json:"source" doc:"where it came from"`
	Labels   map[string]string `json:"labels,omitempty"`

	Optimized *Optimized `json:"optimized,omitempty" doc:"what the last optimization found"`
}

func (h handlers) modelOf(m *core.Manifest) Model {
	out := Model{
		ModelSummary: summaryOf(m), Files: orEmpty(m.Files), Template: m.Template, System: m.System, Defaults: m.Defaults,
		Stop: m.Stop, Window: m.Window, Messages: m.Messages, BOS: m.BOS, EOS: m.EOS, License: m.License, Source: m.Source, Labels: m.Labels,
	}
	if h.c.Optimizer != nil {
		out.Optimized = h.c.Optimizer.Optimized(m)
	}
	return out
}

// Removed is the answer of a DELETE.
type Removed struct {
	Removed string       `json:"removed" doc:"the name as it was asked for"`
	Aliases []core.Alias `json:"aliases,omitempty" doc:"aliases that stood for the model; those of the settings now stand for nothing, the others are gone"`
}

// PullRequest asks for a model to be installed.
type PullRequest struct {
	Source string `json:"source" required:"true" doc:"the name of a model in a hub or a registry, a URL, or the path of a file on the server's machine"`
	Name   string `json:"name" doc:"the name it gets; empty: made from the file's name"`
	SHA256 string `json:"sha256" doc:"what the file's SHA-256 must be, in hex; a URL needs it"`
	Stream *bool  `json:"stream" doc:"false: one answer at the end; else lines of progress"`
	Detach bool   `json:"detach" doc:"answer at once with the job's id, and go on without the caller"`
}

// PullProgress is one line of a pull. The last one has the status "success" and the model, or an error.
type PullProgress struct {
	Job       string        `json:"job,omitempty" doc:"id of the job that does it; see /api/v1/jobs"`
	Status    string        `json:"status,omitempty" doc:"what is being done; success at the end"`
	Total     int64         `json:"total,omitempty" doc:"bytes in all, where known"`
	Completed int64         `json:"completed,omitempty" doc:"bytes done"`
	Digest    string        `json:"digest,omitempty"`
	Model     *ModelSummary `json:"model,omitempty"`
}

// LoadRequest asks for a model to be loaded.
type LoadRequest struct {
	Model     string    `json:"model" required:"true"`
	Pin       bool      `json:"pin" doc:"keep it loaded until it is unloaded by name"`
	KeepAlive *Duration `json:"keep_alive" doc:"idle time until it is unloaded: 5m, or a number of seconds"`
}

// UnloadRequest asks for a model to be unloaded.
type UnloadRequest struct {
	Model string `json:"model" required:"true"`
}

// Unloaded is the answer of an unload.
type Unloaded struct {
	Unloaded string `json:"unloaded" doc:"the model's name as it was asked for"`
}

// Instance is one loaded model.
type Instance struct {
	Model     string     `json:"model"`
	Runtime   string     `json:"runtime"`
	Device    string     `json:"device"`
	State     string     `json:"state" doc:"starting, ready, draining"`
	Context   int        `json:"context" doc:"tokens per sequence"`
	Sequences int        `json:"sequences" doc:"sequences served at once"`
	Active    int        `json:"active" doc:"sequences in use"`
	Queued    int        `json:"queued" doc:"requests waiting"`
	Memory    Memory     `json:"memory"`
	Pinned    bool       `json:"pinned"`
	Fallback  string     `json:"fallback,omitempty" doc:"why something weaker than asked for is in force"`
	Embedding bool       `json:"embedding,omitempty" doc:"loaded to make embeddings"`
	PID       int        `json:"pid,omitempty" doc:"process that holds the model"`
	LastUsed  time.Time  `json:"last_used"`
	ExpiresAt *time.Time `json:"expires_at,omitempty" doc:"when it is unloaded if nobody uses it"`
}

// Memory is what an instance takes, in bytes.
type Memory struct {
	Weights int64 `json:"weights"`
	KV      int64 `json:"kv"`
	Compute int64 `json:"compute"`
	Total   int64 `json:"total"`
	// Estimate is what the load was expected to take.
	Estimate int64 `json:"estimate"`
}

// InstanceList is the answer of GET /api/v1/instances.
type InstanceList struct {
	Instances []Instance `json:"instances"`
	Memory    Ledger     `json:"memory"`
}

// Ledger says how much memory models take of what they may take, in bytes.
type Ledger struct {
	Budget int64 `json:"budget" doc:"what all models together may take; 0: not known"`
	Used   int64 `json:"used" doc:"what the loaded ones take, and those being loaded are expected to"`
}

// Runtime is one runtime with its state on this machine.
type Runtime struct {
	Name         string            `json:"name"`
	Title        string            `json:"title"`
	Formats      []string          `json:"formats"`
	Capabilities []core.Capability `json:"capabilities"`
	Devices      []string          `json:"devices"`
	Ready        bool              `json:"ready"`
	Version      string            `json:"version,omitempty" doc:"of the native library"`
	Device       string            `json:"device,omitempty" doc:"the device in use"`
	Missing      string            `json:"missing,omitempty" doc:"what is missing and how to get it"`
}

// RuntimeList is the answer of GET /api/v1/runtimes.
type RuntimeList struct {
	Runtimes []Runtime `json:"runtimes"`
}

// TokenizeRequest asks for the tokens of a text.
type TokenizeRequest struct {
	Model      string  `json:"model" doc:"empty: the default model"`
	Text       *string `json:"text" required:"true"`
	AddSpecial bool    `json:"add_special" doc:"with the tokens that start every prompt of the model"`
}

// TokenizeResponse lists the tokens.
type TokenizeResponse struct {
	Tokens []int `json:"tokens"`
	Count  int   `json:"count"`
}

// DetokenizeRequest asks for the text of tokens.
type DetokenizeRequest struct {
	Model  string `json:"model" doc:"empty: the default model"`
	Tokens []int  `json:"tokens" required:"true"`
}

// DetokenizeResponse is the text. Tokens can end inside a character: then Bytes has what Text cannot show.
type DetokenizeResponse struct {
	Text  string `json:"text"`
	Bytes []byte `json:"bytes,omitempty" doc:"the exact bytes, where they are not UTF-8"`
}

// Duration is a time in JSON: "5m", or a number of seconds.
type Duration time.Duration

const maxDuration = 365 * 24 * time.Hour

// UnmarshalJSON reads either form, from zero to a year.
func (d *Duration) UnmarshalJSON(data []byte) error {
	var text string
	var v time.Duration
	if err := json.Unmarshal(data, &text); err == nil {
		if v, err = time.ParseDuration(text); err != nil {
			return core.Invalid("keep_alive", "%q is not a duration; write 90s, 5m or 1h.", text)
		}
	} else {
		var seconds float64
		if err := json.Unmarshal(data, &seconds); err != nil {
			return core.Invalid("keep_alive", "A duration is text such as 5m, or a number of seconds.")
		}
		if !(seconds >= 0 && seconds <= maxDuration.Seconds()) {
			return core.Invalid("keep_alive", "The duration is %v seconds; it must be between 0 and a year.", seconds)
		}
		v = time.Duration(seconds * float64(time.Second))
	}
	if v < 0 || v > maxDuration {
		return core.Invalid("keep_alive", "The duration is %s; it must be between 0 and a year.", v)
	}
	*d = Duration(v)
	return nil
}

// JSONSchema is for the OpenAPI document.
func (d *Duration) JSONSchema() map[string]any {
	return map[string]any{"type": []string{"string", "number"}, "examples": []any{"5m", 300}}
}

func (d *Duration) pointer() *time.Duration {
	if d == nil {
		return nil
	}
	v := time.Duration(*d)
	return &v
}
