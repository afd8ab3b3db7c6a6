package ollama

import (
	"encoding/json"
	"math"

	"ashatai/internal/api"
	"ashatai/internal/core"
)

// generateRequest is the body of POST /api/generate. Fields of type json.RawMessage are decided by Fields, or have several
// forms and are read in a second step.
type generateRequest struct {
	common

	Prompt  *string `json:"prompt,omitempty"`
	System  *string `json:"system,omitempty"`
	Context []int   `json:"context,omitempty"`
	Raw     *bool   `json:"raw,omitempty"`

	Suffix   json.RawMessage `json:"suffix,omitempty"`
	Template json.RawMessage `json:"template,omitempty"`
	Images   json.RawMessage `json:"images,omitempty"`
	Width    json.RawMessage `json:"width,omitempty"`
	Height   json.RawMessage `json:"height,omitempty"`
	Steps    json.RawMessage `json:"steps,omitempty"`
}

func (g *generateRequest) raw() bool { return g.Raw != nil && *g.Raw }

// empty reports whether there is nothing to answer: the request is about loading.
func (g *generateRequest) empty() bool { return g.Prompt == nil || *g.Prompt == "" }

func (g *generateRequest) system() string {
	if g.System == nil {
		return ""
	}
	return *g.System
}

// request checks the body and makes a core request without a prompt of it, and says which context the caller wants.
func (g *generateRequest) request(t api.Table) (_ *core.Request, context int, _ error) {
	if err := t.Screen("", "", *g); err != nil {
		return nil, 0, err
	}
	if g.raw() {
		switch {
		case g.system() != "":
			return nil, 0, core.Invalid("system", "system goes with a template, and raw asks for none. Write it into the prompt.")
		case len(g.Context) > 0:
			return nil, 0, core.Invalid("context", "context goes with a template, and raw asks for none. Write the conversation into the prompt.")
		}
	}
	if len(g.Context) > maxContext {
		return nil, 0, core.Invalid("context", "context has %d entries; at most %d are allowed.", len(g.Context), maxContext)
	}
	for i, id := range g.Context {
		if id < 0 || id > math.MaxInt32 {
			return nil, 0, core.Invalid("context", "Entry %d of context is %d, which is no token id.", i, id)
		}
	}
	return g.common.request(t)
}
