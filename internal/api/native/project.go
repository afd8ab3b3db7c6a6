package native

import (
	"net/http"
	"strings"

	"ashatai/internal/api"
	"ashatai/internal/core"
)

const pathProject = "/api/ai/generate-project"

// Open implements api.Open, as do the other requests of this dialect: its clients send more than is known.
func (*projectRequest) Open() {}

// Open implements api.Open.
func (*projectOptions) Open() {}

type projectRequest struct {
	ProjectDescription string          `json:"projectDescription" required:"true"`
	ProjectType        *string         `json:"projectType,omitempty" doc:"console when absent"`
	Language           *string         `json:"language,omitempty" doc:"csharp when absent"`
	ModelName          *string         `json:"modelName,omitempty"`
	Options            *projectOptions `json:"options,omitempty"`
}

type projectOptions struct {
	IncludeComments  *bool `json:"includeComments,omitempty" doc:"true when absent"`
	IncludeTests     *bool `json:"includeTests,omitempty" doc:"false when absent"`
	IncludeReadme    *bool `json:"includeReadme,omitempty" doc:"true when absent"`
	MaxFiles         *int  `json:"maxFiles,omitempty" min:"1" max:"1000" doc:"50 when absent"`
	MaxFileSizeBytes *int  `json:"maxFileSizeBytes,omitempty" min:"1" doc:"1048576 when absent"`
}

type projectAnswer struct {
	Success  bool              `json:"success"`
	Files    map[string]string `json:"files"`
	Metadata projectMetadata   `json:"metadata"`
	Error    *string           `json:"error"`
}

type projectMetadata struct {
	ModelUsed        string   `json:"modelUsed"`
	ProjectType      string   `json:"projectType"`
	Language         string   `json:"language"`
	FileCount        int      `json:"fileCount"`
	TotalSizeBytes   int      `json:"totalSizeBytes"`
	GenerationTimeMs int64    `json:"generationTimeMs"`
	Warnings         []string `json:"warnings"`
}

func (p *projectRequest) request() (ProjectRequest, error) {
	out := ProjectRequest{
		Description: strings.TrimSpace(p.ProjectDescription),
		Type:        or(p.ProjectType, ""), Language: or(p.Language, ""), Model: or(p.ModelName, ""),
		IncludeComments: true, IncludeReadme: true,
	}
	if out.Description == "" {
		return out, core.Invalid("projectDescription", "Project description is required")
	}
	o := p.Options
	if o == nil {
		return out, nil
	}
	out.IncludeComments, out.IncludeTests, out.IncludeReadme = or(o.IncludeComments, true), or(o.IncludeTests, false), or(o.IncludeReadme, true)
	for _, n := range []struct {
		name string
		from *int
		to   *int
	}{{"options.maxFiles", o.MaxFiles, &out.MaxFiles}, {"options.maxFileSizeBytes", o.MaxFileSizeBytes, &out.MaxFileBytes}} {
		if n.from == nil {
			continue
		}
		if *n.from < 1 { // zero would mean the maker's default
			return out, core.Invalid(n.name, "%s is %d; it must be at least 1.", n.name, *n.from)
		}
		*n.to = *n.from
	}
	return out, nil
}

func or[T any](v *T, absent T) T {
	if v == nil {
		return absent
	}
	return *v
}

// project answers POST /api/ai/generate-project.
func (h *handler) project(w http.ResponseWriter, r *http.Request) error {
	began := h.now()
	var body projectRequest
	if err := h.decode(r, &body); err != nil {
		return err
	}
	req, err := body.request()
	if err != nil {
		return err
	}
	req.ID, req.Principal = w.Header().Get(api.HeaderRequestID), core.PrincipalFrom(r.Context())
	made, err := h.projects.MakeProject(r.Context(), req)
	if err != nil {
		return err
	}
	used, err := h.fileName(r, made.Model)
	if err != nil {
		return err
	}
	meta := projectMetadata{
		ModelUsed: used, ProjectType: made.Type, Language: made.Language, FileCount: len(made.Files),
		GenerationTimeMs: since(began, h.now()), Warnings: made.Warnings,
	}
	if meta.Warnings == nil {
		meta.Warnings = []string{}
	}
	for _, content := range made.Files {
		meta.TotalSizeBytes += len(content)
	}
	return api.WriteJSON(w, http.StatusOK, projectAnswer{Success: true, Files: made.Files, Metadata: meta})
}
