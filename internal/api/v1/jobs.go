package v1

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"time"

	"ashatai/internal/api"
	"ashatai/internal/core"
)

// Jobs is work that outlives requests. Errors: CodeNotFound.
type Jobs interface {
	Get(ctx context.Context, id string) (core.Job, error)
	List(ctx context.Context, kind string, state core.JobState, most int) ([]core.Job, error)
	Cancel(ctx context.Context, id string) (core.Job, error)
	// Follow hands on the events with numbers above after, as they are written, until the job has ended or tell fails.
	Follow(ctx context.Context, id string, after int64, tell func([]core.JobEvent) error) error
	// Log is Follow for what is there now.
	Log(ctx context.Context, id string, after int64, tell func([]core.JobEvent) error) error
	// Pull begins a pull that nobody needs to wait for.
	Pull(ctx context.Context, req PullRequest) (core.Job, error)
}

// Job is work that outlives the request that asked for it.
type Job struct {
	ID        string          `json:"id"`
	Kind      string          `json:"kind" doc:"pull"`
	State     string          `json:"state" doc:"queued, running, done, failed, cancelled"`
	Title     string          `json:"title" doc:"what it does"`
	User      string          `json:"user" doc:"who asked for it"`
	Status    string          `json:"status" doc:"what it is at"`
	Completed int64           `json:"completed" doc:"of the work, for a pull bytes"`
	Total     int64           `json:"total" doc:"0: unknown"`
	Attempts  int             `json:"attempts" doc:"how often it was begun; more than 1 where the server ended meanwhile"`
	Created   time.Time       `json:"created"`
	Started   *time.Time      `json:"started,omitempty"`
	Ended     *time.Time      `json:"ended,omitempty"`
	Result    json.RawMessage `json:"result,omitempty"`
	Error     *api.ErrorBody  `json:"error,omitempty"`
}

// JobList is some jobs, the newest first.
type JobList struct {
	Jobs []Job `json:"jobs"`
}

// JobEvent is one entry of a job's log.
type JobEvent struct {
	Time time.Time       `json:"time"`
	Data json.RawMessage `json:"data" doc:"state: the new state, with a result or an error; progress: status, completed, total; log: text"`
}

func (h handlers) jobRoutes() []api.Route {
	if h.c.Jobs == nil {
		return nil
	}
	const one = "/api/v1/jobs/{id}"
	read := func(path, summary string, response any, handle api.Handler) api.Route {
		return api.Route{
			Method: http.MethodGet, Path: path, Summary: summary, Scope: core.ScopeOperate, Limit: api.LimitRead,
			Response: response, Statuses: []int{http.StatusBadRequest, http.StatusNotFound}, Handle: handle,
		}
	}
	ofOne := func(r api.Route) api.Route {
		r.Object = api.ObjectJob
		return r
	}
	events := read(one+"/events", "Follows a job's log as server-sent events, after the number in Last-Event-ID or in after.", nil, h.jobEvents)
	events.Stream, events.Produces = JobEvent{}, "text/event-stream"
	return []api.Route{
		read("/api/v1/jobs", "Lists the jobs, the newest first, of a kind and in a state where the query names them.", JobList{}, h.listJobs),
		ofOne(read(one, "Shows a job.", Job{}, h.getJob)),
		ofOne(events),
		{
			Method: http.MethodPost, Path: one + "/cancel", Summary: "Cancels a job that has not ended.",
			Scope: core.ScopeOperate, Limit: api.LimitWrite, Audit: api.AuditChange, Object: api.ObjectJob, Response: Job{},
			Statuses: []int{http.StatusNotFound}, Handle: h.cancelJob,
		},
	}
}

const (
	jobPage = 50
	maxJobs = 1000
)

func (h handlers) listJobs(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	most := jobPage
	if v := q.Get("limit"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 || n > maxJobs {
			return core.Invalid("limit", "limit must be a whole number from 1 to %d.", maxJobs)
		}
		most = n
	}
	state := core.JobState(q.Get("state"))
	if state != "" && !slices.Contains(core.JobStates(), state) {
		return core.Invalid("state", "There is no state %.80q of a job; it is queued, running, done, failed or cancelled.", state)
	}
	list, err := h.c.Jobs.List(r.Context(), q.Get("kind"), state, most)
	if err != nil {
		return err
	}
	out := JobList{Jobs: make([]Job, len(list))}
	for i, j := range list {
		out.Jobs[i] = jobOf(w, j)
	}
	return api.WriteJSON(w, http.StatusOK, out)
}

func (h handlers) getJob(w http.ResponseWriter, r *http.Request) error {
	j, err := h.c.Jobs.Get(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	return api.WriteJSON(w, http.StatusOK, jobOf(w, j))
}

func (h handlers) cancelJob(w http.ResponseWriter, r *http.Request) error {
	j, err := h.c.Jobs.Cancel(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	return api.WriteJSON(w, http.StatusOK, jobOf(w, j))
}

func (h handlers) jobEvents(w http.ResponseWriter, r *http.Request) error {
	after := int64(0)
	for _, v := range []string{r.URL.Query().Get("after"), r.Header.Get("Last-Event-ID")} {
		if v == "" {
			continue
		}
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil || n < 0 {
			return core.Invalid("after", "The number of the last event must be a whole number, 0 or more.")
		}
		after = n
	}
	follow := r.URL.Query().Get("follow") != "false"
	out := api.NewSSE(w, 0)
	if _, err := h.c.Jobs.Get(r.Context(), r.PathValue("id")); err != nil {
		return err
	}
	if err := out.Start(); err != nil {
		return err
	}
	tell := func(events []core.JobEvent) error {
		for _, e := range events {
			if err := out.Numbered(e.Seq, string(e.Kind), JobEvent{Time: e.Time, Data: json.RawMessage(e.Body)}); err != nil {
				return err
			}
		}
		return nil
	}
	if follow {
		return h.c.Jobs.Follow(r.Context(), r.PathValue("id"), after, tell)
	}
	return h.c.Jobs.Log(r.Context(), r.PathValue("id"), after, tell)
}

func jobOf(w http.ResponseWriter, j core.Job) Job {
	out := Job{
		ID: j.ID, Kind: j.Kind, State: string(j.State), Title: j.Title, User: j.User, Status: j.Progress.Status, Completed: j.Progress.Completed,
		Total: j.Progress.Total, Attempts: j.Attempts, Created: j.Created, Result: j.Result,
	}
	if !j.Started.IsZero() {
		out.Started = &j.Started
	}
	if !j.Ended.IsZero() {
		out.Ended = &j.Ended
	}
	if j.Error != nil {
		e := api.ErrorOf(w, j.Error)
		out.Error = &e
	}
	return out
}
