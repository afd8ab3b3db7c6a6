package param

import (
	"bytes"
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	"ashatai/internal/api"
	"ashatai/internal/core"
)

// Format is the answer's format, as chat completions nest a schema and responses spell it out.
type Format struct {
	Type   string      `json:"type"`
	Nested *schemaForm `json:"json_schema,omitempty"`
	schemaForm
}

type schemaForm struct {
	Name        *string         `json:"name,omitempty"`
	Description *string         `json:"description,omitempty"`
	Schema      json.RawMessage `json:"schema,omitempty"`
	Strict      *bool           `json:"strict,omitempty"`
}

// ReadFormat reads response_format or text.format, an object of the type text, json_object or json_schema. A schema is
// enforced whether strict is set or not: what is only promised would be of no use. nested says which spelling counts.
func ReadFormat(name string, raw json.RawMessage, nested bool) (core.Format, error) {
	if !api.Present(raw) {
		return core.Format{}, nil
	}
	var f Format
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if raw[0] != '{' || dec.Decode(&f) != nil {
		return core.Format{}, core.Invalid(name, "%s must be an object with a type of text, json_object or json_schema, and for the last one its schema.", name)
	}
	switch f.Type {
	case "text":
		return core.Format{}, nil
	case "json_object":
		if api.Present(f.Schema) { // llama.cpp's way to give one
			return schemaFormat(name+".schema", f.Schema)
		}
		return core.Format{Kind: core.FormatJSON}, nil
	case "json_schema":
	default:
		return core.Format{}, core.Invalid(name+".type", "%s.type is %s; it must be text, json_object or json_schema.", name, api.Show(f.Type))
	}
	where, form := name, f.schemaForm
	if nested {
		where += ".json_schema"
		if f.Nested == nil {
			return core.Format{}, core.Invalid(where, "%s is missing.", where)
		}
		form = *f.Nested
	}
	return schemaFormat(where+".schema", form.Schema)
}

func schemaFormat(where string, schema json.RawMessage) (core.Format, error) {
	if !api.Present(schema) {
		return core.Format{}, core.Invalid(where, "%s is missing.", where)
	}
	if c := schema[0]; c != '{' && c != 't' && c != 'f' {
		return core.Format{}, core.Invalid(where, "%s must be a JSON schema, which is an object.", where)
	}
	return source(where, core.FormatSchema, string(schema))
}

func source(where string, kind core.FormatKind, text string) (core.Format, error) {
	if len(text) > core.MaxSchemaBytes {
		return core.Format{}, core.Invalid(where, "%s has %d bytes; at most %d are allowed.", where, len(text), core.MaxSchemaBytes)
	}
	return core.Format{Kind: kind, Source: text}, nil
}

// Guided are the extensions of other servers that bind an answer to a format: llama.cpp's grammar and json_schema, and
// vLLM's older and newer names.
type Guided struct {
	Grammar       json.RawMessage `json:"grammar,omitempty"`
	JSONSchema    json.RawMessage `json:"json_schema,omitempty"`
	GuidedJSON    json.RawMessage `json:"guided_json,omitempty"`
	GuidedRegex   json.RawMessage `json:"guided_regex,omitempty"`
	GuidedChoice  json.RawMessage `json:"guided_choice,omitempty"`
	GuidedGrammar json.RawMessage `json:"guided_grammar,omitempty"`
	Structured    *Structured     `json:"structured_outputs,omitempty"`
}

// Structured holds one kind of format.
type Structured struct {
	JSON    json.RawMessage `json:"json,omitempty"`
	Regex   json.RawMessage `json:"regex,omitempty"`
	Choice  json.RawMessage `json:"choice,omitempty"`
	Grammar json.RawMessage `json:"grammar,omitempty"`
	Object  *bool           `json:"json_object,omitempty"`
}

// FormatFields are those of Guided.
func FormatFields() api.Fields {
	return api.Fields{
		api.Honours("grammar", "Extension: GBNF, start rule root; or Lark, start rule start, which has no ::= or follows a line %llguidance."),
		api.Honours("json_schema", "Extension: as guided_json."),
		api.Honours("guided_json", "Extension: a JSON schema."),
		api.Honours("guided_regex", "Extension: a regular expression for the whole answer."),
		api.Honours("guided_choice", "Extension: a list of possible answers."),
		api.Honours("guided_grammar", "Extension: as grammar."),
		api.Honours("structured_outputs", "Extension: one of those below."),
		api.Honours("structured_outputs.json", "As guided_json."),
		api.Honours("structured_outputs.json_object", "Any JSON object."),
		api.Honours("structured_outputs.regex", "As guided_regex."),
		api.Honours("structured_outputs.choice", "As guided_choice."),
		api.Honours("structured_outputs.grammar", "As grammar."),
	}
}

// guide is one of the extensions.
type guide struct {
	name string
	raw  json.RawMessage
	read func(name string, raw json.RawMessage) (core.Format, error)
}

// given are those that the request has.
func (g Guided) given() []guide {
	var s Structured
	if g.Structured != nil {
		s = *g.Structured
	}
	all := []guide{
		{"grammar", g.Grammar, grammar},
		{"json_schema", g.JSONSchema, guidedJSON},
		{"guided_json", g.GuidedJSON, guidedJSON},
		{"guided_regex", g.GuidedRegex, regex},
		{"guided_choice", g.GuidedChoice, guidedChoice},
		{"guided_grammar", g.GuidedGrammar, grammar},
		{"structured_outputs.json", s.JSON, guidedJSON},
		{"structured_outputs.regex", s.Regex, regex},
		{"structured_outputs.choice", s.Choice, guidedChoice},
		{"structured_outputs.grammar", s.Grammar, grammar},
		{"structured_outputs.json_object", s.object(), func(string, json.RawMessage) (core.Format, error) { return core.Format{Kind: core.FormatJSON}, nil }},
	}
	return slices.DeleteFunc(all, func(one guide) bool { return !api.Present(one.raw) || string(one.raw) == `""` })
}

// Format reads the one of them that is given, beside the format that the request's own field asked for, and says which field it
// is that asks.
func (g Guided) Format(own core.Format, field string) (core.Format, string, error) {
	for _, one := range g.given() {
		if own.Kind != "" {
			return core.Format{}, "", core.Invalid(one.name, "%s and %s both say what the answer looks like; send one of them.", one.name, field)
		}
		var err error
		if own, err = one.read(one.name, one.raw); err != nil {
			return core.Format{}, "", err
		}
		field = one.name
	}
	return own, field, nil
}

// object is there where any JSON object is asked for.
func (s Structured) object() json.RawMessage {
	if s.Object == nil || !*s.Object {
		return nil
	}
	return json.RawMessage("true")
}

func regex(name string, raw json.RawMessage) (core.Format, error) {
	s, err := written(name, raw)
	if err != nil {
		return core.Format{}, err
	}
	return source(name, core.FormatRegex, s)
}

// larkStart is the start rule of a grammar in Lark.
var larkStart = regexp.MustCompile(`(?m)^[ \t]*\??start(\.\d+)?(\[[^\]]*\])?[ \t]*:`)

// grammar takes GBNF, or Lark: what begins with a line %llguidance, as llama.cpp marks it, or has a rule start and none that
// is written with ::=, as vLLM's clients send it.
func grammar(name string, raw json.RawMessage) (core.Format, error) {
	s, err := written(name, raw)
	if err != nil {
		return core.Format{}, err
	}
	if head, rest, _ := strings.Cut(strings.TrimLeft(s, " \t\r\n"), "\n"); strings.HasPrefix(head, "%llguidance") {
		return source(name, core.FormatLark, rest)
	}
	if larkStart.MatchString(s) && !strings.Contains(s, "::=") {
		return source(name, core.FormatLark, s)
	}
	return source(name, core.FormatGBNF, s)
}

func written(name string, raw json.RawMessage) (string, error) {
	s, ok := Text(raw)
	if !ok {
		return "", core.Invalid(name, "%s must be a string.", name)
	}
	return s, nil
}

// guidedJSON takes a schema as an object, or as a string that holds one.
func guidedJSON(name string, raw json.RawMessage) (core.Format, error) {
	if s, ok := Text(raw); ok {
		if !json.Valid([]byte(s)) {
			return core.Format{}, core.Invalid(name, "%s is a string that holds no JSON.", name)
		}
		raw = bytes.TrimSpace([]byte(s))
	}
	return schemaFormat(name, raw)
}

// guidedChoice binds an answer to one of several texts, as a grammar whose alternatives they are: a JSON string is a
// literal of that grammar as well.
func guidedChoice(name string, raw json.RawMessage) (core.Format, error) {
	list, ok := Strings(raw)
	if !ok || len(list) == 0 {
		return core.Format{}, core.Invalid(name, "%s must be a list of at least one string.", name)
	}
	var b bytes.Buffer
	b.WriteString("start: ")
	for i, s := range list {
		if s == "" {
			return core.Format{}, core.Invalid(name, "%s holds an empty string; an answer has at least one character.", name)
		}
		if i > 0 {
			b.WriteString(" | ")
		}
		quoted, err := json.Marshal(s)
		if err != nil {
			return core.Format{}, err
		}
		b.Write(quoted)
	}
	return source(name, core.FormatLark, b.String())
}
