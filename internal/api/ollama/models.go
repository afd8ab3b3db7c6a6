package ollama

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"ashatai/internal/api"
	"ashatai/internal/core"
)

type tagList struct {
	Models []tag `json:"models"`
}

type tag struct {
	Name         string    `json:"name"`
	Model        string    `json:"model"`
	ModifiedAt   time.Time `json:"modified_at"`
	Size         int64     `json:"size" doc:"bytes"`
	Digest       string    `json:"digest" doc:"SHA-256 of the model's file"`
	Details      details   `json:"details"`
	Capabilities []string  `json:"capabilities"`
}

type details struct {
	ParentModel       string   `json:"parent_model"`
	Format            string   `json:"format"`
	Family            string   `json:"family"`
	Families          []string `json:"families"`
	ParameterSize     string   `json:"parameter_size"`
	QuantizationLevel string   `json:"quantization_level"`
	ContextLength     int      `json:"context_length,omitempty"`
}

// LabelParent is the label of a manifest that names the model that it was made from.
const LabelParent = "parent"

func detailsOf(m *core.Manifest) details {
	return details{
		ParentModel: m.Labels[LabelParent], Format: m.Format, Family: m.Architecture, Families: []string{m.Architecture},
		ParameterSize: human(m.Parameters), QuantizationLevel: m.Quantization, ContextLength: m.Context,
	}
}

// human writes a number of weights as people say it: 134.52M.
func human(n int64) string {
	for _, u := range []struct {
		size float64
		name string
	}{{1e12, "T"}, {1e9, "B"}, {1e6, "M"}, {1e3, "K"}} {
		if v := float64(n) / u.size; v >= 1 {
			return strconv.FormatFloat(v, 'f', digits(v), 64) + u.name
		}
	}
	return strconv.FormatInt(n, 10)
}

func digits(v float64) int {
	if v >= 100 {
		return 2
	}
	return 1
}

// capabilitiesOf says in Ollama's words what a model can do.
func capabilitiesOf(m *core.Manifest) []string {
	out := []string{}
	add := func(word string, caps ...core.Capability) {
		if slices.ContainsFunc(caps, m.Can) {
			out = append(out, word)
		}
	}
	add("completion", core.CapChat, core.CapGenerate)
	add("tools", core.CapTools)
	add("thinking", core.CapThinking)
	add("vision", core.CapVision)
	add("embedding", core.CapEmbed)
	return out
}

// tags answers GET /api/tags.
func (h *handler) tags(w http.ResponseWriter, r *http.Request) error {
	all, err := h.Models.List(r.Context())
	if err != nil {
		return err
	}
	list := tagList{Models: make([]tag, len(all))}
	for i, m := range all {
		list.Models[i] = tag{
			Name: m.Name, Model: m.Name, ModifiedAt: m.Created, Size: m.Size(), Digest: m.Digest,
			Details: detailsOf(m), Capabilities: capabilitiesOf(m),
		}
	}
	return api.WriteJSON(w, http.StatusOK, list)
}

type runningList struct {
	Models []running `json:"models"`
}

type running struct {
	Name          string    `json:"name"`
	Model         string    `json:"model"`
	Size          int64     `json:"size" doc:"bytes in memory"`
	Digest        string    `json:"digest"`
	Details       details   `json:"details"`
	ExpiresAt     time.Time `json:"expires_at" doc:"when it is unloaded if nobody uses it; a century ahead: not by itself, or it is in use"`
	SizeVRAM      int64     `json:"size_vram" doc:"bytes of them in a graphics card's memory"`
	ContextLength int       `json:"context_length"`
}

// ps answers GET /api/ps: like tags it has an entry for each name of a model, since clients look for the one that they asked
// for. A model that is loaded twice, to generate and to embed, is one entry.
func (h *handler) ps(w http.ResponseWriter, r *http.Request) error {
	all, err := h.Fleet.Running(r.Context())
	if err != nil {
		return err
	}
	list := runningList{Models: []running{}}
	for _, in := range all {
		m, err := h.Models.Resolve(r.Context(), in.Model)
		if err != nil {
			m = &core.Manifest{Name: in.Model} // removed while it runs
		}
		if in.ExpiresAt.IsZero() {
			in.ExpiresAt = h.Now().AddDate(100, 0, 0)
		}
		about := detailsOf(m)
		list.add(in.Model, in, m.Digest, about)
		about.ParentModel = m.Name
		for _, name := range in.Aliases {
			list.add(name, in, m.Digest, about)
		}
	}
	return api.WriteJSON(w, http.StatusOK, list)
}

// add lists a loaded model under one of its names, together with what is listed under it already.
func (l *runningList) add(name string, in Running, digest string, about details) {
	i := slices.IndexFunc(l.Models, func(o running) bool { return o.Name == name })
	if i < 0 {
		l.Models = append(l.Models, running{
			Name: name, Model: name, Size: in.Size, Digest: digest, Details: about, ExpiresAt: in.ExpiresAt,
			SizeVRAM: in.VRAM, ContextLength: in.Context,
		})
		return
	}
	o := &l.Models[i]
	o.Size, o.SizeVRAM = o.Size+in.Size, o.SizeVRAM+in.VRAM
	o.ContextLength = max(o.ContextLength, in.Context)
	if in.ExpiresAt.After(o.ExpiresAt) {
		o.ExpiresAt = in.ExpiresAt
	}
}

// spoken is the release of Ollama whose interfaces these are: clients look at it to know what they may ask for.
const spoken = "0.12.11"

type versionAnswer struct {
	Version string `json:"version" doc:"the release of Ollama whose interfaces are spoken"`
	Ashatai string `json:"ashatai" doc:"the version of this server"`
}

// version answers GET /api/version.
func (h *handler) version(w http.ResponseWriter, _ *http.Request) error {
	return api.WriteJSON(w, http.StatusOK, versionAnswer{spoken, h.Version})
}
