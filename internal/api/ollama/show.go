package ollama

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"

	"ashatai/internal/api"
	"ashatai/internal/core"
	"ashatai/internal/modelfile"
)

type showRequest struct {
	Model   string          `json:"model,omitempty"`
	Name    string          `json:"name,omitempty"`
	Verbose json.RawMessage `json:"verbose,omitempty"`

	System   json.RawMessage `json:"system,omitempty"`
	Template json.RawMessage `json:"template,omitempty"`
	Options  json.RawMessage `json:"options,omitempty"`
}

type showAnswer struct {
	License      string         `json:"license,omitempty"`
	Modelfile    string         `json:"modelfile"`
	Parameters   string         `json:"parameters,omitempty"`
	Template     string         `json:"template"`
	System       string         `json:"system,omitempty"`
	Messages     []turn         `json:"messages,omitempty"`
	Details      details        `json:"details"`
	ModelInfo    map[string]any `json:"model_info" doc:"what the model's file says of itself; lists are null"`
	Capabilities []string       `json:"capabilities"`
	ModifiedAt   time.Time      `json:"modified_at"`
}

// show answers POST /api/show.
func (h *handler) show(w http.ResponseWriter, r *http.Request) error {
	var body showRequest
	if err := api.DecodeJSON(r, maxManage, &body); err != nil {
		return err
	}
	if err := h.fields.show.Screen("", "", body); err != nil {
		return err
	}
	name, err := needModel(body.Model, body.Name)
	if err != nil {
		return err
	}
	m, err := h.Models.Resolve(r.Context(), name)
	if err != nil {
		return err
	}
	meta, err := h.Models.Metadata(r.Context(), m.Name)
	if err != nil {
		return err
	}
	const comment = "# To make a model like this one, change the next lines.\n"
	file := modelfile.Of(m)
	return api.WriteJSON(w, http.StatusOK, showAnswer{
		License: m.License, Modelfile: comment + file.Text(), Parameters: parameters(file), Messages: turnsOf(m), Template: m.Template, System: m.System,
		Details: detailsOf(m), ModelInfo: infoOf(m, meta), Capabilities: capabilitiesOf(m), ModifiedAt: m.Created,
	})
}

// infoOf adds what the server found out to what the file says, and leaves out what has a field of its own.
func infoOf(m *core.Manifest, meta map[string]any) map[string]any {
	info := maps.Clone(meta)
	if info == nil {
		info = map[string]any{}
	}
	delete(info, "tokenizer.chat_template")
	info["general.architecture"] = m.Architecture
	info["general.parameter_count"] = m.Parameters
	if key := m.Architecture + ".context_length"; m.Context > 0 && info[key] == nil {
		info[key] = m.Context
	}
	return info
}

// parameters lists a model's defaults, one a line.
func parameters(f *modelfile.File) string {
	const width = 30
	var lines []string
	for _, p := range f.Parameters() {
		if p.Name == "stop" {
			p.Value = strconv.Quote(p.Value)
		}
		lines = append(lines, fmt.Sprintf("%-*s %s", width, p.Name, p.Value))
	}
	return strings.Join(lines, "\n")
}

// turnsOf are the messages that a model brings with it.
func turnsOf(m *core.Manifest) []turn {
	var out []turn
	for _, t := range m.Messages {
		out = append(out, turn{Role: t.Role, Content: t.Content})
	}
	return out
}
