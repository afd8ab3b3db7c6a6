package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"ashatai/internal/core"
	"ashatai/internal/store"
	"ashatai/internal/store/sqlite/query"
)

// Jobs implements store.DB.
func (db *DB) Jobs() store.Jobs { return jobs{db} }

type jobs struct{ db *DB }

// jobError is how a job's error is kept: what may be shown, without its private cause.
type jobError struct {
	Code    core.Code `json:"code"`
	Message string    `json:"message"`
	Param   string    `json:"param,omitempty"`
}

// Add implements store.Jobs.
func (m jobs) Add(ctx context.Context, j core.Job) error {
	return m.db.inTx(ctx, func(q *query.Queries) error {
		if err := q.AddJob(ctx, query.AddJobParams{ID: j.ID, Kind: j.Kind, Tenant: j.Tenant, User: j.User, Created: j.Created.UnixNano()}); err != nil {
			return err
		}
		if err := q.AddJobContent(ctx, query.AddJobContentParams{ID: j.ID, Title: j.Title, Args: string(j.Args)}); err != nil {
			return err
		}
		return addState(ctx, q, j.ID, core.JobEnd{State: core.JobQueued}, j.Created)
	})
}

// addState writes a change of state into the log.
func addState(ctx context.Context, q *query.Queries, id string, end core.JobEnd, now time.Time) error {
	body := struct {
		State  core.JobState   `json:"state"`
		Result json.RawMessage `json:"result,omitempty"`
		Error  *jobError       `json:"error,omitempty"`
	}{State: end.State, Result: end.Result, Error: shown(end.Error)}
	b, err := json.Marshal(body)
	if err != nil {
		return err
	}
	return q.AddJobEvent(ctx, query.AddJobEventParams{Job: id, Kind: string(core.JobEventState), Body: string(b), Created: now.UnixNano()})
}

func shown(e *core.Error) *jobError {
	if e == nil {
		return nil
	}
	return &jobError{Code: e.Code, Message: e.Message, Param: e.Param}
}

// Get implements store.Jobs.
func (m jobs) Get(ctx context.Context, id string) (core.Job, bool, error) {
	row, err := m.db.reader().GetJob(ctx, id)
	if errors.Is(err, sql.ErrNoRows) {
		return core.Job{}, false, nil
	}
	if err != nil {
		return core.Job{}, false, m.db.explain(err)
	}
	j, err := jobOf(row)
	return j, err == nil, err
}

// List implements store.Jobs.
func (m jobs) List(ctx context.Context, kind string, state core.JobState, most int) ([]core.Job, error) {
	rows, err := m.db.reader().ListJobs(ctx, query.ListJobsParams{Kind: kind, State: string(state), Most: int64(most)})
	if err != nil {
		return nil, m.db.explain(err)
	}
	list := make([]core.Job, len(rows))
	for i, r := range rows {
		if list[i], err = jobOf(query.GetJobRow(r)); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// Start implements store.Jobs.
func (m jobs) Start(ctx context.Context, id string, now time.Time) (started bool, err error) {
	err = m.db.inTx(ctx, func(q *query.Queries) error {
		n, err := q.StartJob(ctx, query.StartJobParams{Started: now.UnixNano(), ID: id})
		if started = n > 0; err != nil || !started {
			return err
		}
		return addState(ctx, q, id, core.JobEnd{State: core.JobRunning}, now)
	})
	return started, err
}

// Report implements store.JobLog.
func (m jobs) Report(ctx context.Context, id string, events []core.JobEvent, p *core.JobProgress) error {
	return m.db.inTx(ctx, func(q *query.Queries) error {
		if p != nil {
			n, err := q.SetJobProgress(ctx, query.SetJobProgressParams{Completed: p.Completed, Total: p.Total, ID: id})
			if err != nil || n == 0 {
				return err // it has ended: nothing more is told of it
			}
			if err := q.SetJobStatus(ctx, query.SetJobStatusParams{Status: p.Status, ID: id}); err != nil {
				return err
			}
		}
		for _, e := range events {
			err := q.AddJobEvent(ctx, query.AddJobEventParams{Job: id, Kind: string(e.Kind), Body: e.Body, Created: e.Time.UnixNano()})
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// End implements store.Jobs.
func (m jobs) End(ctx context.Context, id string, end core.JobEnd, now time.Time) (ended bool, err error) {
	err = m.db.inTx(ctx, func(q *query.Queries) error {
		if end.State != core.JobQueued {
			ended, err = endJob(ctx, q, id, end, now)
			return err
		}
		n, err := q.RequeueJob(ctx, id)
		if ended = n > 0; err != nil || !ended {
			return err
		}
		return addState(ctx, q, id, end, now)
	})
	return ended, err
}

// endJob ends a job that has not ended.
func endJob(ctx context.Context, q *query.Queries, id string, end core.JobEnd, now time.Time) (bool, error) {
	kept := ""
	if e := shown(end.Error); e != nil {
		b, err := json.Marshal(e)
		if err != nil {
			return false, err
		}
		kept = string(b)
	}
	n, err := q.EndJob(ctx, query.EndJobParams{State: string(end.State), Ended: now.UnixNano(), ID: id})
	if err != nil || n == 0 {
		return false, err
	}
	if err := q.SetJobOutcome(ctx, query.SetJobOutcomeParams{Result: string(end.Result), Error: kept, ID: id}); err != nil {
		return false, err
	}
	return true, addState(ctx, q, id, end, now)
}

// Events implements store.JobLog.
func (m jobs) Events(ctx context.Context, id string, after int64, most int) ([]core.JobEvent, error) {
	rows, err := m.db.reader().ListJobEvents(ctx, query.ListJobEventsParams{Job: id, After: after, Most: int64(most)})
	if err != nil {
		return nil, m.db.explain(err)
	}
	list := make([]core.JobEvent, len(rows))
	for i, r := range rows {
		list[i] = core.JobEvent{Seq: r.Seq, Kind: core.JobEventKind(r.Kind), Body: r.Body, Time: time.Unix(0, r.Created).UTC()}
	}
	return list, nil
}

// Recover implements store.Jobs.
func (m jobs) Recover(ctx context.Context, lost store.LostJobs, now time.Time) (ids []string, err error) {
	err = m.db.inTx(ctx, func(q *query.Queries) error {
		ids = nil
		rows, err := q.ListOpenJobs(ctx)
		if err != nil {
			return err
		}
		for _, r := range rows {
			open := true
			if core.JobState(r.State) == core.JobRunning {
				if open, err = loseJob(ctx, q, r.ID, lost, now); err != nil {
					return err
				}
			}
			if open {
				ids = append(ids, r.ID)
			}
		}
		return nil
	})
	return ids, err
}

// loseJob queues a running job, or ends it, and reports whether it is queued.
func loseJob(ctx context.Context, q *query.Queries, id string, lost store.LostJobs, now time.Time) (bool, error) {
	n, err := q.LoseJob(ctx, query.LoseJobParams{ID: id, Most: int64(lost.Most)})
	if err != nil {
		return false, err
	}
	if n > 0 {
		return true, addState(ctx, q, id, core.JobEnd{State: core.JobQueued}, now)
	}
	_, err = endJob(ctx, q, id, core.JobEnd{State: core.JobFailed, Error: lost.Error}, now)
	return false, err
}

// Expire implements store.Jobs.
func (m jobs) Expire(ctx context.Context, ended time.Time, most int) (int64, error) {
	n, err := m.db.writer().ExpireJobs(ctx, query.ExpireJobsParams{Since: ended.UnixNano(), Most: int64(most)})
	return n, m.db.explain(err)
}

// Thin implements store.JobLog.
func (m jobs) Thin(ctx context.Context, before time.Time, most int) (int64, error) {
	n, err := m.db.writer().ExpireJobProgress(ctx, query.ExpireJobProgressParams{Since: before.UnixNano(), Most: int64(most)})
	return n, m.db.explain(err)
}

func jobOf(r query.GetJobRow) (core.Job, error) {
	j := core.Job{
		ID: r.ID, Kind: r.Kind, State: core.JobState(r.State), Tenant: r.Tenant, User: r.User, Title: r.Title, Args: json.RawMessage(r.Args),
		Progress: core.JobProgress{Status: r.Status, Completed: r.Completed, Total: r.Total}, Attempts: int(r.Attempts), Created: moment(r.Created), Started: moment(r.Started), Ended: moment(r.Ended),
	}
	if r.Result != "" {
		j.Result = json.RawMessage(r.Result)
	}
	if r.Error != "" {
		var e jobError
		if err := json.Unmarshal([]byte(r.Error), &e); err != nil {
			return j, core.Wrap(core.CodeInternal, err, "The error of the job %s cannot be read.", r.ID)
		}
		j.Error = &core.Error{Code: e.Code, Message: e.Message, Param: e.Param}
	}
	return j, nil
}

// moment is a time as the database keeps it; 0 is none.
func moment(nanos int64) time.Time {
	if nanos == 0 {
		return time.Time{}
	}
	return time.Unix(0, nanos).UTC()
}
