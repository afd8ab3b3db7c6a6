package config

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"ashatai/internal/core"
)

// Source is what kind of place said a value.
type Source string

// The sources, from the weakest to the strongest.
const (
	FromDefault     Source = "default"
	FromFile        Source = "file"
	FromEnvironment Source = "env"
	FromCommandLine Source = "flag"
)

// Value is one setting as it counts. A secret's values are never there, only whether there is one, or which sealed credential.
type Value struct {
	Key     string
	Value   any // as somebody would write it: a string, number, bool or []string; nil where nothing is said and nothing is the default
	Default any
	Source  Source
	Origin  string // "/srv/ashatai.yaml, line 3"; empty for a default
	Secret  bool
	Plain   bool // a credential stands there itself, where the name of a sealed one could
	Reload  bool // a running server takes a change over at SIGHUP
	Doc     string
	Allowed string // what it may be, in words
}

// Hidden stands in place of a secret.
const Hidden = "(hidden)"

// Values lists every setting, in the order of the documentation. Of models it lists what their sections say.
func (s *Settings) Values() []Value {
	var out []Value
	v := values{from: s.from, sealed: s.sealed, add: func(x Value) { out = append(out, x) }}
	v.section(reflect.ValueOf(*s), reflect.ValueOf(*Default()), "", false)
	return out
}

// values walks the settings.
type values struct {
	from   map[string]origin
	sealed map[string]string
	add    func(Value)
}

// section lists the fields of a struct. In a section with a name of the operator's own only what is said is listed.
func (w values) section(v, def reflect.Value, path string, reload bool) {
	own := strings.HasPrefix(path, "models.") || strings.HasPrefix(path, "remotes.")
	for f, fv := range v.Fields() {
		key := f.Tag.Get("key")
		if !f.IsExported() || key == "-" {
			continue
		}
		name, again := join(path, key), reload || f.Tag.Get("reload") != ""
		switch f.Type.Kind() { //nolint:exhaustive // the kinds that hold more settings
		case reflect.Struct:
			w.section(fv, def.FieldByIndex(f.Index), name, again)
			continue
		case reflect.Map:
			w.sections(fv, name, again)
			continue
		}
		from, said := w.from[name]
		if own && !said && strings.HasPrefix(path, "models.") {
			from, said = w.spelled(name)
		}
		if own && !said {
			continue
		}
		x := Value{
			Key: name, Value: written(f, fv), Default: written(f, def.FieldByIndex(f.Index)), Source: FromDefault,
			Secret: f.Tag.Get("secret") != "", Reload: again, Doc: f.Tag.Get("doc"), Allowed: allowed(f),
		}
		if said {
			x.Source, x.Origin = from.kind, from.String()
		}
		if x.Secret {
			x.Plain = f.Tag.Get("secret") == "true" && x.Value != "" && w.hide(f, name, x.Value) == Hidden
			x.Value, x.Default = w.hide(f, name, x.Value), w.hide(f, "", x.Default)
		}
		w.add(x)
	}
}

// sections lists those with names of the operator's own: of models and servers elsewhere.
func (w values) sections(v reflect.Value, path string, reload bool) {
	for _, k := range slices.SortedFunc(slices.Values(v.MapKeys()), func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) }) {
		empty := reflect.New(v.Type().Elem()).Elem()
		w.section(v.MapIndex(k), empty, join(path, strings.TrimSuffix(k.String(), ":latest")), reload)
	}
}

// spelled finds where a model's setting was said: its section may spell the model's name in another way.
func (w values) spelled(name string) (origin, bool) {
	const all = "models."
	model, key := splitModel(name)
	for _, path := range slices.Sorted(maps.Keys(w.from)) {
		if other, k := splitModel(path); strings.HasPrefix(path, all) && k == key {
			if n, err := core.ParseModelName(other); err == nil && strings.TrimSuffix(n.String(), ":latest") == model {
				return w.from[path], true
			}
		}
	}
	return origin{}, false
}

// splitModel takes models.NAME.key apart; names have dots, and keys may be of the sections engine and sampling.
func splitModel(path string) (model, key string) {
	path = strings.TrimPrefix(path, "models.")
	i := strings.LastIndexByte(path, '.')
	if i < 0 {
		return path, ""
	}
	for _, inner := range []string{".engine", ".sampling"} {
		if m, ok := strings.CutSuffix(path[:i], inner); ok {
			return m, path[len(m)+1:]
		}
	}
	return path[:i], path[i+1:]
}

// written is a value as somebody would write it.
func written(f reflect.StructField, v reflect.Value) any {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return nil
		}
		v = v.Elem()
	}
	switch x := v.Interface().(type) {
	case Size:
		if x == 0 && f.Tag.Get("auto") != "" {
			return "auto"
		}
		return x.String()
	case time.Duration:
		return formatDuration(x)
	case []string:
		return orEmpty(v)
	}
	return v.Interface()
}

// hide is what is shown of a secret setting: nothing where it is empty, else that there is a value, or which credential it names.
func (w values) hide(f reflect.StructField, path string, v any) any {
	text, _ := v.(string)
	switch name, known := w.sealed[path]; {
	case known:
		return sealedPrefix + name
	case text == "" || sealable(f, text):
		return v
	}
	return Hidden
}
