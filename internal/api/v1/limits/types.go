package limits

import (
	"time"

	"ashatai/internal/core"
)

// Quota is a limit, with what is left of it.
type Quota struct {
	ID        string           `json:"id"`
	Kind      core.QuotaKind   `json:"kind" doc:"what it is for" enum:"user,group,key,model"`
	Subject   string           `json:"subject" doc:"the id of the user, group or key, or the name of the model; * for each that has no quota of its own"`
	Name      string           `json:"name" doc:"the subject for people: a user's, group's or key's name"`
	Model     string           `json:"model,omitempty" doc:"the only model that counts; absent: all count"`
	Unit      core.QuotaUnit   `json:"unit" doc:"what it counts; a weight is no limit but the share of the queue beside others who wait" enum:"tokens,requests,concurrent,weight"`
	Window    core.QuotaWindow `json:"window,omitempty" doc:"in which time, in UTC; absent for concurrent and weight" enum:"minute,day,month"`
	Limit     int64            `json:"limit"`
	Used      int64            `json:"used" doc:"in the present window"`
	Reserved  int64            `json:"reserved" doc:"held by requests that run: what they may need at most"`
	Remaining int64            `json:"remaining" doc:"limit less used and reserved, never below 0"`
	Resets    *time.Time       `json:"resets_at,omitempty" doc:"when the window begins anew"`
	Created   time.Time        `json:"created_at"`
	Updated   time.Time        `json:"updated_at"`
}

func quotaOf(q core.QuotaState) Quota {
	out := Quota{
		ID: q.ID, Kind: q.Kind, Subject: q.Subject, Name: q.Name, Model: q.Model, Unit: q.Unit, Window: q.Window, Limit: q.Limit,
		Used: q.Used, Reserved: q.Reserved, Remaining: q.Left(), Created: q.Created, Updated: q.Updated,
	}
	if !q.Resets.IsZero() {
		out.Resets = &q.Resets
	}
	return out
}

func quotasOf(list []core.QuotaState) []Quota {
	out := make([]Quota, len(list))
	for i, q := range list {
		out[i] = quotaOf(q)
	}
	return out
}

// QuotaList is quotas.
type QuotaList struct {
	Quotas []Quota `json:"quotas"`
}

// QuotaRequest is a quota to be set.
type QuotaRequest struct {
	Kind    string `json:"kind" required:"true" doc:"what it is for" enum:"user,group,key,model"`
	Subject string `json:"subject" required:"true" doc:"id or name; * for each that has no quota of its own"`
	Model   string `json:"model,omitempty" doc:"the only model that counts; absent: all count"`
	Unit    string `json:"unit" required:"true" doc:"what it counts" enum:"tokens,requests,concurrent,weight"`
	Window  string `json:"window,omitempty" doc:"in which time, for tokens and requests" enum:"minute,day,month"`
	Limit   *int64 `json:"limit" required:"true" doc:"0 allows nothing"`
}

// Removed says that a quota is gone.
type Removed struct {
	OK bool `json:"ok"`
}

// Usage is what an account used, and what is left to it.
type Usage struct {
	User   string  `json:"user" doc:"id of the account"`
	Today  Sum     `json:"today" doc:"of the newest day below, where that is today in UTC"`
	Total  Sum     `json:"total" doc:"of all days below"`
	Days   []Day   `json:"days" doc:"days with use, in UTC, the oldest first"`
	Limits []Quota `json:"limits" doc:"the quotas that hold for the caller, the nearest to its end first; used and reserved are what counts against each"`
}

// Sum is what was used.
type Sum struct {
	Requests   int64 `json:"requests"`
	Prompt     int64 `json:"prompt_tokens"`
	Completion int64 `json:"completion_tokens"`
	Tokens     int64 `json:"tokens" doc:"both together"`
}

func sumOf(u core.QuotaUse) Sum {
	return Sum{Requests: u.Requests, Prompt: u.Prompt, Completion: u.Completion, Tokens: u.Prompt + u.Completion}
}

// Day is what was used on one day.
type Day struct {
	Sum

	Date   string         `json:"date" doc:"as 2026-01-31"`
	Models map[string]Sum `json:"models" doc:"by model"`
}

// add takes a row of use in. Rows come in the order of their days, and in a day the one of all models together is the first.
func (u *Usage) add(row core.QuotaUse) {
	date, sum := row.Start.UTC().Format(time.DateOnly), sumOf(row)
	if n := len(u.Days); n == 0 || u.Days[n-1].Date != date {
		u.Days = append(u.Days, Day{Date: date, Models: map[string]Sum{}})
	}
	day := &u.Days[len(u.Days)-1]
	if row.Model != "" {
		day.Models[row.Model] = sum
		return
	}
	day.Sum = sum
	u.Total.Requests += sum.Requests
	u.Total.Prompt += sum.Prompt
	u.Total.Completion += sum.Completion
	u.Total.Tokens += sum.Tokens
}
