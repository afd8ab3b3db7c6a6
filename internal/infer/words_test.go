package infer

import (
	"errors"
	"testing"

	"ashatai/internal/core"
	"ashatai/internal/engine"
)

// TestErrorsNameTheCallersFields: whether a request fails at once or in its stream, the field at fault is one that its caller sent.
func TestErrorsNameTheCallersFields(t *testing.T) {
	schema := core.Format{Kind: core.FormatSchema, Source: `{"type":"object"}`}
	for name, c := range map[string]struct {
		fields core.Fields
		format core.Format
		fault  string
		want   string
	}{
		"input":           {core.Fields{Prompt: "input"}, core.Format{}, "messages", "input"},
		"prompt":          {core.Fields{Prompt: "prompt"}, core.Format{}, "prompt", "prompt"},
		"no names":        {core.Fields{}, schema, "format", "format"},
		"a format":        {core.Fields{Format: "guided_json"}, schema, "format", "guided_json"},
		"tools":           {core.Fields{Format: "text.format"}, core.Format{}, "format", "tools"},
		"something else":  {core.Fields{Prompt: "input", Format: "text.format"}, schema, "seed", "seed"},
		"no field at all": {core.Fields{Prompt: "input", Format: "text.format"}, schema, "", ""},
	} {
		for _, late := range []bool{false, true} {
			fault := core.Invalid(c.fault, "It is wrong.")
			fleet := newFake()
			fleet.fails = fault
			if late {
				fleet.fails, fleet.breaks = nil, fault
			}
			req := user("hi")
			req.Fields, req.Format = c.fields, c.format
			stream, err := fleet.service().Generate(t.Context(), req)
			if err == nil {
				for _, err = range stream.Events {
					if err != nil {
						break
					}
				}
			}
			if e := core.AsError(err); e == nil || e.Param != c.want || e.Message != "It is wrong." {
				t.Errorf("%s, late %v: %v", name, late, err)
			}
			if fault.Param != c.fault {
				t.Errorf("%s: the error of the engine was changed to %q", name, fault.Param)
			}
		}
	}
	two := []core.Tool{{Name: "now"}, {Name: "weather"}}
	fields := core.Fields{Format: "text.format"}
	for name, c := range map[string]struct {
		req  core.Request
		rule string
		want core.Error
	}{
		"a tool": {
			core.Request{Tools: two, Fields: fields},
			"call_1",
			core.Error{Param: "tools.1.parameters", Message: "The JSON schema of the tool weather cannot be enforced."},
		},
		"a tool beside a format": {
			core.Request{Tools: two, Fields: fields, Format: schema},
			"call_0",
			core.Error{Param: "tools.0.parameters", Message: "The JSON schema of the tool now cannot be enforced."},
		},
		"the tool that is named": {
			core.Request{Tools: two, ToolChoice: core.ToolChoice{Mode: core.ToolNamed, Name: "weather"}},
			"call_0",
			core.Error{Param: "tools.1.parameters", Message: "The JSON schema of the tool weather cannot be enforced."},
		},
		"the answer": {
			core.Request{Tools: two, Fields: fields, Format: schema},
			"answer",
			core.Error{Param: "text.format", Message: "The JSON schema of the answer's format cannot be enforced."},
		},
		"the caller's own grammar": {
			core.Request{Fields: fields, Format: core.Format{Kind: core.FormatLark, Source: "call_1: %json {}"}},
			"call_1",
			core.Error{Param: "text.format", Message: "The JSON schema of the rule call_1 cannot be enforced."},
		},
	} {
		got := core.AsError(inWords(&c.req, core.Invalid(engine.RuleParam+c.rule, "The JSON schema of the rule %s cannot be enforced.", c.rule)))
		if got.Param != c.want.Param || got.Message != c.want.Message {
			t.Errorf("%s: %q, %q", name, got.Param, got.Message)
		}
	}
	refused := user("refuse")
	refused.Fields.Prompt = "input"
	if _, err := newFake().service().CountTokens(t.Context(), refused); core.AsError(err).Param != "input" {
		t.Errorf("counted: %v, of %q", err, core.AsError(err).Param)
	}
	if err := inWords(&core.Request{}, errors.ErrUnsupported); !errors.Is(err, errors.ErrUnsupported) {
		t.Error(err)
	}
}

// TestReasoningByItsCallersName: a model that cannot reason is asked to by a field of the caller's dialect.
func TestReasoningByItsCallersName(t *testing.T) {
	for field, want := range map[string]string{"reasoning_effort": "reasoning_effort", "think": "think", "": "thinking"} {
		req, on := user("hi"), true
		req.Thinking.Enabled, req.Fields.Thinking = &on, field
		_, err := newFake().service().Generate(t.Context(), req)
		if e := core.AsError(err); err == nil || e.Code != core.CodeUnsupported || e.Param != want {
			t.Errorf("%q: %v names %q", field, err, e.Param)
		}
	}
}
