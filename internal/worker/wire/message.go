package wire

import (
	"time"

	"ashatai/internal/core"
	"ashatai/internal/engine"
)

// Hello introduces a worker.
type Hello struct {
	Protocol   int        `json:"protocol"`
	Build      string     `json:"build"`
	Runtime    string     `json:"runtime"`
	Descriptor Descriptor `json:"descriptor"`
	PID        int        `json:"pid"`
	Tier       string     `json:"tier"` // the sandbox in force, with what is missing and why

	// Environment is the SHA-256 of the lock file that the worker's environment was made of, where it has one of its own.
	Environment string `json:"environment,omitempty"`
}

// Descriptor is engine.Descriptor with JSON keys; the two convert into each other.
type Descriptor struct {
	Name         string            `json:"name"`
	Title        string            `json:"title"`
	Formats      []string          `json:"formats"`
	Capabilities []core.Capability `json:"capabilities"`
	Devices      []string          `json:"devices"`
	Cost         int               `json:"cost"`
	Front        bool              `json:"front,omitempty"`
}

// Status is engine.Status with JSON keys; the two convert into each other.
type Status struct {
	Ready   bool   `json:"ready"`
	Version string `json:"version"`
	Device  string `json:"device"`
	Missing string `json:"missing"`
	Guide   string `json:"guide"`
	NoGuide string `json:"no_guide"`
}

// Devices asks for the devices that a backend finds.
type Devices struct {
	Backend string `json:"backend"`
}

// Fatal is a worker's last word: it met a defect of its own and ends.
type Fatal struct {
	Class  string `json:"class"` // "panic"
	Detail string `json:"detail"`
}

// Load asks for the one model of a worker's life.
type Load struct {
	Spec engine.LoadSpec `json:"spec"`
}

// Progress of a load or a variant, from 0 to 1. A variant has several stages.
type Progress struct {
	Fraction float64 `json:"fraction"`
	Stage    string  `json:"stage,omitempty"`
}

// Loaded says what was loaded.
type Loaded struct {
	Facts engine.Facts `json:"facts"`
}

// Generate asks for text.
type Generate struct {
	Request   engine.GenerateRequest `json:"request"`
	TimeoutMS int64                  `json:"timeout_ms,omitempty"` // 0: none
}

// Embed asks for vectors.
type Embed struct {
	Prompts   []engine.Prompt `json:"prompts"`
	TimeoutMS int64           `json:"timeout_ms,omitempty"` // 0: none
}

// Rerank asks for the scores of documents, which come as vectors of length 1.
type Rerank struct {
	Query     string   `json:"query"`
	Documents []string `json:"documents"`
	TimeoutMS int64    `json:"timeout_ms,omitempty"` // 0: none
}

// Vectors carries Count vectors in the tail. More says that another frame of the same call follows; Usage counts in the
// last one.
type Vectors struct {
	Count      int   `json:"count"`
	Dimensions int   `json:"dimensions"`
	More       bool  `json:"more,omitempty"`
	Usage      Usage `json:"usage"`
}

// Tokenize asks for the token ids of a prompt.
type Tokenize struct {
	Prompt engine.Prompt `json:"prompt"`
}

// Share says on how many processors the loaded model may compute from now on.
type Share struct {
	Processors int `json:"processors"`
}

// Stats are the live figures of the loaded model.
type Stats struct {
	Stats engine.Stats `json:"stats"`
}

// Usage is core.Usage with JSON keys; the two convert into each other. Durations are in nanoseconds.
type Usage struct {
	Prompt     int `json:"prompt"`
	Cached     int `json:"cached"`
	Kept       int `json:"kept,omitempty"`
	Completion int `json:"completion"`
	Reasoning  int `json:"reasoning,omitempty"` // of the same form as core's; engines leave it

	LeftOut core.LeftOut `json:"-"` // likewise

	Queued  time.Duration `json:"queued"`
	Prefill time.Duration `json:"prefill"`
	Decode  time.Duration `json:"decode"`
}

// Error ends a call.
type Error struct {
	Code    core.Code `json:"code"`
	Message string    `json:"message"`
	Param   string    `json:"param,omitempty"`
	RetryMS int64     `json:"retry_ms,omitempty"`

	Overflow *core.Overflow `json:"overflow,omitempty"`
}

// ErrorOf is the part of an error that crosses the channel; its private cause stays behind.
func ErrorOf(err error) Error {
	e := core.AsError(err)
	return Error{Code: e.Code, Message: e.Message, Param: e.Param, RetryMS: e.RetryAfter.Milliseconds(), Overflow: e.Overflow}
}

// Core makes the error again.
func (e Error) Core() *core.Error {
	return &core.Error{Code: e.Code, Message: e.Message, Param: e.Param, RetryAfter: time.Duration(e.RetryMS) * time.Millisecond, Overflow: e.Overflow}
}
