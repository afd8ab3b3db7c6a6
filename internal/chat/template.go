package chat

import (
	"errors"
	"strings"
	"time"

	"ashatai/internal/chat/jinja"
	"ashatai/internal/chat/jinja/value"
	"ashatai/internal/chat/reply"
	"ashatai/internal/core"
)

// Fallback is the template of a chat model that brings none: ChatML, without a system prompt of its own.
const Fallback = `{%- for message in messages -%}
{{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\n' -}}{%- endif -%}`

// Template is a parsed chat template. It never changes and may be used from many goroutines at once.
type Template struct {
	t    *jinja.Template
	form reply.Form

	tools     bool // it shows tools by itself, and calls are in form
	calls     bool // it writes calls by itself
	argsText  bool // it wants the arguments of a call as text, not as an object
	noContent bool // it wants a turn of calls alone to have no content
	noSystem  bool // it refuses system messages, or leaves them out
	parts     bool // it shows content only as a list of parts
	effort    bool // it takes an effort of reasoning
	shortIDs  bool // it wants ids of nine letters and digits
	channels  bool // reasoning goes by the name "thinking"
}

// Form is how the model writes its answers to this template's prompts.
func (t *Template) Form() reply.Form { return t.form }

// ShowsTools reports whether the template itself tells the model of tools. Render does it in the system message where it
// does not; package reply documents how.
func (t *Template) ShowsTools() bool { return t.tools }

// TakesEffort reports whether the template passes an effort of reasoning on to the model.
func (t *Template) TakesEffort() bool { return t.effort }

// Parse reads a chat template in the Jinja dialect of Hugging Face. A template that cannot be read is a *core.Error with
// CodeBadModel that names the line.
func Parse(source string) (*Template, error) {
	t, err := jinja.Parse(source, jinja.Limits{})
	if err != nil {
		e := asTemplateError(err)
		return nil, core.Wrap(core.CodeBadModel, err,
			"The model's chat template cannot be used: line %d: %s. Install another build of the model, or give it a template of its own.", e.Line, sentence(e.Message))
	}
	out := &Template{t: t, effort: strings.Contains(source, "reasoning_effort")}
	out.probe(source)
	return out, nil
}

// Input is what a template renders.
type Input struct {
	Messages            []core.Message
	AddGenerationPrompt bool           // end with the opening of the assistant's turn
	BOS, EOS            string         // the model's start and end tokens as text
	Tools               []core.Tool    // what the model may call; their schemas are JSON objects
	Thinking            core.Thinking  // becomes enable_thinking, thinking and reasoning_effort where Args has no such name
	Args                map[string]any // extra variables: strings, numbers and booleans
	Now                 time.Time      // what the template takes for the present, in its own zone
	Cancelled           func() bool    // asked now and then; true stops the rendering. May be nil.
}

// Segment is a piece of a prompt. Only trusted text, which the template itself wrote, may hold control tokens.
type Segment struct {
	Text    string
	Trusted bool
}

// Render makes the prompt. Neighbouring segments differ in trust and none is empty. The errors are *core.Error:
// CodeInvalidRequest where the template refuses the conversation, with the template's own words, or where it is too big
// for the template's budget; CodeCancelled; CodeBadModel where the template fails by itself.
func (t *Template) Render(in Input) ([]Segment, error) {
	vars, err := t.variables(in)
	if err != nil {
		return nil, err
	}
	out, err := t.t.Render(vars, jinja.Env{Now: in.Now, Stop: in.Cancelled})
	if err != nil {
		return nil, renderError(err, len(in.Args) > 0)
	}
	var segs []Segment
	for text, trusted := range out.Runs() {
		segs = append(segs, Segment{text, trusted})
	}
	return segs, nil
}

// Text is the prompt as one string.
func Text(segs []Segment) string {
	var b strings.Builder
	for _, s := range segs {
		b.WriteString(s.Text)
	}
	return b.String()
}

func asTemplateError(err error) *value.Error {
	if e, ok := errors.AsType[*value.Error](err); ok {
		return e
	}
	return &value.Error{Kind: value.Runtime, Message: err.Error()}
}

func renderError(err error, withArgs bool) *core.Error {
	e := asTemplateError(err)
	switch e.Kind {
	case value.Raised:
		return &core.Error{
			Code: core.CodeInvalidRequest, Param: "messages", Cause: err,
			Message: "The model's chat template refuses this conversation: " + sentence(e.Message) + ".",
		}
	case value.Stopped:
		return core.Wrap(core.CodeCancelled, err, "The request was cancelled while its prompt was made.")
	case value.Limit:
		out := core.Wrap(core.CodeInvalidRequest, err,
			"The model's chat template went over its budget at line %d: %s. Send a shorter conversation, or give the model another template.", e.Line, sentence(e.Message))
		out.Param = "messages"
		return out
	case value.Syntax, value.Runtime:
	}
	if withArgs {
		out := core.Wrap(core.CodeInvalidRequest, err,
			"The model's chat template failed at line %d: %s. Check the template arguments of the request; without them it may work.", e.Line, sentence(e.Message))
		out.Param = argsParam
		return out
	}
	return core.Wrap(core.CodeBadModel, err,
		"The model's chat template failed at line %d: %s. Give the model another template, or change the order of the roles.", e.Line, sentence(e.Message))
}

// sentence is a template's message cut to a length that fits into an answer, without its full stop.
func sentence(s string) string {
	const most = 500
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return strings.TrimRight(s, ". \n")
}
