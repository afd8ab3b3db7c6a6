// Package limits is the rows of the server's own API for quotas and use: an admin sets, lists and removes quotas, and everybody
// reads what they used and what is left to them. It counts nothing itself.
package limits

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"ashatai/internal/api"
	"ashatai/internal/core"
)

// Quotas keeps quotas and counts. References are ids or names. Errors: CodeNotFound, CodeInvalidRequest, CodeConflict.
type Quotas interface {
	Quotas(ctx context.Context, kind core.QuotaKind, ref string) ([]core.QuotaState, error)
	Set(ctx context.Context, q core.Quota) (core.QuotaState, error)
	Remove(ctx context.Context, id string) error
	// Limits are the quotas that hold for a principal.
	Limits(ctx context.Context, p core.Principal) []core.QuotaState
	// Used is what a subject used on each day since a time; of every subject of a kind, or of all kinds, where they are empty.
	Used(ctx context.Context, kind core.QuotaKind, id string, since time.Time) ([]core.QuotaUse, error)
	// Name is what a subject is called: its id where it has no name any more.
	Name(ctx context.Context, kind core.QuotaKind, id string) string
}

// Users finds accounts by id or name. Errors: CodeNotFound.
type Users interface {
	User(ctx context.Context, ref string) (core.User, error)
}

// Config is what the rows need.
type Config struct {
	Quotas Quotas
	Users  Users
	Now    func() time.Time // nil: time.Now
}

type handlers struct{ Config }

const (
	maxBody  = 4 << 10
	useDays  = 30
	mostDays = 400
)

// Routes are the rows.
func Routes(c Config) []api.Route {
	if c.Now == nil {
		c.Now = time.Now
	}
	h := handlers{c}
	return []api.Route{
		{
			Method: http.MethodGet, Path: "/api/v1/quotas", Summary: "Lists the quotas, of a kind and a subject where the query names them, with what is used of them.",
			Scope: core.ScopeAdmin, Limit: api.LimitRead, Response: QuotaList{}, Statuses: []int{http.StatusBadRequest, http.StatusNotFound}, Handle: h.list,
		},
		{
			Method: http.MethodPut, Path: "/api/v1/quotas", Summary: "Sets a quota, in the place of the one for the same.",
			Scope: core.ScopeAdmin, Limit: api.LimitWrite, Audit: api.AuditChange, Object: api.ObjectQuota, Request: QuotaRequest{}, Response: Quota{},
			Statuses: []int{http.StatusBadRequest, http.StatusNotFound, http.StatusConflict}, Handle: h.set,
		},
		{
			Method: http.MethodDelete, Path: "/api/v1/quotas/{id}", Summary: "Removes a quota.",
			Scope: core.ScopeAdmin, Limit: api.LimitWrite, Audit: api.AuditChange, Object: api.ObjectQuota, Response: Removed{},
			Statuses: []int{http.StatusNotFound}, Handle: h.remove,
		},
		{
			Method: http.MethodGet, Path: "/api/v1/usage",
			Summary: "Says what the caller used on each of the last days and what is left of the quotas that hold for it; of another account, in the query's user, to an admin.",
			Scope:   core.ScopeRead, Limit: api.LimitRead, Response: Usage{}, Statuses: []int{http.StatusBadRequest, http.StatusNotFound}, Handle: h.usage,
		},
		{
			Method: http.MethodGet, Path: "/api/v1/usage/export",
			Summary: "Lists what every user, group, key and model used on each day; the query's kind, from and to bound it.",
			Scope:   core.ScopeAdmin, Limit: api.LimitRead, Audit: api.AuditChange, Response: Export{}, Statuses: []int{http.StatusBadRequest}, Handle: h.export,
		},
	}
}

func (h handlers) list(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	kind, subject := core.QuotaKind(q.Get("kind")), q.Get("subject")
	if err := checkKind(kind); err != nil {
		return err
	}
	if subject != "" && kind == "" {
		return core.Invalid("subject", "Name the kind of the subject too.")
	}
	list, err := h.Quotas.Quotas(r.Context(), kind, subject)
	if err != nil {
		return err
	}
	return api.WriteJSON(w, http.StatusOK, QuotaList{Quotas: quotasOf(list)})
}

func (h handlers) set(w http.ResponseWriter, r *http.Request) error {
	var req QuotaRequest
	if err := api.DecodeJSON(r, maxBody, &req); err != nil {
		return err
	}
	if req.Limit == nil {
		return core.Invalid("limit", "limit is missing; 0 allows nothing.")
	}
	q, err := h.Quotas.Set(r.Context(), core.Quota{
		Kind: core.QuotaKind(req.Kind), Subject: req.Subject, Model: req.Model, Unit: core.QuotaUnit(req.Unit), Window: core.QuotaWindow(req.Window), Limit: *req.Limit,
	})
	if err != nil {
		return err
	}
	return api.WriteJSON(w, http.StatusOK, quotaOf(q))
}

func (h handlers) remove(w http.ResponseWriter, r *http.Request) error {
	if err := h.Quotas.Remove(r.Context(), r.PathValue("id")); err != nil {
		return err
	}
	return api.WriteJSON(w, http.StatusOK, Removed{OK: true})
}

// usage answers for the caller, or for the account that an admin names. Another's account does not exist for anybody else.
func (h handlers) usage(w http.ResponseWriter, r *http.Request) error {
	ctx, q := r.Context(), r.URL.Query()
	p := core.PrincipalFrom(ctx)
	days := useDays
	if v := q.Get("days"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 || n > mostDays {
			return core.Invalid("days", "days must be a whole number from 1 to %d.", mostDays)
		}
		days = n
	}
	if ref := q.Get("user"); ref != "" && ref != p.User {
		if !p.Scopes.Has(core.ScopeAdmin) {
			return core.Errorf(core.CodeNotFound, "There is no account %.80q.", ref)
		}
		u, err := h.Users.User(ctx, ref)
		if err != nil {
			return err
		}
		p = core.Principal{Tenant: u.Tenant(), User: u.ID}
	}
	left := h.Quotas.Limits(ctx, p) // first, so that what is not held any more is told as used
	used, err := h.Quotas.Used(ctx, core.QuotaUser, p.User, h.Now().AddDate(0, 0, 1-days))
	if err != nil {
		return err
	}
	out := Usage{User: p.User, Limits: quotasOf(left), Days: []Day{}}
	for _, u := range used {
		out.add(u)
	}
	if n := len(out.Days); n > 0 && out.Days[n-1].Date == h.Now().UTC().Format(time.DateOnly) {
		out.Today = out.Days[n-1].Sum
	}
	w.Header().Set("Cache-Control", "no-store")
	return api.WriteJSON(w, http.StatusOK, out)
}
