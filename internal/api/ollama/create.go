package ollama

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"ashatai/internal/api"
	"ashatai/internal/core"
	"ashatai/internal/modelfile"
)

type createRequest struct {
	Model      string            `json:"model,omitempty"`
	Name       string            `json:"name,omitempty"`
	Stream     *bool             `json:"stream,omitempty" doc:"true when absent"`
	From       string            `json:"from,omitempty" doc:"an installed model"`
	Files      map[string]string `json:"files,omitempty" doc:"one GGUF file that was uploaded, by name: sha256:…"`
	System     string            `json:"system,omitempty"`
	Template   string            `json:"template,omitempty" doc:"Jinja"`
	License    json.RawMessage   `json:"license,omitempty" doc:"a string or a list of them"`
	Parameters *options          `json:"parameters,omitempty"`

	Messages  []turn `json:"messages,omitempty" doc:"turns that every conversation begins with"`
	Modelfile string `json:"modelfile,omitempty" doc:"the old form of all this"`

	Adapters      json.RawMessage `json:"adapters,omitempty"`
	Quantize      json.RawMessage `json:"quantize,omitempty"`
	Quantization  json.RawMessage `json:"quantization,omitempty"`
	DraftQuantize json.RawMessage `json:"draft_quantize,omitempty"`
	DraftFiles    json.RawMessage `json:"draft_files,omitempty"`
	RemoteHost    json.RawMessage `json:"remote_host,omitempty"`
	Renderer      json.RawMessage `json:"renderer,omitempty"`
	Parser        json.RawMessage `json:"parser,omitempty"`
	Requires      json.RawMessage `json:"requires,omitempty"`
	Info          json.RawMessage `json:"info,omitempty"`
	Path          json.RawMessage `json:"path,omitempty"`
}

type turn struct {
	Role    core.Role `json:"role"`
	Content string    `json:"content"`

	Thinking  json.RawMessage `json:"thinking,omitempty"`
	Images    json.RawMessage `json:"images,omitempty"`
	ToolCalls json.RawMessage `json:"tool_calls,omitempty"`
}

// create answers POST /api/create.
func (h *handler) create(w http.ResponseWriter, r *http.Request) error {
	var body createRequest
	if err := api.DecodeJSON(r, maxManage, &body); err != nil {
		return err
	}
	c, err := body.creation(h.fields.create)
	if err != nil {
		return err
	}
	if c.From != "" {
		if _, err := h.Models.Resolve(r.Context(), c.From); err != nil {
			return err
		}
	} else if !h.Blobs.HasBlob(r.Context(), c.SHA256) {
		return core.Invalid("files", "The file sha256:%s is not here. Upload it with POST /api/blobs/sha256:%s first.", c.SHA256, c.SHA256)
	}
	return h.lines(w, r, body.Stream, func(ctx context.Context, tell func(progress)) error {
		return h.Models.Create(ctx, c, func(status string) { tell(progress{Status: status}) })
	})
}

func (c *createRequest) creation(t api.Table) (Creation, error) {
	if err := t.Screen("", "", *c); err != nil {
		return Creation{}, err
	}
	name, err := needModel(c.Model, c.Name)
	if err != nil {
		return Creation{}, err
	}
	file, err := c.unfold()
	if err != nil {
		return Creation{}, err
	}
	opt, err := c.Parameters.choose(t, "parameters")
	if err != nil {
		return Creation{}, err
	}
	if opt.predict > 0 {
		return Creation{}, core.Invalid("parameters.num_predict", "parameters.num_predict is %d. A model has no limit of its own for answers; send num_predict with each request.", opt.predict)
	}
	out := Creation{
		Name: name, From: c.From, System: c.System, Template: c.Template,
		Sampling: opt.sampling.Over(file.Defaults), Stop: opt.stop, Context: opt.context,
	}
	if out.Stop == nil {
		out.Stop = file.Stop
	}
	if out.Context == 0 {
		out.Context = file.Window
	}
	if out.Messages, err = turns(t, c.Messages); err != nil {
		return Creation{}, err
	}
	if out.Messages == nil {
		out.Messages = file.Messages
	}
	if out.License, err = licenseOf(c.License); err != nil {
		return Creation{}, err
	}
	if out.License == "" {
		out.License = file.License
	}
	switch {
	case c.From != "" && len(c.Files) > 0:
		return Creation{}, core.Invalid("from", "from and files are both given; a model is made of one of them.")
	case c.From == "" && len(c.Files) == 0:
		return Creation{}, core.Invalid("from", "Neither from nor files is given; from names an installed model, files an uploaded one.")
	case len(c.Files) > 1:
		return Creation{}, core.Invalid("files", "files has %d entries; a model is one GGUF file.", len(c.Files))
	}
	for file, digest := range c.Files {
		if out.SHA256, err = digestOf(digest); err != nil {
			return Creation{}, core.Invalid("files", "The digest of the file %s is %s; it is written as sha256: and 64 hexadecimal digits.", api.Show(file), api.Show(digest))
		}
	}
	return out, nil
}

// unfold takes what a Modelfile says and the other fields do not. From, Files, System and Template are filled in.
func (c *createRequest) unfold() (*modelfile.File, error) {
	if c.Modelfile == "" {
		return &modelfile.File{}, nil
	}
	f, err := modelfile.Parse(c.Modelfile)
	if err != nil {
		return nil, err
	}
	if c.From == "" && len(c.Files) == 0 {
		if sha, err := digestOf(strings.TrimPrefix(f.From, "@")); err == nil {
			c.Files = map[string]string{"model.gguf": "sha256:" + sha}
		} else {
			c.From = f.From
		}
	}
	if c.System == "" {
		c.System = f.System
	}
	if c.Template == "" {
		c.Template = f.Template
	}
	return f, nil
}

// turns checks the messages of a model. nil stays nil: those of From.
func turns(t api.Table, list []turn) ([]core.Turn, error) {
	var out []core.Turn
	for i, m := range list {
		if err := t.Screen("messages.", fmt.Sprintf("messages.%d.", i), m); err != nil {
			return nil, err
		}
		out = append(out, core.Turn{Role: m.Role, Content: m.Content})
	}
	return out, nil
}

func licenseOf(raw json.RawMessage) (string, error) {
	if !api.Present(raw) {
		return "", nil
	}
	var one string
	if json.Unmarshal(raw, &one) == nil {
		return one, nil
	}
	var list []string
	if json.Unmarshal(raw, &list) != nil {
		return "", core.Invalid("license", "license must be a string or a list of strings.")
	}
	return strings.Join(list, "\n\n"), nil
}
