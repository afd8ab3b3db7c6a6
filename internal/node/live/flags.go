package live

import (
	"context"
	"encoding/json"
	"log/slog"
	"maps"

	"ashatai/internal/api/gate"
	"ashatai/internal/api/v1/control"
	"ashatai/internal/config"
	"ashatai/internal/core"
	"ashatai/internal/feature"
)

var (
	_ gate.Features    = (*Live)(nil)
	_ control.Flags    = (*Live)(nil)
	_ control.Settings = (*Live)(nil)
)

// flagsKey is where the database keeps what admins said of features: a JSON object of exposures by name.
const flagsKey = "features"

func (l *Live) readFlags(ctx context.Context) error {
	said := map[feature.Name]string{}
	if l.o.Meta != nil {
		text, ok, err := l.o.Meta.Get(ctx, flagsKey)
		if err != nil {
			return err
		}
		if ok {
			if err := json.Unmarshal([]byte(text), &said); err != nil {
				l.o.Log.WarnContext(ctx, "what admins said of features cannot be read and does not count", slog.String("error", err.Error()))
				said = map[feature.Name]string{}
			}
		}
	}
	set, err := feature.NewSet(feature.All(), l.o.Settings.Features.Said(), said)
	if err != nil {
		return err
	}
	l.admin = said
	l.flags.Store(set)
	return nil
}

// Allow implements gate.Features.
func (l *Live) Allow(f feature.Name, role core.AccountRole) error {
	return l.flags.Load().Allow(f, role)
}

// Open implements gate.Features.
func (l *Live) Open(f feature.Name) error { return l.flags.Load().Open(f) }

// On reports whether a feature is open for anybody.
func (l *Live) On(f feature.Name) bool { return l.flags.Load().On(f) }

// Flags implements control.Flags.
func (l *Live) Flags(context.Context) []control.FlagState {
	var out []control.FlagState
	for _, s := range l.flags.Load().States() {
		out = append(out, l.state(s))
	}
	return out
}

func (l *Live) state(s feature.State) control.FlagState {
	out := control.FlagState{
		Name: string(s.Name), Phase: string(s.Phase), About: s.About, On: s.Exposure.On, Roles: []string{},
		Exposure: s.Exposure.String(), Default: s.Default().String(), Source: string(s.Source),
	}
	for _, r := range s.Exposure.Roles {
		out.Roles = append(out.Roles, string(r))
	}
	if s.Source == feature.BySetting {
		out.Origin = l.originOf("features." + string(s.Name))
	}
	return out
}

func (l *Live) originOf(key string) string {
	for _, v := range l.Now().Values() {
		if v.Key == key {
			return v.Origin
		}
	}
	return ""
}

// SetFlag implements control.Flags. What is said is on disk before it counts.
func (l *Live) SetFlag(ctx context.Context, name, exposure string) (control.FlagState, error) {
	f, ok := feature.Find(name)
	if !ok {
		return control.FlagState{}, core.Errorf(core.CodeNotFound, "There is no feature %.80q. GET /api/v1/flags lists them.", name)
	}
	e, said, err := feature.ParseExposure(exposure)
	if err != nil {
		return control.FlagState{}, core.Invalid("exposure", "The exposure cannot be this: %v.", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if st, _ := l.flags.Load().State(f.Name); st.Source == feature.BySetting {
		return control.FlagState{}, core.Errorf(core.CodeConflict, "The setting features.%s decides this (%s); change it there, or remove it.", name, l.originOf("features."+name))
	}
	next := maps.Clone(l.admin)
	delete(next, f.Name)
	if said {
		next[f.Name] = e.String()
	}
	if l.o.Meta == nil {
		return control.FlagState{}, core.Errorf(core.CodeUnsupported, "This server keeps no flags.")
	}
	text, err := json.Marshal(next)
	if err != nil {
		return control.FlagState{}, err
	}
	set, err := feature.NewSet(feature.All(), l.Now().Features.Said(), next)
	if err != nil {
		return control.FlagState{}, err
	}
	if err := l.o.Meta.Set(ctx, flagsKey, string(text)); err != nil {
		return control.FlagState{}, err
	}
	l.admin = next
	l.flags.Store(set)
	st, _ := set.State(f.Name)
	l.o.Log.InfoContext(ctx, "a feature's flag changed", slog.String("feature", name), slog.String("to", st.Exposure.String()), slog.String("source", string(st.Source)))
	return l.state(st), nil
}

// Settings implements control.Settings.
func (l *Live) Settings(context.Context) control.SettingList {
	now, wait := l.Now(), *l.wait.Load()
	out := control.SettingList{Home: now.Home, Settings: []control.Setting{}}
	for _, v := range now.Values() {
		out.Settings = append(out.Settings, settingOf(v, wait[v.Key]))
	}
	return out
}

func settingOf(v config.Value, pending any) control.Setting {
	return control.Setting{
		Key: v.Key, Value: v.Value, Default: v.Default, Source: string(v.Source), Origin: v.Origin, Secret: v.Secret,
		Reload: v.Reload, Pending: pending, Allowed: v.Allowed, Doc: v.Doc,
	}
}
