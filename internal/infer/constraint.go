package infer

import (
	"context"
	"slices"
	"strconv"

	"ashatai/internal/chat/reply"
	"ashatai/internal/core"
	"ashatai/internal/engine"
)

// anyObject is the schema of the format json.
const anyObject = `{"type": "object"}`

// active are the tools that an answer may call; none where there are none or the caller wants no call.
func active(req *core.Request) []core.Tool {
	if req.ToolChoice.Mode == core.ToolNone {
		return nil
	}
	return req.Tools
}

// demanded are the tools that the answer is held to, and whether a call must come.
func demanded(req *core.Request) (tools []core.Tool, must bool) {
	switch req.ToolChoice.Mode {
	case core.ToolRequired:
		return req.Tools, true
	case core.ToolNamed:
		at := slices.IndexFunc(req.Tools, func(t core.Tool) bool { return t.Name == req.ToolChoice.Name })
		return req.Tools[at : at+1], true
	case core.ToolNone:
		return nil, false
	case core.ToolAuto, "":
	}
	return req.Tools, false
}

// single reports whether an answer holds one call at most.
func single(req *core.Request) bool {
	return req.ToolChoice.Single || req.ToolChoice.Mode == core.ToolNamed
}

// laws are the schemas that a finished answer is held to.
type laws struct {
	answer *schema            // of the text; nil: no law
	calls  map[string]*schema // of the arguments of some tools
}

// newLaws checks every schema of a request and compiles those that are enforced.
func newLaws(req *core.Request) (laws, error) {
	out := laws{calls: map[string]*schema{}}
	must := req.ToolChoice.Mode == core.ToolRequired || req.ToolChoice.Mode == core.ToolNamed
	for i, t := range req.Tools {
		if len(t.Parameters) == 0 {
			continue
		}
		param := "tools." + strconv.Itoa(i) + ".parameters"
		doc, err := boundedSchema(string(t.Parameters), param)
		if err != nil {
			return out, err
		}
		if kind, has := doc["type"]; has && kind != "object" {
			return out, core.Invalid(param, "The arguments of a tool are an object, and this schema has another type.")
		}
		if must || t.Strict {
			if out.calls[t.Name], err = newSchema(string(t.Parameters), param); err != nil {
				return out, err
			}
		}
	}
	var err error
	switch req.Format.Kind { //nolint:exhaustive // the others have no schema
	case core.FormatJSON:
		out.answer, err = newSchema(anyObject, "format")
	case core.FormatSchema:
		out.answer, err = newSchema(req.Format.Source, "format")
	}
	return out, err
}

// answerSchema is the schema of the answer's text, empty where its format is none.
func answerSchema(f core.Format) string {
	switch f.Kind { //nolint:exhaustive // the others have no schema
	case core.FormatJSON:
		return anyObject
	case core.FormatSchema:
		return f.Source
	}
	return ""
}

// quiet reports whether a model cannot reason before this answer: its law is one that has no place for it.
func quiet(req *core.Request) bool {
	return req.Format.Kind != "" && answerSchema(req.Format) == ""
}

// constrain says what the engine must hold the answer of a conversation to.
func (s *Service) constrain(ctx context.Context, t Target, req *core.Request, form reply.Form, opened bool) (engine.Constraint, error) {
	plain := engine.Constraint{Kind: req.Format.Kind, Source: req.Format.Source}
	tools, must := demanded(req)
	strict := slices.ContainsFunc(tools, func(t core.Tool) bool { return t.Strict })
	asked := req.Thinking.Enabled == nil || *req.Thinking.Enabled
	d := reply.Demand{Tools: tools, Exact: must, Single: single(req), Answer: answerSchema(req.Format), Thinks: asked, Opened: opened}
	switch {
	case quiet(req):
		if opened || form.Channels() {
			return plain, core.Errorf(core.CodeUnsupported, "This model always reasons before it answers, and a format of the kind regex, gbnf or lark leaves no place for that. Use a JSON schema, or another model.")
		}
		if len(tools) > 0 {
			return plain, core.Invalid("format", "A format of the kind regex, gbnf or lark cannot be enforced together with tools. Use a JSON schema, or set tool_choice to none.")
		}
		return plain, nil
	case must:
	case len(tools) > 0 && (strict || d.Answer != ""):
		d.Free = d.Answer == ""
	case d.Answer != "" && form.Thinks() && (asked || opened || form.Channels()):
		d.Tools = nil
	default:
		return plain, nil
	}
	ids, err := s.markers.find(ctx, s.fleet, t, form.Markers(len(d.Tools) > 0))
	if err != nil {
		return plain, err
	}
	d.Token = func(marker string) (int, bool) {
		id, ok := ids[marker]
		return id, ok
	}
	if d.Budget = req.Thinking.Budget; d.Budget > 0 && form.Thinks() && !form.Bounded(d.Token) {
		return plain, core.Errorf(core.CodeUnsupported, "A budget for reasoning cannot be kept together with a tool choice, strict tools or a format on this model. Leave one of them out.")
	}
	return engine.Constraint{Kind: core.FormatLark, Source: form.Grammar(d)}, nil
}
