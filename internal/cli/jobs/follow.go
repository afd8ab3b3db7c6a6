package jobs

import (
	"context"
	"encoding/json"
	"strconv"
	"time"

	"ashatai/internal/cli/console"
	"ashatai/internal/cli/sse"
	"ashatai/internal/core"
)

const (
	// patience is how long a follower looks for a server that went away: a restart takes seconds, loading models perhaps
	// a minute.
	patience  = 2 * time.Minute
	lookAgain = time.Second
)

// reader prints a job's log.
type reader struct {
	on     console.Console
	server console.Server
	at     string // the path of the events
	after  int64  // the last event printed
	met    bool   // the server answered once
	ended  bool
}

// read prints what the server sends.
func (r *reader) read(ctx context.Context, query string) error {
	body, err := r.server.Open(ctx, r.at+query)
	if err != nil {
		return err
	}
	r.met = true
	defer body.Close() //nolint:errcheck // it was read
	for ev, err := range sse.Numbered(body) {
		if err != nil {
			return err
		}
		var e entry
		if err := json.Unmarshal(ev.Data, &e); err != nil {
			return err
		}
		if n, err := strconv.ParseInt(ev.ID, 10, 64); err == nil {
			r.after = n
		}
		r.ended = core.JobState(e.Data.State).Ended()
		r.on.Printf("%s  %s\n", e.Time.Local().Format(time.TimeOnly), r.on.Plain(e.String()))
	}
	return nil
}

// follow reads until the job has ended. A job outlives its server, so a line that breaks is taken up again after the last
// event, for as long as a server may need to start.
func (r *reader) follow(ctx context.Context) error {
	last := time.Now()
	for {
		before := r.after
		err := r.read(ctx, "?after="+strconv.FormatInt(r.after, 10))
		if r.ended || ctx.Err() != nil {
			return ctx.Err()
		}
		if r.after > before || err == nil {
			last = time.Now()
		}
		if err != nil && (!r.met || !mayPass(err) || time.Since(last) > patience) {
			return err
		}
		wait := time.NewTimer(lookAgain)
		select {
		case <-wait.C:
		case <-ctx.Done():
			wait.Stop()
			return ctx.Err()
		}
	}
}

// mayPass reports whether a failure is one that a server which is started again does not have.
func mayPass(err error) bool {
	switch core.CodeOf(err) { //nolint:exhaustive // every other is an answer
	case core.CodeUnavailable, core.CodeDraining, core.CodeInternal:
		return true
	}
	return false
}
