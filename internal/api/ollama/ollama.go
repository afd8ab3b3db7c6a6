package ollama

import (
	"context"
	"io"
	"net/http"
	"time"

	"ashatai/internal/api"
	"ashatai/internal/core"
	"ashatai/internal/feature"
)

// Wish is how a caller wants a model to be kept. The zero Wish wants nothing.
type Wish struct {
	KeepAlive *time.Duration // after its last use; 0: not at all, negative: for ever; nil: as the settings say
	Context   int            // least tokens per sequence, where this call is the one that loads the model; 0: as the settings say
}

// Generator makes text.
type Generator interface {
	Generate(ctx context.Context, req *core.Request, wish Wish) (*core.Stream, error)
}

// Embedder makes vectors.
type Embedder interface {
	Embed(ctx context.Context, req *core.EmbedRequest, wish Wish) (*core.Embeddings, error)
}

// Tokens turns text into a model's token ids and back. Nothing in the text counts as a control token.
type Tokens interface {
	Tokenize(ctx context.Context, model, text string, wish Wish) ([]int, error)
	Detokenize(ctx context.Context, model string, tokens []int, wish Wish) ([]byte, error)
}

// Fleet is what is loaded.
type Fleet interface {
	// Load makes a model ready to generate, or to embed where it can do nothing else.
	Load(ctx context.Context, model string, wish Wish) error
	// Unload ends every instance of a model. One that is not loaded is no error.
	Unload(ctx context.Context, model string) error
	// Running lists the loaded models.
	Running(ctx context.Context) ([]Running, error)
}

// Running is one loaded model.
type Running struct {
	Model     string    // canonical name
	Aliases   []string  // canonical names that stand for it
	Size      int64     // bytes in memory
	VRAM      int64     // bytes of them in a graphics card's memory
	Context   int       // tokens per sequence
	Embedding bool      // loaded to make vectors
	ExpiresAt time.Time // when it is unloaded if nobody uses it; zero: not by itself
}

// Models is what is installed. Errors: CodeModelNotFound, CodeInvalidRequest for a bad name, CodeConflict for a name that
// is taken by a file that is not the server's to replace, CodeForbidden for a model that came with the installation.
type Models interface {
	List(ctx context.Context) ([]*core.Manifest, error)
	Resolve(ctx context.Context, name string) (*core.Manifest, error)
	// Metadata is what a model's file says of itself. Lists are nil.
	Metadata(ctx context.Context, name string) (map[string]any, error)
	// Create makes a model out of another one or of an uploaded file. Progress gets words and is never nil.
	Create(ctx context.Context, req Creation, progress func(status string)) error
	Copy(ctx context.Context, from, to string) error
	// Remove unloads the model too.
	Remove(ctx context.Context, name string) error
	// Pull installs a model from wherever name leads. Progress is never nil. Ending ctx stops it; what was fetched is kept.
	Pull(ctx context.Context, name string, progress func(Progress)) error
}

// Creation says what a new model is.
type Creation struct {
	Name     string
	From     string // an installed model; empty: SHA256 is set
	SHA256   string // of an uploaded file
	System   string // empty: that of From
	Template string // Jinja; empty: that of From, or of the file
	License  string // empty: likewise
	Sampling core.Sampling
	Stop     []string    // nil: those of From
	Context  int         // tokens per sequence; 0: that of From
	Messages []core.Turn // nil: those of From
}

// Progress is one step of a pull.
type Progress struct {
	Status    string // "pulling", "verifying sha256", "writing manifest", "success", or other words that are shown as they are
	Digest    string // sha256 of the file; empty while unknown
	Completed int64  // bytes
	Total     int64  // bytes; 0 while unknown
}

// Blobs keeps uploaded files by their sha256.
type Blobs interface {
	HasBlob(ctx context.Context, sha string) bool
	// PutBlob stores what r holds and reports whether it was new. size is in bytes, or -1 when unknown. Content with
	// another sha256 is CodeBadModel, and nothing is kept.
	PutBlob(ctx context.Context, sha string, size int64, r io.Reader) (created bool, err error)
}

// Config is what the dialect needs.
type Config struct {
	Generator Generator
	Embedder  Embedder
	Tokens    Tokens
	Fleet     Fleet
	Models    Models
	Blobs     Blobs
	Version   string           // of this server
	Now       func() time.Time // nil: time.Now
}

// handler answers the dialect's routes. It has no state that changes.
type handler struct {
	Config

	fields tables
}

// tables are the fields of the calls that look at raw ones.
type tables struct{ generate, chat, embed, embeddings, show, create api.Table }

const (
	maxBody   = 16 << 20 // of a request with text: room for the longest context
	maxManage = 4 << 20  // of a request about models: a template and a licence
	maxBlob   = 1 << 42
	ndjson    = "application/x-ndjson"
)

// New makes the dialect's rows.
func New(cfg Config) api.Dialect {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	h := &handler{Config: cfg, fields: tables{
		generate: generateFields().Table(), chat: chatFields().Table(), embed: embedFields().Table(),
		embeddings: embeddingsFields().Table(), show: showFields().Table(), create: createFields().Table(),
	}}
	return api.Dialect{
		Name: "ollama", Feature: feature.Ollama, Title: "Ollama", About: "What Ollama's clients call below /api.", Absent: absent(), Prefixes: []string{"/api/"}, Error: errorBody{}, WriteError: WriteError,
		Routes: append(append(h.inferRoutes(), h.lookRoutes()...), h.changeRoutes()...),
	}
}

func refusals() []int {
	return []int{
		http.StatusBadRequest, http.StatusForbidden, http.StatusNotFound, http.StatusRequestEntityTooLarge,
		http.StatusUnprocessableEntity, http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusBadGateway,
		http.StatusServiceUnavailable, http.StatusGatewayTimeout,
	}
}

func (h *handler) inferRoutes() []api.Route {
	infer := api.Route{
		Method: http.MethodPost, Scope: core.ScopeInfer, Limit: api.LimitInfer, Audit: api.AuditUse, MaxBody: maxBody,
		Produces: ndjson, Statuses: refusals(),
	}
	generate, chat := infer, infer
	generate.Path, generate.Summary = "/api/generate", "Continue a prompt, load a model, or unload it."
	generate.Request, generate.Response, generate.Stream, generate.Handle = generateRequest{}, generateAnswer{}, generateAnswer{}, h.generate
	generate.Fields, chat.Fields = generateFields(), chatFields()
	chat.Path, chat.Summary = "/api/chat", "Answer a conversation, load a model, or unload it."
	chat.Request, chat.Response, chat.Stream, chat.Handle = chatRequest{}, chatAnswer{}, chatAnswer{}, h.chat
	embed := infer
	embed.Scope, embed.Produces = core.ScopeEmbed, ""
	old := embed
	embed.Path, embed.Summary = "/api/embed", "Turn texts into vectors."
	embed.Request, embed.Response, embed.Handle = embedRequest{}, embedAnswer{}, h.embed
	old.Path, old.Summary = "/api/embeddings", "Turn one text into a vector."
	old.Request, old.Response, old.Handle = embeddingsRequest{}, embeddingsAnswer{}, h.embeddings
	embed.Fields, old.Fields = embedFields(), embeddingsFields()
	embed.Feature, old.Feature = feature.Embeddings, feature.Embeddings
	return []api.Route{generate, chat, embed, old}
}

func (h *handler) lookRoutes() []api.Route {
	look := api.Route{Method: http.MethodGet, Scope: core.ScopeRead, Limit: api.LimitRead}
	tags, ps, version, show := look, look, look, look
	tags.Path, tags.Summary, tags.Response, tags.Handle = "/api/tags", "List the installed models.", tagList{}, h.tags
	ps.Path, ps.Summary, ps.Response, ps.Handle = "/api/ps", "List the loaded models, under each of their names.", runningList{}, h.ps
	version.Path, version.Summary, version.Response, version.Handle = "/api/version", "Say which of Ollama's interfaces is spoken.", versionAnswer{}, h.version
	show.Method, show.Path, show.Summary, show.Handle = http.MethodPost, "/api/show", "Describe one model.", h.show
	show.Object, show.MaxBody, show.Request, show.Response = api.ObjectModel, maxManage, showRequest{}, showAnswer{}
	show.Fields = showFields()
	show.Statuses = []int{http.StatusBadRequest, http.StatusNotFound, http.StatusRequestEntityTooLarge}
	return []api.Route{tags, ps, version, show}
}

func (h *handler) changeRoutes() []api.Route {
	change := api.Route{
		Method: http.MethodPost, Scope: core.ScopeOperate, Limit: api.LimitWrite, Audit: api.AuditChange, Object: api.ObjectModel,
		MaxBody: maxManage, Statuses: append(refusals(), http.StatusConflict, http.StatusInsufficientStorage),
	}
	create, pull, push, duplicate, remove := change, change, change, change, change
	create.Path, create.Summary, create.Scope = "/api/create", "Make a model out of another one or of an uploaded file.", core.ScopeUpload
	create.Request, create.Response, create.Stream, create.Produces, create.Handle = createRequest{}, progress{}, progress{}, ndjson, h.create
	pull.Path, pull.Summary = "/api/pull", "Install a model, with its progress as lines of JSON."
	pull.Request, pull.Response, pull.Stream, pull.Produces, pull.Handle = pullRequest{}, progress{}, progress{}, ndjson, h.pull
	push.Path, push.Summary = "/api/push", "Refuse to publish a model: there is no registry to push to."
	push.Request, push.Handle, push.Statuses = pushRequest{}, h.push, append(refusals(), http.StatusNotImplemented)
	duplicate.Path, duplicate.Summary, duplicate.Request, duplicate.Handle = "/api/copy", "Give a model a second name.", copyRequest{}, h.copy
	remove.Method, remove.Path, remove.Summary = http.MethodDelete, "/api/delete", "Remove a model."
	remove.Request, remove.Handle = deleteRequest{}, h.remove
	create.Feature, pull.Feature, duplicate.Feature = feature.Create, feature.Pull, feature.Create
	create.Fields, pull.Fields, push.Fields = createFields(), pullFields(), pushFields()
	duplicate.Fields, remove.Fields = copyFields(), deleteFields()
	has, put := change, change
	has.Method, has.Path, has.Summary = http.MethodHead, "/api/blobs/{digest}", "Say whether an uploaded file is there."
	has.Scope, has.Audit, has.Object, has.Limit, has.Handle = core.ScopeUpload, api.AuditNone, api.ObjectNone, api.LimitRead, h.hasBlob
	put.Path, put.Summary, put.Scope = "/api/blobs/{digest}", "Upload a file for create.", core.ScopeUpload
	put.MaxBody, put.Object, put.Handle = maxBlob, api.ObjectNone, h.putBlob
	has.Feature, put.Feature = feature.Create, feature.Create
	has.Statuses, put.Statuses = []int{http.StatusBadRequest, http.StatusNotFound}, append(change.Statuses, http.StatusCreated)
	return []api.Route{create, pull, push, duplicate, remove, has, put}
}

// place tells in headers where an answer comes from, and what is weaker than asked for.
func place(w http.ResponseWriter, p core.Placement, notes ...string) {
	fallback := p.Fallback
	for _, n := range notes {
		switch {
		case n == "":
		case fallback == "":
			fallback = n
		default:
			fallback += "; " + n
		}
	}
	for _, kv := range [][2]string{
		{"X-Ashatai-Runtime", p.Runtime},
		{"X-Ashatai-Device", p.Device},
		{"X-Ashatai-Fallback", fallback},
		{"X-Ashatai-Truncated", p.LeftOut.String()},
	} {
		if kv[1] != "" {
			w.Header().Set(kv[0], kv[1])
		}
	}
}
