package responses

import (
	"encoding/json"
	"fmt"
	"slices"

	"ashatai/internal/api"
	"ashatai/internal/api/openai/param"
	"ashatai/internal/core"
)

// The types of tools that the server knows.
const (
	toolFunction  = "function"
	toolNamespace = "namespace"  // functions under one name
	toolSearch    = "web_search" // which OpenAI's servers would do
)

// toolField is a tool as a request has it.
type toolField struct {
	param.Function
	toolOthers
	Type  string      `json:"type"`
	Tools []toolField `json:"tools,omitempty"` // of a namespace
}

// toolOthers are the fields that only Fields decides.
type toolOthers struct {
	AllowedCallers json.RawMessage `json:"allowed_callers,omitempty"`
	DeferLoading   json.RawMessage `json:"defer_loading,omitempty"`
	OutputSchema   json.RawMessage `json:"output_schema,omitempty"`
	searchFields
}

// searchFields are those of a search of the web, which is not offered to the model.
type searchFields struct {
	External     json.RawMessage `json:"external_web_access,omitempty"`
	Indexed      json.RawMessage `json:"index_gated_web_access,omitempty"`
	Filters      json.RawMessage `json:"filters,omitempty"`
	Location     json.RawMessage `json:"user_location,omitempty"`
	ContextSize  json.RawMessage `json:"search_context_size,omitempty"`
	ContentTypes json.RawMessage `json:"search_content_types,omitempty"`
}

func toolFields() api.Fields {
	const search = "The model is not offered a search of the web."
	return api.Fields{
		api.Honours("tools", "Functions, up to 128. A web_search beside them is left out: the model is not offered it, and tools of the response do not list it. Alone it is refused."),
		api.Honours("tools.type", "function, namespace or web_search."),
		api.Honours("tools.name", "The model sees a function of a namespace as NAMESPACE__NAME; its calls name both."),
		api.Honours("tools.description", ""),
		api.Honours("tools.parameters", "A JSON schema, which is an object."),
		api.Honours("tools.strict", "Holds the arguments to the schema; absent: false."),
		api.Honours("tools.tools", "The functions of a namespace."),
		api.Refuses("tools.allowed_callers", "Only the model itself calls tools here", `[]`, `["direct"]`),
		api.Refuses("tools.defer_loading", "The model sees every tool from the start", `false`),
		api.Ignores("tools.output_schema", "What a tool answers is taken as it comes."),
		api.Ignores("tools.external_web_access", search),
		api.Ignores("tools.index_gated_web_access", search),
		api.Ignores("tools.filters", search),
		api.Ignores("tools.user_location", search),
		api.Ignores("tools.search_context_size", search),
		api.Ignores("tools.search_content_types", search),
	}
}

func (f *promptFields) applyTools(table api.Table, req *core.Request) error {
	tools, err := readTools(table, "tools", "", f.Tools)
	if err != nil {
		return err
	}
	if i := slices.IndexFunc(f.Tools, func(t toolField) bool { return t.Type == toolSearch }); i >= 0 && len(tools) == 0 {
		return core.Invalid(fmt.Sprintf("tools.%d.type", i), "tools.%d.type is %s, and this server does not search the web. Beside functions a search is left out; here there are none.", i, toolSearch)
	}
	if err := param.CheckTools("tools", tools); err != nil {
		return err
	}
	choice, tools, err := param.Choice("tool_choice", f.ToolChoice, tools)
	if err != nil {
		return err
	}
	choice.Single = f.ParallelToolCalls != nil && !*f.ParallelToolCalls
	if len(tools) == 0 {
		choice = core.ToolChoice{}
	}
	req.Tools, req.ToolChoice = tools, choice
	return nil
}

// readTools reads the tools at the place where, those of a namespace or of the request itself.
func readTools(table api.Table, where, space string, list []toolField) ([]core.Tool, error) {
	tools := make([]core.Tool, 0, len(list))
	for i, t := range list {
		at := fmt.Sprintf("%s.%d", where, i)
		if err := table.Screen("tools.", at+".", t.toolOthers); err != nil {
			return nil, err
		}
		switch {
		case t.Type == toolFunction && t.Tools == nil:
			if t.Name != "" { // else it is missing, also in a namespace
				t.Name = spaced(space, t.Name)
			}
			one, err := t.Tool(at)
			if err != nil {
				return nil, err
			}
			tools = append(tools, one)
		case t.Type == toolNamespace && space == "":
			if t.Name == "" {
				return nil, core.Invalid(at+".name", "%s.name is missing; a namespace has one.", at)
			}
			under, err := readTools(table, at+".tools", t.Name, t.Tools)
			if err != nil {
				return nil, err
			}
			tools = append(tools, under...)
		case t.Type == toolSearch && space == "":
		default:
			return nil, core.Invalid(at+".type", "%s.type is %s; this server knows tools of the type function, and namespaces of them.", at, api.Show(t.Type))
		}
	}
	return tools, nil
}

// spaced is the name by which a model knows a function of a namespace.
func spaced(space, name string) string {
	if space == "" {
		return name
	}
	return space + "__" + name
}

// spacesOf tells the namespace of a function by the name that the model knows.
func spacesOf(list []toolField) map[string]string {
	out := map[string]string{}
	for _, t := range list {
		for _, one := range t.Tools {
			out[spaced(t.Name, one.Name)] = t.Name
		}
	}
	return out
}

// shownTool is a function as a response lists it, or a namespace.
type shownTool struct {
	Type        string          `json:"type" enum:"function,namespace"`
	Name        string          `json:"name"`
	Description *string         `json:"description"`
	Parameters  json.RawMessage `json:"parameters,omitempty" doc:"of a function"`
	Strict      *bool           `json:"strict,omitempty" doc:"of a function"`
	Tools       []shownTool     `json:"tools,omitempty" doc:"of a namespace"`
}

// echoTools are the tools that the model is offered.
func echoTools(list []toolField) []shownTool {
	out := []shownTool{}
	for _, t := range list {
		one := shownTool{Type: t.Type, Name: t.Name, Description: t.Description}
		switch t.Type {
		case toolFunction:
			strict := is(t.Strict)
			one.Strict, one.Parameters = &strict, t.Parameters
			if one.Parameters == nil {
				one.Parameters = json.RawMessage("null")
			}
		case toolNamespace:
			one.Tools = echoTools(t.Tools)
		default:
			continue
		}
		out = append(out, one)
	}
	return out
}
