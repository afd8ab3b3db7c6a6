// Package ops is what operators and machines ask of a server: is it alive, is it ready, its metrics, its API document,
// and its front page. It answers from what it is given and measures nothing itself.
package ops

import (
	"context"
	"net/http"
	"strings"

	"ashatai/internal/api"
	"ashatai/internal/core"
	"ashatai/internal/feature"
)

// Check is one thing that health depends on.
type Check struct {
	OK     bool   `json:"ok"`
	Detail string `json:"detail,omitempty" doc:"a sentence, where there is something to say"`
}

// Health knows the state of the server; each method answers checks by name, at once and without I/O that can hang.
type Health interface {
	Live(ctx context.Context) map[string]Check    // false: restart the process
	Ready(ctx context.Context) map[string]Check   // false: send no requests now
	Startup(ctx context.Context) map[string]Check // false: still starting
}

// Report is the answer of a health call.
type Report struct {
	Status string           `json:"status" enum:"ok,unavailable"`
	Checks map[string]Check `json:"checks"`
}

// Config is what the dialect needs.
type Config struct {
	Health  Health
	Metrics http.Handler
	// Document returns the OpenAPI document. It is called per request, so the caller keeps the bytes.
	Document func() ([]byte, error)
	// Page answers a browser at / and under /assets/; nil leaves the plain answer.
	Page http.Handler
	// PageOff reports whether the page is off; nil: it never is.
	PageOff func() bool
}

type handlers struct{ c Config }

// Dialect is the table of these calls.
func Dialect(c Config) api.Dialect {
	h := handlers{c}
	routes := []api.Route{
		h.health("/health/live", "Says whether the process works at all.", c.Health.Live),
		h.health("/health/ready", "Says whether the server takes requests.", c.Health.Ready),
		h.health("/health/startup", "Says whether the start is done.", c.Health.Startup),
		h.health("/livez", "Says whether the process works at all, as /health/live.", c.Health.Live),
		h.health("/readyz", "Says whether the server takes requests, as /health/ready.", c.Health.Ready),
		{
			Method: http.MethodGet, Path: "/metrics", Summary: "The metrics in Prometheus's text format.",
			Scope: core.ScopeAdmin, Local: true, Produces: "text/plain", Handle: handler(c.Metrics),
		},
		{
			Method: http.MethodGet, Path: "/openapi.json", Summary: "This document.",
			Scope: core.ScopePublic, Response: map[string]any{}, Handle: h.document,
		},
		{
			Method: http.MethodGet, Path: "/{$}", Summary: "The page for a browser, one line of text for everybody else.",
			Scope: core.ScopePublic, Produces: "text/plain", Handle: h.front,
		},
	}
	if c.Page != nil {
		routes = append(routes, api.Route{
			Method: http.MethodGet, Path: "/assets/{path...}", Summary: "The files of the page.", Feature: feature.Page,
			Scope: core.ScopePublic, Produces: "application/octet-stream", Statuses: []int{http.StatusNotFound}, Handle: handler(c.Page),
		})
	}
	return api.Dialect{
		Name: "ops", Title: "Operation", About: "What operators and machines ask.", Prefixes: []string{"/"}, Routes: routes, WriteError: api.WriteError, Error: api.ErrorBody{},
	}
}

func handler(h http.Handler) api.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		h.ServeHTTP(w, r)
		return nil
	}
}

func (h handlers) health(path, summary string, checks func(context.Context) map[string]Check) api.Route {
	return api.Route{
		Method: http.MethodGet, Path: path, Summary: summary, Scope: core.ScopePublic,
		Response: Report{}, Statuses: []int{http.StatusServiceUnavailable},
		Handle: func(w http.ResponseWriter, r *http.Request) error {
			out := Report{Status: "ok", Checks: checks(r.Context())}
			status := http.StatusOK
			if out.Checks == nil {
				out.Checks = map[string]Check{}
			}
			for _, c := range out.Checks {
				if !c.OK {
					out.Status, status = "unavailable", http.StatusServiceUnavailable
				}
			}
			w.Header().Set("Cache-Control", "no-store")
			return api.WriteJSON(w, status, out)
		},
	}
}

func (h handlers) document(w http.ResponseWriter, _ *http.Request) error {
	body, err := h.c.Document()
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	_, err = w.Write(body)
	return err
}

// front tells a browser by what it accepts. The plain answer is the one that clients of Ollama look for.
func (h handlers) front(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Vary", "Accept")
	if h.c.Page != nil && (h.c.PageOff == nil || !h.c.PageOff()) && strings.Contains(r.Header.Get("Accept"), "text/html") {
		h.c.Page.ServeHTTP(w, r)
		return nil
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, err := w.Write([]byte("Ollama is running"))
	return err
}
