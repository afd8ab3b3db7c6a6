package v1_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"ashatai/internal/api"
	"ashatai/internal/api/v1"
	"ashatai/internal/core"
)

// fakeJobs has one job, job_1, with a log of three entries.
type fakeJobs struct {
	asked    string // kind, state and number of the last list
	followed bool
}

func (f *fakeJobs) job() core.Job {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	return core.Job{
		ID: "job_1", Kind: "pull", State: core.JobFailed, Title: "pull m", User: "ann", Created: at, Started: at, Ended: at, Attempts: 2,
		Progress: core.JobProgress{Status: "pulling", Completed: 3, Total: 9}, Error: core.Errorf(core.CodeDiskFull, "The disk is full."),
	}
}

func (f *fakeJobs) Get(_ context.Context, id string) (core.Job, error) {
	if id != "job_1" {
		return core.Job{}, core.Errorf(core.CodeNotFound, "There is no job %s.", id)
	}
	return f.job(), nil
}

func (f *fakeJobs) List(_ context.Context, kind string, state core.JobState, most int) ([]core.Job, error) {
	f.asked = kind + " " + string(state) + " " + string(rune('0'+most%10))
	return []core.Job{f.job()}, nil
}

func (f *fakeJobs) Cancel(ctx context.Context, id string) (core.Job, error) { return f.Get(ctx, id) }

func (f *fakeJobs) Follow(ctx context.Context, id string, after int64, tell func([]core.JobEvent) error) error {
	f.followed = true
	return f.Log(ctx, id, after, tell)
}

func (f *fakeJobs) Log(_ context.Context, _ string, after int64, tell func([]core.JobEvent) error) error {
	var out []core.JobEvent
	for seq := after + 1; seq <= 3; seq++ {
		out = append(out, core.JobEvent{Seq: seq, Kind: core.JobEventProgress, Body: `{"status":"pulling"}`})
	}
	return tell(out)
}

func (f *fakeJobs) Pull(_ context.Context, req v1.PullRequest) (core.Job, error) {
	j := f.job()
	j.Title = req.Name
	return j, nil
}

func TestJobs(t *testing.T) {
	jobs, f := &fakeJobs{}, &fake{}
	d := v1.Dialect(v1.Config{Models: f, Creator: f, Aliases: f, Puller: f, Fleet: f, Tokens: f, Jobs: jobs})
	h, err := api.NewMux([]api.Dialect{d}, func(row api.Route, d api.Dialect) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if err := row.Handle(w, r); err != nil {
				d.WriteError(w, r, core.AsError(err))
			}
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	for _, c := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{http.MethodGet, "/api/v1/jobs", "", 200, `"completed":3`},
		{http.MethodGet, "/api/v1/jobs?kind=pull&state=failed&limit=7", "", 200, `"code":"disk_full"`},
		{http.MethodGet, "/api/v1/jobs?limit=0", "", 400, "limit"},
		{http.MethodGet, "/api/v1/jobs?state=odd", "", 400, "odd"},
		{http.MethodGet, "/api/v1/jobs/job_1", "", 200, `"attempts":2`},
		{http.MethodGet, "/api/v1/jobs/job_2", "", 404, "job_2"},
		{http.MethodPost, "/api/v1/jobs/job_1/cancel", "", 200, `"id":"job_1"`},
		{http.MethodPost, "/api/v1/jobs/job_2/cancel", "", 404, "job_2"},
		{http.MethodGet, "/api/v1/jobs/job_2/events", "", 404, "job_2"},
		{http.MethodGet, "/api/v1/jobs/job_1/events?after=-1", "", 400, "number"},
		{http.MethodGet, "/api/v1/models/org%2Fm/placement", "", 200, `"candidates":[]`},
		{http.MethodGet, "/api/v1/runtimes", "", 200, `"name":"mock"`},
	} {
		status, body := do(t, srv, c.method, c.path, c.body)
		if status != c.status || !strings.Contains(body, c.want) {
			t.Errorf("%s %s: %d %s, want %d with %q", c.method, c.path, status, body, c.status, c.want)
		}
		if strings.Contains(c.path, "kind=") && jobs.asked != "pull failed 7" {
			t.Errorf("the list was asked for %q", jobs.asked)
		}
	}
}

// TestJobEvents: the log goes on behind the number that the reader has seen, whichever way it says so.
func TestJobEvents(t *testing.T) {
	for name, c := range map[string]struct {
		query, last string
		first       string
		events      int
		follow      bool
	}{
		"all": {"", "", "id: 1", 3, true}, "after": {"?after=1", "", "id: 2", 2, true},
		"seen": {"?after=0", "2", "id: 3", 1, true}, "what is there": {"?follow=false", "", "id: 1", 3, false},
	} {
		jobs := &fakeJobs{}
		d := v1.Dialect(v1.Config{Jobs: jobs, Models: &fake{}, Creator: &fake{}, Aliases: &fake{}, Puller: &fake{}, Fleet: &fake{}, Tokens: &fake{}})
		h, err := api.NewMux([]api.Dialect{d}, func(row api.Route, _ api.Dialect) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if err := row.Handle(w, r); err != nil {
					t.Error(err)
				}
			})
		})
		if err != nil {
			t.Fatal(err)
		}
		srv := httptest.NewServer(h)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL+"/api/v1/jobs/job_1/events"+c.query, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		if c.last != "" {
			req.Header.Set("Last-Event-ID", c.last)
		}
		res, err := srv.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		if err != nil || !strings.HasPrefix(string(body), c.first) || strings.Count(string(body), "event: progress") != c.events || jobs.followed != c.follow {
			t.Errorf("%s: %q, %v, followed %v", name, body, err, jobs.followed)
		}
		if err := res.Body.Close(); err != nil {
			t.Error(err)
		}
		srv.Close()
	}
}
