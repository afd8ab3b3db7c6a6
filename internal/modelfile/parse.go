package modelfile

import (
	"strings"

	"ashatai/internal/core"
)

// reader collects instructions.
type reader struct {
	file File
	seen map[string]int // instructions and parameters that may stand once, with their lines

	licences []string
}

// Parse reads a Modelfile. An error is CodeInvalidRequest and names the line.
func Parse(text string) (*File, error) {
	s, err := newScanner(text)
	if err != nil {
		return nil, err
	}
	r := reader{seen: map[string]int{}}
	for {
		in, ok, err := s.instruction()
		if err != nil {
			return nil, err
		}
		if !ok {
			break
		}
		if err := r.take(in); err != nil {
			return nil, err
		}
	}
	if r.file.FromLine == 0 {
		return nil, core.Invalid("modelfile", "The Modelfile has no FROM, which names a model or a GGUF file.")
	}
	r.file.License = strings.Join(r.licences, "\n\n")
	return &r.file, nil
}

func (r *reader) once(in instruction, what string) error {
	if at := r.seen[what]; at > 0 {
		return wrong(in.line, "%s stands on line %d already, and can be given once.", what, at)
	}
	r.seen[what] = in.line
	return nil
}

func (r *reader) take(in instruction) error {
	if in.value == "" {
		switch in.word {
		case "FROM", "LICENSE", "ADAPTER":
			return wrong(in.line, "%s has no value.", in.word)
		}
	}
	f := &r.file
	switch in.word {
	case "FROM":
		if strings.Contains(in.value, "\n") {
			return wrong(in.line, "FROM names one model or file, on one line.")
		}
		f.From, f.FromLine = in.value, in.line
		return r.once(in, in.word)
	case "SYSTEM":
		f.System = in.value
		return r.once(in, in.word)
	case "TEMPLATE":
		f.Template = in.value
		return r.once(in, in.word)
	case "LICENSE":
		if len(r.licences) == MaxMessages {
			return wrong(in.line, "there are more than %d licences.", MaxMessages)
		}
		r.licences = append(r.licences, in.value)
	case "PARAMETER":
		return r.parameter(in, in.first, in.value)
	case "MESSAGE":
		return r.message(in, in.first, in.value)
	case "ADAPTER":
		return wrong(in.line, "ADAPTER is not supported: adapters are not available on this server yet. Remove the line, or merge the adapter into the model's file.")
	case "RENDERER", "PARSER":
		return wrong(in.line, "%s is not supported: a model's Jinja template renders its prompts, and tells how answers are read. Remove the line.", in.word)
	case "REQUIRES":
		return wrong(in.line, "REQUIRES is not supported: requirements on Ollama's version mean nothing here. Remove the line.")
	default:
		return wrong(in.line, "there is no instruction %.40q; those are FROM, SYSTEM, TEMPLATE, PARAMETER, LICENSE and MESSAGE.", in.word)
	}
	return nil
}

func (r *reader) message(in instruction, role, text string) error {
	switch core.Role(role) { //nolint:exhaustive // the three roles that a message of a model can have
	case core.RoleSystem, core.RoleUser, core.RoleAssistant:
	default:
		return wrong(in.line, "MESSAGE is written with a role, system, user or assistant, and a text; %.40q is no such role.", role)
	}
	if text == "" {
		return wrong(in.line, "MESSAGE %s has no text.", role)
	}
	if len(r.file.Messages) == MaxMessages {
		return wrong(in.line, "there are more than %d messages.", MaxMessages)
	}
	r.file.Messages = append(r.file.Messages, core.Turn{Role: core.Role(role), Content: text})
	return nil
}
