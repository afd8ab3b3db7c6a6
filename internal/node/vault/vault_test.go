package vault_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ashatai/internal/config"
	"ashatai/internal/core"
	"ashatai/internal/node/checkup"
	"ashatai/internal/node/record"
	"ashatai/internal/node/vault"
	"ashatai/internal/store"
	"ashatai/internal/store/sqlite"
)

func load(t *testing.T, home, yaml string) *config.Settings {
	t.Helper()
	if err := os.WriteFile(filepath.Join(home, "ashatai.yaml"), []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := config.Load(config.Sources{Home: home})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func open(t *testing.T, set *config.Settings) (*vault.Vault, store.DB) {
	t.Helper()
	db, err := sqlite.Open(t.Context(), set.Database.Path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	keys, err := record.OpenKeys(t.Context(), set, db.Meta())
	if err != nil {
		t.Fatal(err)
	}
	return vault.New(vault.Options{Settings: set, DB: db, Keys: keys, Record: record.New(db.Audit(), keys, slog.New(slog.DiscardHandler))}), db
}

func TestVault(t *testing.T) {
	home := t.TempDir()
	set := load(t, home, "pull: {hub_token: \"secret:hub\", registry_token: \"secret:hub\"}\n")
	v, _ := open(t, set)
	if _, err := v.Unseal(t.Context(), set); core.CodeOf(err) != core.CodeNotFound || !strings.Contains(err.Error(), "ashatai.yaml, line 1: the setting pull.hub_token") {
		t.Errorf("%v", err)
	}
	for name, value := range map[string]string{"hub": "hf_x", "box": "b"} {
		if _, err := v.Set(t.Context(), name, value); err != nil {
			t.Fatal(err)
		}
	}
	s, err := v.Unseal(t.Context(), set)
	if err != nil || s.Pull.HubToken != "hf_x" || s.Pull.RegistryToken != "hf_x" {
		t.Errorf("%v", err)
	}
	list, err := v.List(t.Context())
	if err != nil || len(list) != 2 || !slices.Equal(list[1].UsedBy, []string{"pull.hub_token", "pull.registry_token"}) || len(list[0].UsedBy) != 0 {
		t.Errorf("%+v, %v", list, err)
	}
	if err := v.Remove(t.Context(), "hub"); core.CodeOf(err) != core.CodeConflict {
		t.Errorf("%v", err)
	}
	if _, err := v.Unseal(t.Context(), load(t, home, "")); err != nil {
		t.Fatal(err)
	}
	if err := v.Remove(t.Context(), "hub"); err != nil { // no setting that counts names it any more
		t.Error(err)
	}
	turned, err := v.Rotate(t.Context(), "")
	if err != nil || turned.File != filepath.Join(home, "server.key") || turned.Sealed != 1 {
		t.Errorf("%+v, %v", turned, err)
	}
}

func TestFindings(t *testing.T) {
	home := t.TempDir()
	plain, named := load(t, home, ""), load(t, home, "pull: {hub_token: \"secret:hub\"}\n")
	v, db := open(t, plain)
	is := func(s *config.Settings, state, part string) {
		t.Helper()
		list, opened := vault.Findings(t.Context(), s, db)
		if (opened == nil) != (state == checkup.Fail) || opened != nil && strings.HasPrefix(opened.Pull.HubToken, "secret:") {
			t.Errorf("%s: the settings were opened: %v", state, opened != nil)
		}
		if state == "" && len(list) == 0 {
			return
		}
		if len(list) != 1 || list[0].State != state || !strings.Contains(list[0].Detail+" "+list[0].Remedy, part) {
			t.Errorf("%+v", list)
		}
	}
	is(plain, "", "")
	is(named, checkup.Fail, "the setting pull.hub_token names")
	if _, err := v.Set(t.Context(), "hub", "hf_x"); err != nil {
		t.Fatal(err)
	}
	is(named, checkup.OK, "1 sealed")
	file := filepath.Join(home, "server.key")
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	is(named, checkup.Fail, "chmod 600")
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	is(plain, checkup.Fail, "--with-key")
	if _, err := os.Stat(file); !os.IsNotExist(err) {
		t.Error("a look made a key")
	}
	other := *plain
	other.Secrets.Key = strings.Repeat("ab", 32)
	is(&other, checkup.Warn, "ashatai secret rm hub")
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	is(named, checkup.Fail, "")
}
