package limits

import (
	"net/http"
	"time"

	"ashatai/internal/api"
	"ashatai/internal/core"
)

// Export is the answer of GET /api/v1/usage/export.
type Export struct {
	From string `json:"from" doc:"the first day, in UTC"`
	To   string `json:"to" doc:"the last day, in UTC"`
	Rows []Row  `json:"rows" doc:"in the order of days"`
}

// Row is what one subject used on one day.
type Row struct {
	Sum

	Date  string `json:"date" doc:"as 2026-01-31, in UTC"`
	Kind  string `json:"kind" enum:"user,group,key,model"`
	ID    string `json:"id" doc:"of the user, group, key or model"`
	Name  string `json:"name" doc:"its name; the id where it has none any more"`
	Model string `json:"model" doc:"the model that it used; empty: all models together"`
}

// export answers with all rows at once: they are one for each subject, model and day.
func (h handlers) export(w http.ResponseWriter, r *http.Request) error {
	ctx, q := r.Context(), r.URL.Query()
	kind := core.QuotaKind(q.Get("kind"))
	if err := checkKind(kind); err != nil {
		return err
	}
	today := h.Now().UTC().Truncate(24 * time.Hour)
	from, err := day("from", q.Get("from"), today.AddDate(0, 0, 1-useDays))
	if err != nil {
		return err
	}
	to, err := day("to", q.Get("to"), today)
	if err != nil {
		return err
	}
	if to.Before(from) {
		return core.Invalid("to", "to is %s, before from, which is %s.", to.Format(time.DateOnly), from.Format(time.DateOnly))
	}
	used, err := h.Quotas.Used(ctx, kind, "", from)
	if err != nil {
		return err
	}
	out := Export{From: from.Format(time.DateOnly), To: to.Format(time.DateOnly), Rows: []Row{}}
	type subject struct {
		kind core.QuotaKind
		id   string
	}
	names := map[subject]string{}
	for _, u := range used {
		if u.Start.After(to) {
			break
		}
		s := subject{u.Kind, u.Subject}
		if _, known := names[s]; !known {
			names[s] = h.Quotas.Name(ctx, u.Kind, u.Subject)
		}
		out.Rows = append(out.Rows, Row{Sum: sumOf(u), Date: u.Start.UTC().Format(time.DateOnly), Kind: string(u.Kind), ID: u.Subject, Name: names[s], Model: u.Model})
	}
	w.Header().Set("Cache-Control", "no-store")
	return api.WriteJSON(w, http.StatusOK, out)
}

// day reads a day in UTC.
func day(param, text string, other time.Time) (time.Time, error) {
	if text == "" {
		return other, nil
	}
	t, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return t, core.Invalid(param, "%s is %.40q; write a day as 2026-01-31.", param, text)
	}
	return t, nil
}

func checkKind(kind core.QuotaKind) error {
	switch kind {
	case "", core.QuotaUser, core.QuotaGroup, core.QuotaKey, core.QuotaModel:
		return nil
	}
	return core.Invalid("kind", "kind is user, group, key or model; it is %.40q.", string(kind))
}
