package anthropic

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"ashatai/internal/api"
	"ashatai/internal/core"
)

func infoOf(m *core.Manifest) modelInfo {
	created := m.Created
	if created.IsZero() {
		created = time.Unix(0, 0)
	}
	info := modelInfo{Type: "model", ID: m.Name, DisplayName: m.Name, CreatedAt: created.UTC().Format(time.RFC3339), Lifecycle: "active"}
	if n, err := core.ParseModelName(m.Name); err == nil {
		info.DisplayName = n.Short()
	}
	if window := cmp.Or(m.Window, m.Context); window > 0 {
		info.MaxInputTokens = &window
	}
	return info
}

// alias is m under a name that stands for it: clients look for the one that they asked for.
func alias(m *core.Manifest, name string) *core.Manifest {
	named := *m
	named.Name = name
	return &named
}

// names lists the models, and then the names that stand for some of them.
func (h *handler) names(ctx context.Context) ([]*core.Manifest, error) {
	all, err := h.cat.List(ctx)
	if err != nil {
		return nil, err
	}
	all = slices.Clip(all)
	for _, a := range h.cat.Aliases(ctx) {
		if m, err := h.cat.Resolve(ctx, a.Name); err == nil {
			all = append(all, alias(m, a.Name))
		}
	}
	return all, nil
}

// models answers GET /v1/models.
func (h *handler) models(w http.ResponseWriter, r *http.Request) error {
	q, err := readPage(r.URL.Query())
	if err != nil {
		return err
	}
	all, err := h.names(r.Context())
	if err != nil {
		return err
	}
	if !q.active {
		all = nil
	}
	page, more, err := q.cut(all)
	if err != nil {
		return err
	}
	list := modelList{Data: make([]modelInfo, len(page)), HasMore: more}
	for i, m := range page {
		list.Data[i] = infoOf(m)
	}
	if len(page) > 0 {
		list.FirstID, list.LastID = &list.Data[0].ID, &list.Data[len(page)-1].ID
	}
	return api.WriteJSON(w, http.StatusOK, list)
}

// model answers GET /v1/models/{id...}; slashes in the id may be escaped or not.
func (h *handler) model(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	if id == "" {
		return core.Errorf(core.CodeNotFound, "The path names no model. GET /v1/models lists them.")
	}
	m, err := h.cat.Resolve(r.Context(), id)
	if err != nil {
		return err
	}
	if a, ok := core.AliasOf(h.cat.Aliases(r.Context()), id); ok {
		m = alias(m, a.Name)
	}
	return api.WriteJSON(w, http.StatusOK, infoOf(m))
}

// page is the part of a list that a query asks for.
type page struct {
	limit         int
	after, before string
	active        bool // models that are in use are asked for
}

const (
	defaultPage = 20
	maxPage     = 1000
)

func readPage(q url.Values) (page, error) {
	p := page{limit: defaultPage, after: q.Get("after_id"), before: q.Get("before_id"), active: true}
	if text := q.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxPage {
			return p, core.Invalid("limit", "limit is %s; it must be a whole number between 1 and %d.", api.Show(text), maxPage)
		}
		p.limit = n
	}
	if p.after != "" && p.before != "" {
		return p, core.Invalid("before_id", "after_id and before_id are both given; send one of them.")
	}
	stages := slices.Concat(q["lifecycle"], q["lifecycle[]"])
	for _, s := range stages {
		if s != "active" && s != "deprecated" && s != "retired" {
			return p, core.Invalid("lifecycle", "lifecycle is %s; it is active, deprecated or retired.", api.Show(s))
		}
	}
	p.active = len(stages) == 0 || slices.Contains(stages, "active")
	return p, nil
}

// cut takes the page out of all, and says whether there is more in its direction.
func (p page) cut(all []*core.Manifest) (_ []*core.Manifest, more bool, _ error) {
	id, name := p.after, "after_id"
	if p.before != "" {
		id, name = p.before, "before_id"
	}
	if id == "" {
		return all[:min(p.limit, len(all))], len(all) > p.limit, nil
	}
	i := slices.IndexFunc(all, func(m *core.Manifest) bool { return m.Name == id })
	if i < 0 {
		return nil, false, core.Invalid(name, "%s is %s; no model of the list has that id.", name, api.Show(id))
	}
	if p.before != "" {
		from := max(i-p.limit, 0)
		return all[from:i], from > 0, nil
	}
	rest := all[i+1:]
	return rest[:min(p.limit, len(rest))], len(rest) > p.limit, nil
}
