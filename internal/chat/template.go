package chat

import (
	"errors"
	"strings"
	"time"

	"ashatai/internal/chat/jinja"
	"ashatai/internal/chat/jinja/value"
	"ashatai/internal/core"
)

// Fallback is the template of a chat model that brings none: ChatML, without a system prompt of its own.
const Fallback = `{%- for message in messages -%}
{{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\n' -}}{%- endif -%}`

// Template is a parsed chat template. It never changes and may be used from many goroutines at once.
type Template struct{ t *jinja.Template }

// Parse reads a chat template in the Jinja dialect of Hugging Face. A template that cannot be read is a *core.Error with
// CodeBadModel that names the line.
func Parse(source string) (*Template, error) {
	t, err := jinja.Parse(source, jinja.Limits{})
	if err != nil {
		e := asTemplateError(err)
		return nil, core.Wrap(core.CodeBadModel, err,
			"The model's chat template cannot be used: line %d: %s. Install another build of the model, or give it a template of its own.", e.Line, sentence(e.Message))
	}
	return &Template{t}, nil
}

// Input is what a template renders.
type Input struct {
	Messages            []core.Message
	AddGenerationPrompt bool           // end with the opening of the assistant's turn
	BOS, EOS            string         // the model's start and end tokens as text
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
	vars, err := variables(in)
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
