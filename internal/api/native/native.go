package native

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"ashatai/internal/api"
	"ashatai/internal/core"
	"ashatai/internal/feature"
)

// Generator makes text.
type Generator interface {
	Generate(ctx context.Context, req *core.Request) (*core.Stream, error)
}

// Resolver finds the model of a name; the empty name is the default chat model.
type Resolver interface {
	Resolve(ctx context.Context, name string) (*core.Manifest, error)
}

// Scanner knows the models directory.
type Scanner interface {
	// Report is the outcome of the last scan.
	Report(ctx context.Context) (*Report, error)
	// Scan looks at the directory again.
	Scan(ctx context.Context) (*Report, error)
}

// Report says what lies in the models directory. Nil lists count as empty.
type Report struct {
	ModelsDirectory string       `json:"modelsDirectory"`
	LoadedModels    []ModelFile  `json:"loadedModels"`
	FailedModels    []FailedFile `json:"failedModels"`
}

// ModelFile is a model file that can be used.
type ModelFile struct {
	FileName  string    `json:"fileName"`
	Path      string    `json:"path"`
	SizeBytes int64     `json:"sizeBytes"`
	Checksum  string    `json:"checksum" doc:"SHA-256 of the first MiB, upper-case hex"`
	LoadedAt  time.Time `json:"loadedAt"`
}

// FailedFile is a model file that was refused, and why.
type FailedFile struct {
	FileName string `json:"fileName"`
	Path     string `json:"path"`
	Error    string `json:"error"`
}

// ProjectMaker has a model write a project.
type ProjectMaker interface {
	MakeProject(ctx context.Context, p ProjectRequest) (*Project, error)
}

// ProjectRequest says what to write. Zero numbers and empty texts mean: the maker's default.
type ProjectRequest struct {
	ID              string
	Principal       core.Principal
	Description     string
	Type            string
	Language        string
	Model           string
	IncludeComments bool
	IncludeTests    bool
	IncludeReadme   bool
	MaxFiles        int
	MaxFileBytes    int
}

// Project is what was written.
type Project struct {
	Files    map[string]string // relative path → content
	Model    string            // canonical name of the model
	Type     string
	Language string
	Warnings []string // what was added or dropped, in words
}

// Config is what the dialect needs beyond its partners.
type Config struct {
	MaxTokens int              // bound of one answer of process; 0: 2048
	Now       func() time.Time // nil: time.Now
	Log       *slog.Logger     // nil: no log
}

const (
	defaultMaxTokens = 2048
	maxBody          = 4 << 20
)

type handler struct {
	gen       Generator
	models    Resolver
	scan      Scanner
	projects  ProjectMaker
	maxTokens int
	now       func() time.Time
	log       *slog.Logger
}

// New makes the dialect's rows.
func New(gen Generator, models Resolver, scan Scanner, projects ProjectMaker, cfg Config) api.Dialect {
	h := &handler{gen: gen, models: models, scan: scan, projects: projects, maxTokens: cfg.MaxTokens, now: cfg.Now, log: cfg.Log}
	if h.maxTokens <= 0 {
		h.maxTokens = defaultMaxTokens
	}
	if h.now == nil {
		h.now = time.Now
	}
	if h.log == nil {
		h.log = slog.New(slog.DiscardHandler)
	}
	refusals := []int{
		http.StatusBadRequest, http.StatusNotFound, http.StatusRequestEntityTooLarge, http.StatusTooManyRequests,
		http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout,
	}
	return api.Dialect{
		Name: "native", Feature: feature.Legacy, Title: "ASHATAI, as before", About: "What clients of older ASHATAI servers call; field names may be written in any case, and fields beyond these are let pass.", Prefixes: []string{"/api/ai/"}, Error: errorBody{}, WriteError: WriteError,
		Routes: []api.Route{
			{
				Method: http.MethodGet, Path: "/api/ai/health", Summary: "Say that the server runs.",
				Scope: core.ScopePublic, Response: health{}, Handle: h.health,
			},
			{
				Method: http.MethodGet, Path: "/api/ai/status", Summary: "List what the models directory holds.",
				Scope: core.ScopeRead, Limit: api.LimitRead, Response: Report{}, Handle: h.status,
			},
			{
				Method: http.MethodPost, Path: "/api/ai/models/scan", Summary: "Look at the models directory again.",
				Scope: core.ScopeOperate, Limit: api.LimitWrite, Audit: api.AuditChange, Response: Report{}, Handle: h.rescan,
			},
			{
				Method: http.MethodPost, Path: "/api/ai/process", Summary: "Answer one prompt.",
				Scope: core.ScopeInfer, Limit: api.LimitInfer, Audit: api.AuditUse, MaxBody: maxBody,
				Request: processRequest{}, Response: processAnswer{}, Statuses: refusals, Handle: h.process,
			},
			{
				Method: http.MethodPost, Path: "/api/ai/process/stream", Summary: "Answer one prompt as an event stream of plain text.",
				Scope: core.ScopeInfer, Limit: api.LimitInfer, Audit: api.AuditUse, MaxBody: maxBody,
				Request: processRequest{}, Stream: "", Produces: "text/event-stream", Statuses: refusals, Handle: h.processStream,
			},
			{
				Method: http.MethodPost, Path: pathProject, Summary: "Have a model write the files of a project.",
				Scope: core.ScopeInfer, Limit: api.LimitInfer, Audit: api.AuditUse, MaxBody: maxBody,
				Request: projectRequest{}, Response: projectAnswer{}, Statuses: refusals, Handle: h.project,
			},
		},
	}
}

type health struct {
	Status    string `json:"status"`
	Server    string `json:"server"`
	Timestamp string `json:"timestamp" doc:"RFC 3339, UTC"`
}

func (h *handler) health(w http.ResponseWriter, _ *http.Request) error {
	return api.WriteJSON(w, http.StatusOK, health{"healthy", "ASHATAIServer", h.now().UTC().Format(time.RFC3339Nano)})
}

func (h *handler) status(w http.ResponseWriter, r *http.Request) error {
	return writeReport(w, r, h.scan.Report)
}

func (h *handler) rescan(w http.ResponseWriter, r *http.Request) error {
	return writeReport(w, r, h.scan.Scan)
}

func writeReport(w http.ResponseWriter, r *http.Request, get func(context.Context) (*Report, error)) error {
	got, err := get(r.Context())
	if err != nil {
		return err
	}
	out := *got
	if out.LoadedModels == nil {
		out.LoadedModels = []ModelFile{}
	}
	if out.FailedModels == nil {
		out.FailedModels = []FailedFile{}
	}
	return api.WriteJSON(w, http.StatusOK, out)
}

// errorBody is the error shape of all calls but generate-project.
type errorBody struct {
	Error string `json:"error"`
}

// failure is the error shape of generate-project.
type failure struct {
	Success bool   `json:"success"`
	Error   string `json:"error"`
}

// WriteError answers with e in the shape that the path's clients know. A failure to write is the client's leaving and of
// no consequence.
func WriteError(w http.ResponseWriter, r *http.Request, e *core.Error) {
	status := api.ErrorHeaders(w, e)
	if strings.TrimSuffix(r.URL.Path, "/") == pathProject {
		_ = api.WriteJSON(w, status, failure{Error: e.Message})
		return
	}
	_ = api.WriteJSON(w, status, errorBody{e.Message})
}
