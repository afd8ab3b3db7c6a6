package record_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ashatai/internal/audit"
	"ashatai/internal/config"
	"ashatai/internal/core"
	"ashatai/internal/node/record"
	"ashatai/internal/store"
)

// full takes no rows.
type full struct{ store.Audit }

func (full) Append(context.Context, func(core.AuditRow) core.AuditRow) (core.AuditRow, error) {
	return core.AuditRow{}, core.Errorf(core.CodeDiskFull, "The disk is full.")
}

// TestDo: an act has a row before it and one with its outcome, and is not done without the first.
func TestDo(t *testing.T) {
	chain := audit.New(audit.Config{Store: open(t).Audit()})
	no := core.Errorf(core.CodeConflict, "No.")
	for _, want := range []error{nil, no} {
		err := record.Do(t.Context(), chain, record.Own("backup"), func(ctx context.Context) (string, error) {
			acts, _, err := chain.Acts(ctx, core.AuditFilter{Limit: 1})
			if err != nil || acts[0].Outcome() != core.AuditOpen {
				t.Errorf("while it is done: %v, %v", acts, err)
			}
			return "with the key", want
		})
		acts, _, failed := chain.Acts(t.Context(), core.AuditFilter{Limit: 1})
		if !errors.Is(err, want) || failed != nil || acts[0].Action != "backup" || acts[0].User != "local" || acts[0].Detail != "with the key" || acts[0].Status != map[bool]int{true: 200, false: 409}[want == nil] {
			t.Errorf("%v, %v, %v", acts, err, failed)
		}
	}
	chain = audit.New(audit.Config{Store: full{}})
	err := record.Do(t.Context(), chain, record.Own("backup"), func(context.Context) (string, error) {
		t.Error("it was done without a row")
		return "", nil
	})
	if core.CodeOf(err) != core.CodeDiskFull || !strings.Contains(err.Error(), "backup: The disk is full.") {
		t.Errorf("%v", err)
	}
}

func TestFinish(t *testing.T) {
	chain := audit.New(audit.Config{Store: open(t).Audit()})
	if err := record.Finish(t.Context(), chain, "db migrate"); err != nil { // there is none
		t.Error(err)
	}
	for range 2 {
		if _, err := chain.Begin(t.Context(), record.Own("db migrate")); err != nil {
			t.Fatal(err)
		}
	}
	if err := record.Finish(t.Context(), chain, "db migrate"); err != nil {
		t.Error(err)
	}
	acts, _, err := chain.Acts(t.Context(), core.AuditFilter{Limit: 3})
	if err != nil || len(acts) != 2 || acts[0].Outcome() != core.AuditDone || acts[1].Outcome() != core.AuditOpen {
		t.Errorf("%v, %v", acts, err)
	}
}

func TestChanged(t *testing.T) {
	home, meta := t.TempDir(), open(t).Meta()
	for _, c := range []struct {
		yaml string
		want []string
	}{
		{"logs: {level: warn}\npull: {hub_token: one}", []string{"logs.level", "pull.hub_token"}},
		{"logs: {level: warn}\npull: {hub_token: two}", nil}, // which credential it is stays unknown
		{"logs: {level: info}\npull: {hub_token: \"secret:hub\"}", []string{"logs.level", "pull.hub_token"}},
		{"pull: {hub_token: \"secret:hub\"}\nfleet: {max_queue: 5}", []string{"fleet.max_queue", "logs.level"}},
		{"", []string{"fleet.max_queue", "pull.hub_token"}},
		{"", nil},
	} {
		if err := os.WriteFile(filepath.Join(home, "ashatai.yaml"), []byte(c.yaml), 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := config.Load(config.Sources{Home: home})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := record.Changed(t.Context(), meta, s); err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, %v", c.yaml, got, err)
		}
	}
	if err := meta.Set(t.Context(), "settings", "{"); err != nil {
		t.Fatal(err)
	}
	if _, err := record.Changed(t.Context(), meta, config.Default()); err == nil {
		t.Error("what cannot be read was no failure")
	}
	if got := record.Listed("changed", []string{"a", "b"}) + record.Listed("waiting", nil); got != "changed: a, b; " {
		t.Errorf("%q", got)
	}
}
