// Package v1 is the server's own API: models, pulls, loaded instances, runtimes and tokens, as snake_case JSON. The
// command line and the page use it. It generates no text; the dialects that clients know do.
package v1

import (
	"context"
	"net/http"
	"slices"
	"time"

	"ashatai/internal/api"
	"ashatai/internal/core"
	"ashatai/internal/feature"
)

// Models is what is installed. Names are as the caller wrote them. Errors: CodeModelNotFound, CodeInvalidRequest for a
// bad name, CodeConflict for a model that cannot be removed now.
type Models interface {
	List(ctx context.Context) ([]*core.Manifest, error) // the default chat model first
	Get(ctx context.Context, name string) (*core.Manifest, error)
	// Remove returns the aliases that stood for the model. Those of the settings are there still, and stand for nothing.
	Remove(ctx context.Context, name string) ([]core.Alias, error)
}

// Puller installs models. Pull calls progress, which is never nil, from its own goroutine, and returns when the model is
// installed. Ending ctx stops it; what was fetched is kept for the next try.
type Puller interface {
	Pull(ctx context.Context, req PullRequest, progress func(PullProgress)) (*core.Manifest, error)
}

// Fleet is what is loaded.
type Fleet interface {
	Load(ctx context.Context, model string, o LoadOptions) (Instance, error)
	Unload(ctx context.Context, model string) error
	Instances(ctx context.Context) ([]Instance, error)
	Runtimes(ctx context.Context) ([]Runtime, error)
	// Placement says where a request for a model would go now. It starts nothing.
	Placement(ctx context.Context, model string) (Placement, error)
}

// Tokens turns text into a model's tokens and back; an empty model is the default one. Detokenize returns exact bytes.
type Tokens interface {
	Tokenize(ctx context.Context, model, text string, addSpecial bool) (ids []int, err error)
	Detokenize(ctx context.Context, model string, ids []int) ([]byte, error)
}

// LoadOptions say how long a loaded model stays.
type LoadOptions struct {
	Pin       bool           // never unloaded by the server itself
	KeepAlive *time.Duration // idle time until it is unloaded; nil is the setting
}

// Config is what the dialect needs.
type Config struct {
	Version Version
	Models  Models
	Creator Creator
	Aliases Aliases
	Puller  Puller
	Fleet   Fleet
	Tokens  Tokens

	Jobs      Jobs      // nil: this server runs none
	Optimizer Optimizer // nil: this server makes no weights

	Chats     Archive // keeps the page's chats; nil: this server keeps none
	ChatItems ArchiveItems

	More []api.Route // rows of folders below this one

	Activity Watcher // nil: nothing is watched
	Budget   int64   // bytes that models may take; 0: not known
}

type handlers struct{ c Config }

// Dialect is the table of this API.
func Dialect(c Config) api.Dialect {
	h := handlers{c}
	return api.Dialect{
		Name:       "v1",
		Title:      "ASHATAI",
		About:      "The server's own interface.",
		Prefixes:   []string{"/api/v1/"},
		WriteError: api.WriteError,
		Error:      api.ErrorBody{},
		Routes: slices.Concat(
			h.modelRoutes(), api.Of(feature.Create, h.createRoutes()...), api.Of(feature.Optimize, h.optimizeRoutes()...), api.Of(feature.Jobs, h.jobRoutes()...),
			h.fleetRoutes(), api.Of(feature.Chats, h.chatRoutes()...), api.Of(feature.Activity, h.activityRoutes()...), c.More,
		),
	}
}

func (h handlers) modelRoutes() []api.Route {
	return []api.Route{
		{
			Method: http.MethodGet, Path: "/api/v1/version", Summary: "Says which build this is.",
			Scope: core.ScopeRead, Limit: api.LimitRead, Response: Version{}, Handle: h.version,
		},
		{
			Method: http.MethodGet, Path: "/api/v1/models", Summary: "Lists the installed models, the default one first.",
			Scope: core.ScopeRead, Limit: api.LimitRead, Response: ModelList{}, Handle: h.list,
		},
		{
			Method: http.MethodGet, Path: "/api/v1/models/{name...}", Summary: "Shows all of one model's manifest.",
			Scope: core.ScopeRead, Limit: api.LimitRead, Object: api.ObjectModel,
			Response: Model{}, Statuses: []int{http.StatusNotFound}, Handle: h.get,
		},
		{
			Method: http.MethodDelete, Path: "/api/v1/models/{name...}", Summary: "Removes a model.",
			Scope: core.ScopeOperate, Limit: api.LimitWrite, Audit: api.AuditChange, Object: api.ObjectModel,
			Response: Removed{}, Statuses: []int{http.StatusNotFound, http.StatusConflict}, Handle: h.remove,
		},
		{
			Method: http.MethodPost, Path: "/api/v1/pull", Feature: feature.Pull, Summary: "Installs a model from a URL or a file, with its progress as lines of JSON.",
			Scope: core.ScopeOperate, Limit: api.LimitWrite, Audit: api.AuditChange, Object: api.ObjectModel,
			Request: PullRequest{}, Response: PullProgress{}, Stream: PullProgress{}, Produces: "application/x-ndjson",
			Statuses: []int{http.StatusBadRequest, http.StatusUnprocessableEntity, http.StatusInsufficientStorage}, Handle: h.pull,
		},
	}
}

func (h handlers) fleetRoutes() []api.Route {
	return []api.Route{
		{
			Method: http.MethodPost, Path: "/api/v1/load", Summary: "Loads a model before the first request needs it.",
			Scope: core.ScopeOperate, Limit: api.LimitWrite, Audit: api.AuditChange, Object: api.ObjectModel,
			Request: LoadRequest{}, Response: Instance{},
			Statuses: []int{http.StatusNotFound, http.StatusUnprocessableEntity, http.StatusServiceUnavailable}, Handle: h.load,
		},
		{
			Method: http.MethodPost, Path: "/api/v1/unload", Summary: "Unloads a model when its running requests are done.",
			Scope: core.ScopeOperate, Limit: api.LimitWrite, Audit: api.AuditChange, Object: api.ObjectModel,
			Request: UnloadRequest{}, Response: Unloaded{}, Statuses: []int{http.StatusNotFound}, Handle: h.unload,
		},
		{
			Method: http.MethodGet, Path: "/api/v1/instances", Summary: "Lists the loaded models.",
			Scope: core.ScopeRead, Limit: api.LimitRead, Response: InstanceList{}, Handle: h.instances,
		},
		{
			Method: http.MethodGet, Path: "/api/v1/models/{name}/placement", Summary: "Says where a request for a model would go now: all candidates, their scores, and why each is taken or not.",
			Scope: core.ScopeRead, Limit: api.LimitRead, Object: api.ObjectModel,
			Response: Placement{}, Statuses: []int{http.StatusNotFound}, Handle: h.placement,
		},
		{
			Method: http.MethodGet, Path: "/api/v1/runtimes", Summary: "Lists the runtimes and what each lacks on this machine.",
			Scope: core.ScopeRead, Limit: api.LimitRead, Response: RuntimeList{}, Handle: h.runtimes,
		},
		{
			Method: http.MethodPost, Path: "/api/v1/tokenize", Summary: "Turns text into a model's tokens.",
			Scope: core.ScopeInfer, Limit: api.LimitInfer, Audit: api.AuditUse, Object: api.ObjectModel,
			Request: TokenizeRequest{}, Response: TokenizeResponse{}, Statuses: []int{http.StatusNotFound}, Handle: h.tokenize,
		},
		{
			Method: http.MethodPost, Path: "/api/v1/detokenize", Summary: "Turns a model's tokens into text.",
			Scope: core.ScopeInfer, Limit: api.LimitInfer, Audit: api.AuditUse, Object: api.ObjectModel,
			Request: DetokenizeRequest{}, Response: DetokenizeResponse{}, Statuses: []int{http.StatusNotFound}, Handle: h.detokenize,
		},
	}
}
