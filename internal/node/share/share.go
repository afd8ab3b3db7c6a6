// Package share lets two dialects answer the same path: a header says whose shape a caller reads.
package share

import (
	"net/http"
	"slices"

	"ashatai/internal/api"
	"ashatai/internal/api/anthropic"
	"ashatai/internal/core"
)

// WithAnthropic adds Anthropic's dialect to the others. It shares the paths of the models with OpenAI's: there, and for
// every error of that dialect, a caller who sends Anthropic's version header gets Anthropic's shape. The row of a shared
// path stays the other dialect's, so that there is one scope, one limit and one metric label.
func WithAnthropic(all []api.Dialect, ours api.Dialect) []api.Dialect {
	out := slices.Clone(all)
	var rest []api.Route
	for _, row := range ours.Routes {
		if !share(out, row, ours.WriteError) {
			rest = append(rest, row)
		}
	}
	ours.Routes = rest
	return append(out, ours)
}

type writeError func(w http.ResponseWriter, r *http.Request, e *core.Error)

// share puts our row beside that of another dialect on the same path, and reports whether there was one.
func share(all []api.Dialect, ours api.Route, failed writeError) bool {
	for i := range all {
		d := &all[i]
		at := slices.IndexFunc(d.Routes, func(r api.Route) bool { return r.Method == ours.Method && r.Path == ours.Path })
		if at < 0 {
			continue
		}
		d.Routes = slices.Clone(d.Routes)
		d.Routes[at].Fields = slices.Concat(d.Routes[at].Fields, ours.Fields)
		theirs, theirError := d.Routes[at].Handle, d.WriteError
		d.Routes[at].Handle = func(w http.ResponseWriter, r *http.Request) error {
			w.Header().Add("Vary", anthropic.HeaderVersion) // a cache on the way must know that it counts
			if asksAnthropic(r) {
				return ours.Handle(w, r)
			}
			return theirs(w, r)
		}
		d.WriteError = func(w http.ResponseWriter, r *http.Request, e *core.Error) {
			if asksAnthropic(r) {
				failed(w, r, e)
				return
			}
			theirError(w, r, e)
		}
		return true
	}
	return false
}

func asksAnthropic(r *http.Request) bool { return r.Header.Get(anthropic.HeaderVersion) != "" }
