package v1

import (
	"context"
	"net/http"
	"time"

	"ashatai/internal/api"
	"ashatai/internal/core"
)

// Optimizer finds weights that are nearly the same and faster.
type Optimizer interface {
	// Optimize tries the types, all that there are when none is named. It calls progress, which is never nil, from its own
	// goroutine. Ending ctx stops it and leaves what was found before.
	Optimize(ctx context.Context, model string, types []string, progress func(OptimizeProgress)) (*Optimized, error)
	// Optimized is what the last Optimize found about an installed model; nil when there was none.
	Optimized(m *core.Manifest) *Optimized
}

// OptimizeRequest says what to try.
type OptimizeRequest struct {
	Types []string `json:"types" doc:"types of weights to try, as q8_0; absent: all that the runtime can make"`
}

// OptimizeProgress is one line of an optimization. The last one has the status "success" and the result, or an error.
type OptimizeProgress struct {
	Status   string     `json:"status,omitempty" doc:"making, comparing, measuring, tried; success at the end"`
	Type     string     `json:"type,omitempty" doc:"the type of weights that is being tried"`
	Fraction float64    `json:"fraction,omitempty" doc:"of this step, 0 to 1"`
	Trial    *Trial     `json:"trial,omitempty" doc:"what was found, when a type was tried"`
	Result   *Optimized `json:"result,omitempty"`
}

// Optimized is what was found about a model's weights.
type Optimized struct {
	Type       string    `json:"type,omitempty" doc:"type of the weights that were kept; absent: the model is best as it is"`
	SHA256     string    `json:"sha256,omitempty" doc:"of the file that was kept"`
	Size       int64     `json:"size,omitempty" doc:"bytes of that file"`
	Digest     string    `json:"digest" doc:"of the model's own file, which it was made from"`
	Trials     []Trial   `json:"trials"`
	Machine    string    `json:"machine" doc:"where it was measured"`
	Release    string    `json:"release" doc:"of the library that made and measured it"`
	Made       time.Time `json:"made"`
	Weights    string    `json:"weights" doc:"the setting weights in force for this model"`
	Suggestion string    `json:"suggestion,omitempty" doc:"what to do to profit from it"`
}

// Trial is what was found about one type of weights.
type Trial struct {
	Type       string      `json:"type"`
	Size       int64       `json:"size,omitempty" doc:"bytes of the file"`
	Divergence float64     `json:"divergence" doc:"mean Kullback-Leibler divergence from the model's own weights, nats per token"`
	Agreement  float64     `json:"agreement" doc:"part of the tokens whose likeliest successor is the same, 0 to 1"`
	Tokens     int         `json:"tokens" doc:"how many were compared"`
	Speeds     []WorkSpeed `json:"speeds,omitempty"`
	Refused    string      `json:"refused,omitempty" doc:"why it may not be used"`
}

// WorkSpeed compares one kind of work.
type WorkSpeed struct {
	Work  string  `json:"work"`
	AsIs  float64 `json:"as_is" doc:"tokens per second with the model's own weights, median"`
	New   float64 `json:"new" doc:"with the others"`
	Ratio float64 `json:"ratio" doc:"median of the ratios of pairs; above 1 is faster"`
	Pairs int     `json:"pairs" doc:"measurements of each"`
}

func (h handlers) optimizeRoutes() []api.Route {
	if h.c.Optimizer == nil {
		return nil
	}
	return []api.Route{{
		Method: http.MethodPost, Path: "/api/v1/models/{name}/optimize",
		Summary: "Looks for weights that are nearly the same and faster on this machine, with its progress as lines of JSON. A slash in the name is written %2F.",
		Scope:   core.ScopeOperate, Limit: api.LimitWrite, Audit: api.AuditChange, Object: api.ObjectModel,
		Request: OptimizeRequest{}, Response: OptimizeProgress{}, Stream: OptimizeProgress{}, Produces: "application/x-ndjson",
		Statuses: []int{http.StatusBadRequest, http.StatusNotFound, http.StatusConflict, http.StatusInsufficientStorage}, Handle: h.optimize,
	}}
}

const maxTypes = 32

func (h handlers) optimize(w http.ResponseWriter, r *http.Request) error {
	var req OptimizeRequest
	if err := api.DecodeJSON(r, maxBody, &req); err != nil {
		return err
	}
	if len(req.Types) > maxTypes {
		return core.Invalid("types", "types has %d entries; at most %d are allowed.", len(req.Types), maxTypes)
	}
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	out := api.NewNDJSON(w, 0)
	result, err := h.c.Optimizer.Optimize(ctx, r.PathValue("name"), req.Types, func(p OptimizeProgress) {
		if err := out.Write(p); err != nil {
			cancel(err)
		}
	})
	switch {
	case err != nil && !out.Started():
		return err
	case err != nil:
		_ = out.Write(api.ErrorOf(w, core.AsError(err))) // the client may be why it failed
		return err
	}
	return out.Write(OptimizeProgress{Status: "success", Result: result})
}
