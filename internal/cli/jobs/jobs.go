// Package jobs are the commands on a server's jobs: list, show, cancel, logs. They ask a running server.
package jobs

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"ashatai/internal/cli/console"
)

// job is what the server says of one.
type job struct {
	ID        string    `json:"id"`
	Kind      string    `json:"kind"`
	State     string    `json:"state"`
	Title     string    `json:"title"`
	User      string    `json:"user"`
	Status    string    `json:"status"`
	Completed int64     `json:"completed"`
	Total     int64     `json:"total"`
	Attempts  int       `json:"attempts"`
	Created   time.Time `json:"created"`
	Error     *struct {
		Error struct {
			Message string `json:"message"`
		} `json:"error"`
	} `json:"error"`
}

// Command is job with the commands below it.
func Command(on console.Console) *cobra.Command {
	cmd := &cobra.Command{
		Use: "job", Short: "See and cancel what the server does on its own", Args: on.NoSuch,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(list(on), show(on), cancel(on), logs(on))
	return cmd
}

// most is how many jobs a server lists at once.
const most = 1000

func path(id string) string { return "/api/v1/jobs/" + url.PathEscape(id) }

func list(on console.Console) *cobra.Command {
	var kind, state string
	var limit int
	var asJSON bool
	cmd := &cobra.Command{Use: "list", Aliases: []string{"ls"}, Short: "List the jobs, the newest first", Args: on.NoArgs}
	server := on.Server(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		s, err := server()
		if err != nil {
			return err
		}
		var got struct {
			Jobs []job `json:"jobs"`
		}
		query := url.Values{"kind": {kind}, "state": {state}, "limit": {strconv.Itoa(limit)}}
		raw, err := s.Call(cmd.Context(), http.MethodGet, "/api/v1/jobs?"+query.Encode(), nil, &got)
		if err != nil {
			return err
		}
		if asJSON {
			return on.JSON(raw)
		}
		rows := [][]string{{"ID", "STATE", "DONE", "CREATED", "WHAT"}}
		for _, j := range got.Jobs {
			rows = append(rows, []string{j.ID, j.State, j.done(), j.Created.Local().Format(time.DateTime), j.Title})
		}
		if err := on.Table(rows); err != nil || len(got.Jobs) < limit || limit >= most {
			return err
		}
		on.Tell("There may be older ones: --limit %d\n", min(2*limit, most))
		return nil
	}
	cmd.Flags().StringVar(&kind, "kind", "", "only jobs of this `KIND`, as pull")
	cmd.Flags().StringVar(&state, "state", "", "only jobs in this `STATE`: queued, running, done, failed, cancelled")
	cmd.Flags().IntVar(&limit, "limit", 50, fmt.Sprintf("list `N` jobs at most, up to %d", most))
	cmd.Flags().BoolVar(&asJSON, "json", false, console.JSONUsage)
	return cmd
}

// done is how far a job is.
func (j job) done() string {
	const percent = 100
	switch {
	case j.State == "done":
		return "100%"
	case j.Total > 0:
		return strconv.FormatInt(j.Completed*percent/j.Total, 10) + "%"
	}
	return "-"
}

func show(on console.Console) *cobra.Command {
	return one(on, "show ID", "Show a job", func(id string) (string, string) { return http.MethodGet, path(id) })
}

func cancel(on console.Console) *cobra.Command {
	return one(on, "cancel ID", "Cancel a job that has not ended", func(id string) (string, string) { return http.MethodPost, path(id) + "/cancel" })
}

// one is a command that answers with a job.
func one(on console.Console, use, short string, call func(id string) (method, path string)) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{Use: use, Short: short, Args: on.OneArg("the id of a job")}
	server := on.Server(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		s, err := server()
		if err != nil {
			return err
		}
		var j job
		method, at := call(args[0])
		raw, err := s.Call(cmd.Context(), method, at, nil, &j)
		if err != nil {
			return err
		}
		if asJSON {
			return on.JSON(raw)
		}
		rows := [][]string{{"ID", "STATE", "DONE", "ATTEMPTS", "WHAT"}, {j.ID, j.State, j.done(), strconv.Itoa(j.Attempts), j.Title}}
		if err := on.Table(rows); err != nil {
			return err
		}
		if j.Error != nil {
			on.Printf("%s\n", on.Plain(j.Error.Error.Message))
		}
		return nil
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, console.JSONUsage)
	return cmd
}

// entry is one event of a job's log.
type entry struct {
	Time time.Time `json:"time"`
	Data struct {
		State     string `json:"state"`
		Text      string `json:"text"`
		Status    string `json:"status"`
		Completed int64  `json:"completed"`
		Total     int64  `json:"total"`
		Error     *struct {
			Message string `json:"message"`
		} `json:"error"`
	} `json:"data"`
}

func (e entry) String() string {
	d := e.Data
	switch {
	case d.Error != nil:
		return d.State + ": " + d.Error.Message
	case d.State != "":
		return d.State
	case d.Total > 0:
		return fmt.Sprintf("%s %d of %d", d.Status, d.Completed, d.Total)
	case d.Status != "":
		return d.Status
	}
	return d.Text
}

func logs(on console.Console) *cobra.Command {
	var follow bool
	cmd := &cobra.Command{Use: "logs ID", Short: "Print a job's log", Args: on.OneArg("the id of a job")}
	server := on.Server(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		s, err := server()
		if err != nil {
			return err
		}
		r := reader{on: on, server: s, at: path(args[0]) + "/events"}
		if !follow {
			return r.read(cmd.Context(), "?follow=false")
		}
		return r.follow(cmd.Context())
	}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on until the job has ended, also where the server is started again meanwhile")
	return cmd
}
