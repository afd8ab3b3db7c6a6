// Package audit are the rows of the server's own API for the record of acts: its list, a look over the chain, and its export. It
// writes nothing to the record.
package audit

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"time"

	"ashatai/internal/api"
	"ashatai/internal/core"
)

// Record is the chain of acts.
type Record interface {
	Acts(ctx context.Context, f core.AuditFilter) ([]core.AuditAct, bool, error)
	Verify(ctx context.Context) (Report, error)
	Export(ctx context.Context, after int64, row func(core.AuditRow) error, checkpoint func(core.AuditCheckpoint) error) error
	// Names are the names of accounts that are there now, by id.
	Names(ctx context.Context) (map[string]string, error)
}

// Report says what a look over the whole chain found.
type Report struct {
	OK          bool       `json:"ok" doc:"the chain is whole, and is what the server signed"`
	Rows        int64      `json:"rows" doc:"rows that were looked at"`
	Last        int64      `json:"last" doc:"number of the last good row"`
	Head        string     `json:"head" doc:"its hash"`
	BadRow      *int64     `json:"bad_row" doc:"number of the first bad row; null for none"`
	Problem     string     `json:"problem" doc:"what is wrong with it; empty for nothing"`
	Checkpoints int64      `json:"checkpoints" doc:"signatures of the server that hold"`
	SignedRow   int64      `json:"signed_row" doc:"the last row that is covered by one"`
	SignedAt    *time.Time `json:"signed_at" doc:"when it was signed"`
	PublicKey   string     `json:"public_key" doc:"checks the signatures (Ed25519, hex)"`
}

// Entry is one act.
type Entry struct {
	Seq       int64      `json:"seq" doc:"its number in the chain"`
	Time      time.Time  `json:"time"`
	Ended     *time.Time `json:"ended_at" doc:"null: it runs, or the server ended in the middle; also for acts of one row"`
	Tenant    string     `json:"tenant"`
	User      string     `json:"user_id" doc:"local where there are no accounts; empty: nobody known"`
	UserName  string     `json:"user_name" doc:"the account's name now; empty: there is no such account any more"`
	Key       string     `json:"key_id"`
	Session   string     `json:"session_id"`
	Action    string     `json:"action" doc:"the call, as DELETE /api/v1/models/{name...}, or a word for what is no call, as backup"`
	Summary   string     `json:"summary" doc:"what the call does, for people"`
	Kind      string     `json:"object_kind"`
	Object    string     `json:"object" doc:"id of an account, key, session, job or stored object; name of a model"`
	Remote    string     `json:"remote" doc:"the address that it came from; empty: a command on the server's machine, or the server itself"`
	RequestID string     `json:"request_id"`
	Outcome   string     `json:"outcome" doc:"done, refused, failed or open"`
	Status    int        `json:"status" doc:"the status of the answer; 0: open"`
	Detail    string     `json:"detail" doc:"what changed, in the server's words"`
	Hash      string     `json:"hash"`
}

// List is a page of acts, the newest first.
type List struct {
	Entries []Entry `json:"entries"`
	More    bool    `json:"more"`
	Next    int64   `json:"next" doc:"ask for before=NEXT to go on; 0: there are no more"`
}

// Line is one line of an export: a row, or a checkpoint on the row that comes next or later.
type Line struct {
	Row        *Row        `json:"row,omitempty"`
	Checkpoint *Checkpoint `json:"checkpoint,omitempty"`
}

// Row is one row of the chain as it is hashed. Times are nanoseconds since 1970.
type Row struct {
	Seq     int64  `json:"seq"`
	Time    int64  `json:"time" doc:"nanoseconds since 1970, UTC"`
	Act     int64  `json:"act" doc:"the row whose outcome this is; 0: an act"`
	Tenant  string `json:"tenant"`
	User    string `json:"user"`
	Key     string `json:"key"`
	Session string `json:"session"`
	Action  string `json:"action"`
	Kind    string `json:"kind"`
	Object  string `json:"object"`
	Remote  string `json:"remote"`
	Request string `json:"request"`
	Status  int    `json:"status"`
	Detail  string `json:"detail"`
	Hash    string `json:"hash"`
}

// Checkpoint is one signature on the chain.
type Checkpoint struct {
	Seq       int64  `json:"seq"`
	Hash      string `json:"hash"`
	Time      int64  `json:"time" doc:"nanoseconds since 1970, UTC"`
	Key       string `json:"key" doc:"the public key, hex"`
	Signature string `json:"signature" doc:"Ed25519, hex"`
}

type handlers struct {
	record    Record
	summaries func() map[string]string
}

// Routes are the rows. Summaries are what calls do, by method and path.
func Routes(record Record, summaries func() map[string]string) []api.Route {
	h := handlers{record, summaries}
	read := api.Route{Method: http.MethodGet, Scope: core.ScopeAdmin, Limit: api.LimitRead, Statuses: []int{http.StatusBadRequest}}
	list, verify, export := read, read, read
	list.Path, list.Summary, list.Response, list.Handle = "/api/v1/audit",
		"Lists acts, the newest first; the query may name before, limit, user, action, kind, object, outcome, since and until.", List{}, h.list
	verify.Path, verify.Summary, verify.Response, verify.Handle = "/api/v1/audit/verify", "Looks over the whole chain of acts, and names the first bad row.", Report{}, h.verify
	verify.Statuses = nil
	export.Path, export.Summary, export.Stream, export.Produces, export.Handle = "/api/v1/audit/export",
		"Gives every row of the chain after the number in after, and every signature, as lines of JSON.", Line{}, "application/x-ndjson", h.export
	export.Audit = api.AuditChange // that the record was taken away is on record
	return []api.Route{list, verify, export}
}

const (
	listPage = 50
	maxList  = 500
)

func (h handlers) list(w http.ResponseWriter, r *http.Request) error {
	f, err := filterOf(r)
	if err != nil {
		return err
	}
	names, err := h.record.Names(r.Context())
	if err != nil {
		return err
	}
	for id, name := range names { // people ask by name
		if name == f.User {
			f.User = id
			break
		}
	}
	acts, more, err := h.record.Acts(r.Context(), f)
	if err != nil {
		return err
	}
	out := List{Entries: []Entry{}, More: more}
	summaries := h.summaries()
	for _, a := range acts {
		out.Entries = append(out.Entries, entryOf(a, names, summaries))
	}
	if more {
		out.Next = acts[len(acts)-1].Seq
	}
	w.Header().Set("Cache-Control", "no-store")
	return api.WriteJSON(w, http.StatusOK, out)
}

func entryOf(a core.AuditAct, names, summaries map[string]string) Entry {
	e := Entry{
		Seq: a.Seq, Time: a.Time, Tenant: a.Tenant, User: a.User, UserName: names[a.User], Key: a.Key, Session: a.Session, Action: a.Action,
		Summary: summaries[a.Action], Kind: a.Kind, Object: a.Object, Remote: a.Remote, RequestID: a.Request, Outcome: a.Outcome(), Status: a.Status,
		Detail: a.Detail, Hash: a.Hash,
	}
	if !a.Ended.IsZero() {
		e.Ended = &a.Ended
	}
	return e
}

func filterOf(r *http.Request) (core.AuditFilter, error) {
	q := r.URL.Query()
	f := core.AuditFilter{User: q.Get("user"), Action: q.Get("action"), Kind: q.Get("kind"), Object: q.Get("object"), Outcome: q.Get("outcome"), Limit: listPage}
	for _, text := range []string{f.User, f.Action, f.Kind, f.Object} {
		if slices.Contains([]byte(text), 0) {
			return f, core.Errorf(core.CodeInvalidRequest, "What is looked for holds a zero byte, which nothing here does.")
		}
	}
	if outcomes := []string{"", core.AuditDone, core.AuditRefused, core.AuditFailed, core.AuditOpen}; !slices.Contains(outcomes, f.Outcome) {
		return f, core.Invalid("outcome", "outcome is %.40q; it is done, refused, failed or open.", f.Outcome)
	}
	if v := q.Get("limit"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 || n > maxList {
			return f, core.Invalid("limit", "limit must be a whole number from 1 to %d.", maxList)
		}
		f.Limit = n
	}
	var err error
	if f.Before, err = seq(q.Get("before"), "before"); err != nil {
		return f, err
	}
	if f.Since, err = moment(q.Get("since"), "since"); err != nil {
		return f, err
	}
	f.Until, err = moment(q.Get("until"), "until")
	return f, err
}

func seq(text, param string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return 0, core.Invalid(param, "%s must be the number of a row, 0 or more.", param)
	}
	return n, nil
}

// The years that a number of nanoseconds since 1970 can say, with room.
const (
	firstYear = 1970
	lastYear  = 2200
)

func moment(text, param string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339Nano, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil && t.Year() >= firstYear && t.Year() <= lastYear {
			return t, nil
		}
	}
	return time.Time{}, core.Invalid(param, "%s is %.60q; it is written 2027-01-31 or 2027-01-31T12:00:00Z.", param, text)
}

func (h handlers) verify(w http.ResponseWriter, r *http.Request) error {
	report, err := h.record.Verify(r.Context())
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	return api.WriteJSON(w, http.StatusOK, report)
}

func (h handlers) export(w http.ResponseWriter, r *http.Request) error {
	after, err := seq(r.URL.Query().Get("after"), "after")
	if err != nil {
		return err
	}
	out := api.NewNDJSON(w, 0)
	err = h.record.Export(r.Context(), after, func(a core.AuditRow) error {
		return out.Write(Line{Row: &Row{
			Seq: a.Seq, Time: a.Time.UnixNano(), Act: a.Act, Tenant: a.Tenant, User: a.User, Key: a.Key, Session: a.Session, Action: a.Action, Kind: a.Kind,
			Object: a.Object, Remote: a.Remote, Request: a.Request, Status: a.Status, Detail: a.Detail, Hash: a.Hash,
		}})
	}, func(c core.AuditCheckpoint) error {
		return out.Write(Line{Checkpoint: &Checkpoint{Seq: c.Seq, Hash: c.Hash, Time: c.Time.UnixNano(), Key: c.Key, Signature: c.Signature}})
	})
	if err != nil && out.Started() {
		_ = out.Write(api.ErrorOf(w, core.AsError(err))) // the client may be why it failed
	}
	if err == nil && !out.Started() {
		return out.Start()
	}
	return err
}
