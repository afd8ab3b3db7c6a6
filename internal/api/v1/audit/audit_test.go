package audit_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"ashatai/internal/api"
	"ashatai/internal/api/v1/audit"
	"ashatai/internal/core"
)

// fake is a record of two acts.
type fake struct {
	filter core.AuditFilter
	more   bool
	err    error
	cut    bool // the export fails in the middle
	empty  bool
}

func (f *fake) Acts(_ context.Context, filter core.AuditFilter) ([]core.AuditAct, bool, error) {
	f.filter = filter
	at := time.Date(2027, 1, 2, 3, 4, 5, 6, time.UTC)
	return []core.AuditAct{
		{AuditRow: core.AuditRow{Seq: 9, Time: at, User: "usr_a", Action: "GET /x", Status: 500}, Ended: at.Add(1)},
		{AuditRow: core.AuditRow{Seq: 7, Time: at, User: "usr_gone", Action: "backup"}},
	}, f.more, f.err
}

func (f *fake) Verify(context.Context) (audit.Report, error) {
	return audit.Report{OK: true, Rows: 3}, f.err
}

func (f *fake) Names(context.Context) (map[string]string, error) {
	return map[string]string{"usr_a": "ann"}, nil
}

func (f *fake) Export(_ context.Context, after int64, row func(core.AuditRow) error, checkpoint func(core.AuditCheckpoint) error) error {
	if f.empty {
		return f.err
	}
	err := errors.Join(checkpoint(core.AuditCheckpoint{Seq: after + 1, Time: time.Unix(0, 7), Key: "k"}), row(core.AuditRow{Seq: after + 1, Time: time.Unix(0, 5), Status: 200}))
	if f.cut {
		err = errors.Join(err, core.Errorf(core.CodeUnavailable, "The disk is gone."))
	}
	return err
}

// ask calls the handler of a row.
func ask(t *testing.T, f *fake, path, query string) (*httptest.ResponseRecorder, error) {
	t.Helper()
	for _, row := range audit.Routes(f, func() map[string]string { return map[string]string{"GET /x": "Does x."} }) {
		if row.Path == path {
			if row.Scope != core.ScopeAdmin || (row.Audit == api.AuditChange) != strings.HasSuffix(path, "export") {
				t.Errorf("the row is %+v", row)
			}
			w := httptest.NewRecorder()
			return w, row.Handle(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path+"?"+query, http.NoBody))
		}
	}
	t.Fatalf("there is no row %s", path)
	return nil, nil
}

func TestList(t *testing.T) {
	f := &fake{more: true}
	w, err := ask(t, f, "/api/v1/audit", "user=ann&action=A&kind=model&object=o&outcome=failed&before=12&limit=2&since=2027-01-01&until=2027-02-01T00:00:00Z")
	if err != nil {
		t.Fatal(err)
	}
	want := core.AuditFilter{
		Before: 12, User: "usr_a", Action: "A", Kind: "model", Object: "o", Outcome: "failed", Limit: 2,
		Since: time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC), Until: time.Date(2027, 2, 1, 0, 0, 0, 0, time.UTC),
	}
	if f.filter != want {
		t.Errorf("asked for %+v", f.filter)
	}
	var list audit.List
	if err := json.Unmarshal(w.Body.Bytes(), &list); err != nil {
		t.Fatal(err)
	}
	one, two := list.Entries[0], list.Entries[1]
	if !list.More || list.Next != 7 || one.UserName != "ann" || one.Summary != "Does x." || one.Outcome != "failed" || one.Ended == nil ||
		two.UserName != "" || two.Outcome != "open" || two.Ended != nil {
		t.Errorf("%+v", list)
	}
	f.err = errors.New("gone")
	if _, err := ask(t, f, "/api/v1/audit", ""); err == nil {
		t.Error("a record that cannot be read is a list")
	}
}

func TestVerify(t *testing.T) {
	if w, err := ask(t, &fake{}, "/api/v1/audit/verify", ""); err != nil || !strings.Contains(w.Body.String(), `"ok":true`) {
		t.Errorf("%s, %v", w.Body, err)
	}
	if _, err := ask(t, &fake{err: errors.New("gone")}, "/api/v1/audit/verify", ""); err == nil {
		t.Error("a record that cannot be read is whole")
	}
}

func TestExport(t *testing.T) {
	w, err := ask(t, &fake{}, "/api/v1/audit/export", "after=4")
	lines := strings.Split(strings.TrimSpace(w.Body.String()), "\n")
	if err != nil || len(lines) != 2 || !strings.HasPrefix(lines[0], `{"checkpoint":{"seq":5,`) || !strings.HasPrefix(lines[1], `{"row":{"seq":5,"time":5,`) {
		t.Errorf("%s, %v", w.Body, err)
	}
	if w, err := ask(t, &fake{cut: true}, "/api/v1/audit/export", ""); err == nil || !strings.Contains(w.Body.String(), "The disk is gone.") {
		t.Errorf("%s, %v", w.Body, err)
	}
	if w, err := ask(t, &fake{empty: true}, "/api/v1/audit/export", ""); err != nil || w.Code != http.StatusOK || w.Body.Len() != 0 {
		t.Errorf("%d %s, %v", w.Code, w.Body, err)
	}
	for _, q := range []string{"after=-1", "after=x"} {
		if _, err := ask(t, &fake{}, "/api/v1/audit/export", q); core.CodeOf(err) != core.CodeInvalidRequest {
			t.Errorf("%s: %v", q, err)
		}
	}
}
