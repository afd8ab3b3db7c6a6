package v1

import (
	"net/http"
	"time"

	"ashatai/internal/api"
	"ashatai/internal/core"
	"ashatai/internal/obs"
)

// Watcher knows what is being answered.
type Watcher interface {
	Snapshot() obs.Snapshot
}

// Activity is what the server does now and did in the last quarter of an hour. A caller without the scope operate sees
// its own requests and use, and everybody's figures without names.
type Activity struct {
	Since      time.Time      `json:"since" doc:"when the server started; totals count from here"`
	Live       []LiveRequest  `json:"live" doc:"the oldest first"`
	Past       []PastMoment   `json:"past" doc:"the last quarter of an hour in equal steps, the newest last"`
	Step       float64        `json:"step" doc:"length of a step in seconds"`
	FirstToken []FirstBucket  `json:"first_token" doc:"answers since the start by the time to their first token"`
	Users      []UserActivity `json:"users" doc:"use since the start"`
}

// LiveRequest is one request that is being answered.
type LiveRequest struct {
	ID      string  `json:"id"`
	User    string  `json:"user"`
	Model   string  `json:"model"`
	Class   string  `json:"class"`
	Phase   string  `json:"phase" enum:"waiting,reading,answering"`
	Ahead   int     `json:"ahead" doc:"how many that came before it wait for the same model"`
	Seconds float64 `json:"seconds" doc:"since it came"`
	Pieces  int     `json:"pieces" doc:"of text, mostly one token each"`
	Speed   float64 `json:"speed" doc:"pieces per second since the first"`
}

// PastMoment is one step of the past.
type PastMoment struct {
	At      time.Time `json:"at"`
	Pieces  int       `json:"pieces" doc:"of text sent in it, mostly one token each"`
	Done    int       `json:"done" doc:"answers that ended in it"`
	Prompt  int       `json:"prompt" doc:"their prompt tokens"`
	Cached  int       `json:"cached" doc:"those of them that were not computed again"`
	Running int       `json:"running" doc:"the most at once"`
	Waiting int       `json:"waiting" doc:"the most at once"`
}

// FirstBucket counts the answers whose first token came within UpTo seconds, and not within those of the bucket before.
type FirstBucket struct {
	UpTo  float64 `json:"up_to,omitempty" doc:"absent: longer than all others"`
	Count uint64  `json:"count"`
}

// UserActivity is what a user used.
type UserActivity struct {
	User      string `json:"user"`
	Requests  int    `json:"requests"`
	Prompt    int    `json:"prompt"`
	Cached    int    `json:"cached"`
	Generated int    `json:"generated"`
}

func (h handlers) activityRoutes() []api.Route {
	if h.c.Activity == nil {
		return nil
	}
	return []api.Route{{
		Method: http.MethodGet, Path: "/api/v1/activity", Summary: "Says what is being answered, and what was in the last quarter of an hour.",
		Scope: core.ScopeRead, Limit: api.LimitRead, Response: Activity{}, Handle: h.activity,
	}}
}

func (h handlers) activity(w http.ResponseWriter, r *http.Request) error {
	s := h.c.Activity.Snapshot()
	p := core.PrincipalFrom(r.Context())
	mine := func(tenant, user string) bool {
		return p.Scopes.Has(core.ScopeOperate) || tenant == p.Tenant && user == p.User
	}
	out := Activity{Since: s.Began, Step: s.Step.Seconds(), Live: []LiveRequest{}, Past: []PastMoment{}, FirstToken: firstBuckets(s.First), Users: []UserActivity{}}
	now := time.Now()
	for _, l := range s.Live {
		if !mine(l.Tenant, l.User) {
			continue
		}
		row := LiveRequest{
			ID: l.ID, User: l.User, Model: l.Model, Class: l.Class.String(), Phase: l.Phase, Ahead: l.Ahead,
			Seconds: now.Sub(l.Began).Seconds(), Pieces: l.Pieces,
		}
		if took := now.Sub(l.First).Seconds(); l.Pieces > 1 && took > 0 {
			row.Speed = float64(l.Pieces-1) / took
		}
		out.Live = append(out.Live, row)
	}
	for _, m := range s.Past {
		out.Past = append(out.Past, PastMoment(m))
	}
	for _, u := range s.Users {
		if mine(u.Tenant, u.User) {
			out.Users = append(out.Users, UserActivity{User: u.User, Requests: u.Requests, Prompt: u.Prompt, Cached: u.Cached, Generated: u.Generated})
		}
	}
	return api.WriteJSON(w, http.StatusOK, out)
}

func firstBuckets(counts []uint64) []FirstBucket {
	bounds := obs.FirstBounds()
	out := make([]FirstBucket, 0, len(counts))
	for i, n := range counts {
		b := FirstBucket{Count: n}
		if i < len(bounds) {
			b.UpTo = bounds[i]
		}
		out = append(out, b)
	}
	return out
}
