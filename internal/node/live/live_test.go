package live_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ashatai/internal/config"
	"ashatai/internal/core"
	"ashatai/internal/feature"
	"ashatai/internal/node/live"
)

// meta is a database of named values.
type meta struct {
	values map[string]string
	err    error
}

func (m *meta) Get(_ context.Context, key string) (string, bool, error) {
	v, ok := m.values[key]
	return v, ok, m.err
}

func (m *meta) Set(_ context.Context, key, value string) error {
	if m.err == nil {
		m.values[key] = value
	}
	return m.err
}

// world is a Live on a file of settings.
type world struct {
	*live.Live

	t    *testing.T
	home string
	meta *meta
	log  bytes.Buffer
}

func open(t *testing.T, yaml string, kept map[string]string) (*world, error) {
	t.Helper()
	w := &world{t: t, home: t.TempDir(), meta: &meta{values: kept}}
	w.write(yaml)
	s, err := w.read()
	if err != nil {
		t.Fatal(err)
	}
	w.Live, err = live.New(t.Context(), live.Options{Settings: s, Read: w.read, Meta: w.meta, Log: slog.New(slog.NewTextHandler(&w.log, nil))})
	return w, err
}

func (w *world) read() (*config.Settings, error) { return config.Load(config.Sources{Home: w.home}) }

func (w *world) write(yaml string) {
	w.t.Helper()
	if err := os.WriteFile(filepath.Join(w.home, "ashatai.yaml"), []byte(yaml), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

func TestPartsAreToldWhatChanged(t *testing.T) {
	w, err := open(t, "logs: {level: info}", map[string]string{})
	if err != nil {
		t.Fatal(err)
	}
	var told live.Keys
	var refuse, fail error
	w.Add(live.Part{Name: "silent"})
	w.Add(live.Part{
		Name:  "x",
		Check: func(context.Context, *config.Settings) error { return refuse },
		Apply: func(_ context.Context, s *config.Settings, changed live.Keys) error {
			if s != w.Now() {
				t.Error("a part is told other settings than those that count")
			}
			told = changed
			return fail
		},
	})
	w.write("logs: {level: warn}\nrate_limit: {enabled: true}\nengine: {threads: 3}")
	refuse = errors.New("no")
	if _, err := w.Reload(t.Context()); !errors.Is(err, refuse) || told != nil || w.Now().Logs.Level != "info" {
		t.Errorf("%v, %v", err, told)
	}
	refuse, fail = nil, errors.New("broken pipe")
	if o, err := w.Reload(t.Context()); err != nil || w.Now().Logs.Level != "warn" || w.Now().Engine.Threads != 0 || len(o.Changed) != 2 || !slices.Equal(o.Waiting, []string{"engine.threads"}) {
		t.Errorf("%+v, %v, %+v", o, err, w.Now())
	}
	if !told.Any("rate_limit") || !told.Any("server", "logs.level") || told.Any("engine") || told.Any("rate") || told.Any("logs.lev") {
		t.Errorf("%v", told)
	}
	for _, want := range []string{"broken pipe", "setting=engine.threads from=0 to=3", "changed=2 waiting=1"} {
		if !strings.Contains(w.log.String(), want) {
			t.Errorf("the log lacks %q: %s", want, &w.log)
		}
	}
	pending := map[string]any{}
	for _, s := range w.Settings(t.Context()).Settings {
		if s.Pending != nil {
			pending[s.Key] = s.Pending
		}
	}
	if len(pending) != 1 || pending["engine.threads"] != 3 {
		t.Errorf("%v", pending)
	}
	w.write("engine: [")
	if _, err := w.Reload(t.Context()); core.CodeOf(err) != core.CodeInvalidRequest || w.Now().Logs.Level != "warn" {
		t.Errorf("%v", err)
	}
	l, err := live.New(t.Context(), live.Options{Settings: w.Now(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Reload(t.Context()); core.CodeOf(err) != core.CodeUnsupported {
		t.Errorf("%v", err)
	}
}

func TestFlagsAreKept(t *testing.T) {
	kept := map[string]string{"features": `{"page":"off","gone":"on"}`}
	w, err := open(t, "features: {pull: operator}", kept)
	if err != nil {
		t.Fatal(err)
	}
	if w.On(feature.Page) || !w.On(feature.Pull) || w.Open(feature.Page) == nil || w.Allow(feature.Pull, core.AccountUser) == nil || w.Allow(feature.Pull, core.AccountOperator) != nil {
		t.Error("the flags are not as they were said")
	}
	for _, f := range w.Flags(t.Context()) {
		if f.Name == "pull" && (f.Source != "setting" || !strings.HasSuffix(f.Origin, "ashatai.yaml, line 1") || len(f.Roles) != 1) {
			t.Errorf("%+v", f)
		}
	}
	for name, c := range map[string]struct {
		exposure string
		code     core.Code
	}{"pull": {"on", core.CodeConflict}, "nothing": {"on", core.CodeNotFound}, "chats": {"boss", core.CodeInvalidRequest}} {
		if _, err := w.SetFlag(t.Context(), name, c.exposure); core.CodeOf(err) != c.code {
			t.Errorf("%s: %v", name, err)
		}
	}
	if f, err := w.SetFlag(t.Context(), "chats", "Admin"); err != nil || f.Exposure != "admin" || f.Source != "admin" {
		t.Errorf("%+v, %v", f, err)
	}
	if f, err := w.SetFlag(t.Context(), "page", ""); err != nil || f.Exposure != "on" || f.Source != "default" || kept["features"] != `{"chats":"admin","gone":"on"}` {
		t.Errorf("%+v, %v, %v", f, err, kept)
	}
	w.meta.err = errors.New("disk full")
	if _, err := w.SetFlag(t.Context(), "page", "off"); err == nil || !w.On(feature.Page) {
		t.Error("what is not on disk counts")
	}
	if _, err := live.New(t.Context(), live.Options{Settings: w.Now(), Meta: w.meta, Log: slog.New(slog.DiscardHandler)}); err == nil {
		t.Error("a database that fails is no error")
	}
	broken, err := open(t, "", map[string]string{"features": "{"})
	if err != nil || !broken.On(feature.Page) || !strings.Contains(broken.log.String(), "cannot be read") {
		t.Errorf("%v", err)
	}
}
