package api

import (
	"fmt"
	"maps"
	"net/http"
	"path"
	"slices"
	"strings"

	"ashatai/internal/core"
)

// NewMux builds the handler of all rows. Every answer goes through gate, those for unknown paths and wrong methods too:
// they get a public row and the dialect whose prefix fits best. HEAD is served by a path's GET row, OPTIONS by naming
// its methods. The error is about rows that contradict each other.
func NewMux(dialects []Dialect, gate func(Route, Dialect) http.Handler) (http.Handler, error) {
	paths := map[string]*endpoint{}
	for _, d := range dialects {
		for _, row := range d.Routes {
			if err := row.check(d); err != nil {
				return nil, err
			}
			e := paths[row.Path]
			if e == nil {
				e = &endpoint{methods: map[string]http.Handler{}}
				paths[row.Path] = e
			}
			if e.methods[row.Method] != nil {
				return nil, fmt.Errorf("api: two rows for %s %s", row.Method, row.Path)
			}
			e.methods[row.Method] = gate(row, d)
		}
	}
	m := &mux{mux: http.NewServeMux()}
	for pattern, e := range paths {
		e.finish(pattern, dialectFor(dialects, pattern), gate)
		if err := handle(m.mux, pattern, e); err != nil {
			return nil, err
		}
	}
	for _, d := range dialects {
		for _, p := range d.Prefixes {
			m.fallbacks = append(m.fallbacks, fallback{p, gate(notFound, d)})
		}
	}
	slices.SortStableFunc(m.fallbacks, func(a, b fallback) int { return len(b.prefix) - len(a.prefix) })
	m.rest = gate(notFound, ownDialect)
	return m, nil
}

func (row Route) check(d Dialect) error {
	switch {
	case row.Handle == nil:
		return fmt.Errorf("api: %s %s has no handler", row.Method, row.Path)
	case row.Summary == "":
		return fmt.Errorf("api: %s %s has no summary", row.Method, row.Path)
	case d.WriteError == nil:
		return fmt.Errorf("api: dialect %s has no error shape", d.Name)
	case !strings.HasPrefix(row.Path, "/"):
		return fmt.Errorf("api: the path %q of dialect %s does not start with /", row.Path, d.Name)
	}
	return nil
}

// handle turns the mux's panic about a bad or clashing pattern into an error.
func handle(m *http.ServeMux, pattern string, h http.Handler) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("api: %v", p)
		}
	}()
	m.Handle(pattern, h)
	return nil
}

//nolint:gochecknoglobals // the dialect and the row of paths that belong to none; constant
var (
	ownDialect = Dialect{Name: "none", WriteError: WriteError}
	notFound   = Route{Path: "unknown", Summary: "Any other path.", Handle: func(_ http.ResponseWriter, r *http.Request) error {
		return core.Errorf(core.CodeNotFound, "There is nothing at %s. GET /openapi.json lists every call.", quotePath(r.URL.Path))
	}}
)

func quotePath(p string) string { return fmt.Sprintf("%q", short(p, 120)) }

func dialectFor(dialects []Dialect, p string) Dialect {
	best, length := ownDialect, -1
	for _, d := range dialects {
		for _, prefix := range d.Prefixes {
			if strings.HasPrefix(p, prefix) && len(prefix) > length {
				best, length = d, len(prefix)
			}
		}
	}
	return best
}

// mux adds to http.ServeMux what it cannot: answers of our own for paths that no pattern fits.
type mux struct {
	mux       *http.ServeMux
	fallbacks []fallback // longest prefix first
	rest      http.Handler
}

type fallback struct {
	prefix  string
	handler http.Handler
}

func (m *mux) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// ServeMux would redirect such a path with a page of HTML; an API says that it is wrong.
	if clean(r.URL.Path) {
		if _, pattern := m.mux.Handler(r); pattern != "" {
			m.mux.ServeHTTP(w, r)
			return
		}
	}
	for _, f := range m.fallbacks {
		if strings.HasPrefix(r.URL.Path, f.prefix) {
			f.handler.ServeHTTP(w, r)
			return
		}
	}
	m.rest.ServeHTTP(w, r)
}

func clean(p string) bool {
	if p == "" || p[0] != '/' {
		return false
	}
	c := path.Clean(p)
	return c == p || c+"/" == p
}

// endpoint is one path pattern with its methods.
type endpoint struct {
	methods map[string]http.Handler
	allow   string
	other   http.Handler // answers any other method
}

func (e *endpoint) finish(pattern string, d Dialect, gate func(Route, Dialect) http.Handler) {
	if get := e.methods[http.MethodGet]; get != nil && e.methods[http.MethodHead] == nil {
		e.methods[http.MethodHead] = get // net/http drops the body
	}
	names := slices.Sorted(maps.Keys(e.methods))
	e.allow = strings.Join(append(names, http.MethodOptions), ", ")
	e.other = gate(Route{Path: pattern, Summary: "Any other method.", Handle: func(w http.ResponseWriter, r *http.Request) error {
		w.Header().Set("Allow", e.allow)
		if r.Method == http.MethodOptions {
			w.WriteHeader(http.StatusNoContent)
			return nil
		}
		return core.Errorf(core.CodeMethod, "%s does not answer %s; it answers %s.", quotePath(r.URL.Path), quotePath(r.Method), e.allow)
	}}, d)
}

func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if h := e.methods[r.Method]; h != nil {
		h.ServeHTTP(w, r)
		return
	}
	e.other.ServeHTTP(w, r)
}
