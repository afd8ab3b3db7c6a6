package node

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"ashatai/internal/api"
	"ashatai/internal/api/v1"
	"ashatai/internal/audit"
	"ashatai/internal/core"
	"ashatai/internal/jobs"
	"ashatai/internal/models/get"
	"ashatai/internal/node/view"
	"ashatai/internal/store"
	"ashatai/internal/store/postgres"
	"ashatai/internal/store/sqlite"
)

const (
	kindPull = "pull"
	// pullsAtOnce bounds pulls that run; others wait their turn.
	pullsAtOnce = 4
)

// pullArgs are the arguments of a pull as its record keeps them. The source may hold a secret, as a signed address does.
type pullArgs struct {
	Source string `json:"source"`
	Name   string `json:"name"`
	SHA256 string `json:"sha256"`
}

type pullResult struct {
	Model  string `json:"model"`
	Digest string `json:"digest"`
}

// makeJobs makes the runner of jobs with every kind that there is.
func (n *Node) makeJobs(context.Context) (err error) {
	cfg := jobs.Config{
		Store: n.db.Jobs(), Log: n.log, Now: time.Now, Retention: n.set.Jobs.Retention,
		Kinds: []jobs.Kind{{Name: kindPull, Workers: pullsAtOnce, Run: n.runPull}},
	}
	switch db := n.db.(type) {
	case *sqlite.DB:
		cfg.SQLite = db.Side().DB
	case *postgres.DB:
		cfg.Postgres = db.Pool()
	}
	n.jobs, err = jobs.New(cfg)
	return err
}

// runPull does a pull. One that was cut off goes on where it stopped, and one that is done finds its file there.
func (n *Node) runPull(ctx context.Context, t *jobs.Task) (any, error) {
	var a pullArgs
	if err := json.Unmarshal(t.Args, &a); err != nil {
		return nil, core.Wrap(core.CodeInternal, err, "The arguments of the pull cannot be read.")
	}
	m, err := n.models.Pull(ctx, get.Request(a), func(p get.Progress) {
		t.Progress(core.JobProgress{Status: p.Status, Digest: p.Digest, Completed: p.Completed, Total: p.Total})
	})
	if err != nil {
		return nil, err
	}
	// The call that began the pull was over long ago.
	n.note(ctx, audit.Act{
		Who: core.Principal{Tenant: t.Tenant, User: t.User}, Action: "job pull", Kind: string(api.ObjectModel), Object: m.Name, Detail: t.ID,
	}, http.StatusOK)
	return pullResult{Model: m.Name, Digest: m.Digest}, nil
}

// puller installs models by jobs, so that a pull survives the server's end.
type puller struct {
	jobs   *jobs.Service
	models view.Shown
}

// begin keeps the job of a pull.
func (p puller) begin(ctx context.Context, req get.Request) (core.Job, error) {
	if err := view.Whole(ctx); err != nil {
		return core.Job{}, err
	}
	if _, err := get.Parse(req); err != nil { // a wrong source may hold what no list of jobs is to show
		return core.Job{}, err
	}
	who := core.PrincipalFrom(ctx)
	shown := view.Source(req.Source)
	api.NoteObject(ctx, shown)
	return p.jobs.Add(ctx, jobs.Request{
		Kind: kindPull, Title: "pull " + shown, Args: pullArgs(req), Owner: store.Owner{Tenant: who.Tenant, User: who.User},
	})
}

// pull begins a pull and follows it to its end. When ctx ends first, the pull is cancelled; not so when the server does.
func (p puller) pull(ctx context.Context, req get.Request, tell func(job string, at core.JobProgress)) (*core.Manifest, error) {
	j, err := p.begin(ctx, req)
	if err != nil {
		return nil, err
	}
	p.tellWaiting(ctx, j, tell)
	err = p.jobs.Follow(ctx, j.ID, 0, func(events []core.JobEvent) error {
		for _, e := range events {
			var at core.JobProgress
			if e.Kind == core.JobEventProgress && json.Unmarshal([]byte(e.Body), &at) == nil {
				tell(j.ID, at)
			}
		}
		return ctx.Err() // telling may have found the client gone
	})
	if ctx.Err() != nil {
		_, _ = p.jobs.Cancel(context.WithoutCancel(ctx), j.ID) // whoever lists the jobs sees what became of it
		return nil, context.Cause(ctx)
	}
	if err != nil {
		return nil, err
	}
	if j, err = p.jobs.Get(ctx, j.ID); err != nil {
		return nil, err
	}
	switch {
	case j.Error != nil:
		return nil, j.Error
	case j.State != core.JobDone:
		return nil, core.Errorf(core.CodeCancelled, "The pull was cancelled.")
	}
	var r pullResult
	if err := json.Unmarshal(j.Result, &r); err != nil {
		return nil, core.Wrap(core.CodeInternal, err, "The result of the pull cannot be read.")
	}
	return p.models.Resolve(ctx, r.Model)
}

// tellWaiting says what a pull waits for: without a word it would look dead until another has ended.
func (p puller) tellWaiting(ctx context.Context, j core.Job, tell func(job string, at core.JobProgress)) {
	running, err := p.jobs.List(ctx, kindPull, core.JobRunning, pullsAtOnce)
	if err == nil && len(running) >= pullsAtOnce && !slices.ContainsFunc(running, func(r core.Job) bool { return r.ID == j.ID }) {
		tell(j.ID, core.JobProgress{Status: fmt.Sprintf("waiting: %d pulls run already", pullsAtOnce)})
	}
}

// v1Puller gives the server's own API its pulls.
type v1Puller struct{ puller }

func (a v1Puller) Pull(ctx context.Context, req v1.PullRequest, progress func(v1.PullProgress)) (*core.Manifest, error) {
	return a.pull(ctx, get.Request{Source: req.Source, Name: req.Name, SHA256: req.SHA256}, func(job string, p core.JobProgress) {
		progress(v1.PullProgress{Job: job, Status: p.Status, Total: p.Total, Completed: p.Completed, Digest: p.Digest})
	})
}

// v1Jobs gives it the jobs.
type v1Jobs struct {
	*jobs.Service

	puller puller
}

func (a v1Jobs) Pull(ctx context.Context, req v1.PullRequest) (core.Job, error) {
	return a.puller.begin(ctx, get.Request{Source: req.Source, Name: req.Name, SHA256: req.SHA256})
}
