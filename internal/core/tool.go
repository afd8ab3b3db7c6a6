package core

import "encoding/json"

// Limits of tools.
const (
	MaxTools         = 128
	MaxToolNameBytes = 128
	MaxSchemaBytes   = 256 << 10 // of one JSON schema, grammar or pattern
)

// Tool is a function that the model may ask its caller to run.
type Tool struct {
	Name        string
	Description string
	Parameters  json.RawMessage // JSON schema of the arguments, an object; nil: no arguments
	Strict      bool            // the arguments must follow the schema, whatever the tool choice
}

// ToolCall is a model's wish to run a tool.
type ToolCall struct {
	ID        string
	Name      string
	Arguments string // a JSON object, as text
}

// ToolMode says whether the model must call a tool.
type ToolMode string

// The tool modes; the empty one is auto where there are tools.
const (
	ToolAuto     ToolMode = "auto"     // the model decides
	ToolNone     ToolMode = "none"     // no call
	ToolRequired ToolMode = "required" // at least one call, of any tool
	ToolNamed    ToolMode = "named"    // a call of the tool Name
)

// ToolChoice is the caller's word on calls.
type ToolChoice struct {
	Mode   ToolMode
	Name   string // of the tool, for ToolNamed
	Single bool   // at most one call in an answer
}

// ToolDelta is a piece of a call in a stream. ID and Name stand in a call's first piece only; the arguments of all pieces of
// one index, put together, are the call's JSON object.
type ToolDelta struct {
	Index     int // of the call in its choice, from 0
	ID        string
	Name      string
	Arguments string
}

// FormatKind says what language a Format's source is in.
type FormatKind string

// The kinds of format; the empty one is plain text.
const (
	FormatJSON   FormatKind = "json"        // any JSON object; no source
	FormatSchema FormatKind = "json_schema" // a JSON schema
	FormatRegex  FormatKind = "regex"       // a regular expression that the whole answer matches
	FormatGBNF   FormatKind = "gbnf"        // llama.cpp's grammar language, start rule "root"
	FormatLark   FormatKind = "lark"        // llguidance's variant of Lark, start rule "start"
)

// Format is what an answer's text must look like. It is enforced token by token, and never approximated: a source that
// cannot be enforced is refused.
type Format struct {
	Kind   FormatKind
	Source string
}

// Thinking says whether a model that can do so may reason before it answers.
type Thinking struct {
	Enabled *bool  // nil: as the model's template does by itself
	Effort  string // "", "low", "medium" or "high", for templates that know it
	Budget  int    // most tokens of reasoning; 0: no bound of its own
}
