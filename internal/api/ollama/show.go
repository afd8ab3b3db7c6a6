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
	return api.WriteJSON(w, http.StatusOK, showAnswer{
		License: m.License, Modelfile: modelfile(m), Parameters: parameters(m, ""), Template: m.Template, System: m.System,
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

// modelfile writes a model as the file that would make it.
func modelfile(m *core.Manifest) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# To make a model like this one, change the next lines.\nFROM %s\n", m.Name)
	block := func(word, text string) {
		if text != "" {
			fmt.Fprintf(&b, "%s \"\"\"%s\"\"\"\n", word, text)
		}
	}
	block("TEMPLATE", m.Template)
	block("SYSTEM", m.System)
	if p := parameters(m, "PARAMETER "); p != "" {
		b.WriteString(p + "\n")
	}
	block("LICENSE", m.License)
	return b.String()
}

// parameters lists a model's defaults, one a line.
func parameters(m *core.Manifest, before string) string {
	const width = 30
	var lines []string
	add := func(name, value string) {
		if before == "" {
			name = fmt.Sprintf("%-*s", width, name)
		}
		lines = append(lines, before+name+" "+value)
	}
	for _, s := range m.Stop {
		add("stop", strconv.Quote(s))
	}
	if m.Window > 0 {
		add("num_ctx", strconv.Itoa(m.Window))
	}
	d := m.Defaults
	for _, p := range []struct {
		name string
		v    *float64
	}{
		{"temperature", d.Temperature},
		{"top_p", d.TopP},
		{"min_p", d.MinP},
		{"typical_p", d.TypicalP},
		{"repeat_penalty", d.RepeatPenalty},
		{"presence_penalty", d.PresencePenalty},
		{"frequency_penalty", d.FrequencyPenalty},
	} {
		if p.v != nil {
			add(p.name, strconv.FormatFloat(*p.v, 'g', -1, 64))
		}
	}
	for _, p := range []struct {
		name string
		v    *int
	}{{"top_k", d.TopK}, {"repeat_last_n", d.RepeatLastN}} {
		if p.v != nil {
			add(p.name, strconv.Itoa(*p.v))
		}
	}
	if d.Seed != nil {
		add("seed", strconv.FormatInt(*d.Seed, 10))
	}
	return strings.Join(lines, "\n")
}
