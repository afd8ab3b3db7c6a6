package config

import (
	"maps"
	"reflect"
	"slices"
	"strings"
)

// Change is a setting that is not what it was.
type Change struct {
	Key      string
	From, To any // as in Value
	Reload   bool
}

// Take is what becomes of a running server's settings when next was read: a copy of s with the values of next where they
// can be taken over, and every difference, those that wait for a restart too. What s had of a setting that cannot be taken
// over stays, with where it was said.
func (s *Settings) Take(next *Settings) (*Settings, []Change) {
	out := *next
	out.Home, out.Notices = s.Home, next.Notices
	out.from = maps.Clone(next.from)
	keep(reflect.ValueOf(&out).Elem(), reflect.ValueOf(*s), "", out.from, s.from)
	return &out, differences(s, next)
}

// keep puts back what cannot change while the server runs.
func keep(dst, old reflect.Value, path string, from, before map[string]origin) {
	for f, v := range dst.Fields() {
		key := f.Tag.Get("key")
		if !f.IsExported() || key == "-" || f.Tag.Get("reload") != "" {
			continue
		}
		name := join(path, key)
		if f.Type.Kind() == reflect.Struct {
			keep(v, old.FieldByIndex(f.Index), name, from, before)
			continue
		}
		v.Set(old.FieldByIndex(f.Index))
		delete(from, name)
		if o, ok := before[name]; ok {
			from[name] = o
		}
	}
}

// differences lists what two settings do not have alike, in the order of the documentation. Secrets that changed are told
// without their values.
func differences(a, b *Settings) []Change {
	before, after := byKey(a), byKey(b)
	var out []Change
	for _, v := range b.Values() {
		old, ok := before[v.Key]
		if !ok {
			old = Value{Value: v.Default}
		}
		if !reflect.DeepEqual(old.Value, v.Value) || v.Secret && secretOf(a, v.Key) != secretOf(b, v.Key) {
			out = append(out, Change{v.Key, old.Value, v.Value, v.Reload})
		}
	}
	for _, v := range a.Values() { // what models' sections said and say no more
		if _, still := after[v.Key]; !still {
			out = append(out, Change{v.Key, v.Value, v.Default, v.Reload})
		}
	}
	return out
}

func byKey(s *Settings) map[string]Value {
	out := map[string]Value{}
	for _, v := range s.Values() {
		out[v.Key] = v
	}
	return out
}

// secretOf is the text of a secret, to be compared and never shown.
func secretOf(s *Settings, path string) string {
	v := reflect.ValueOf(*s)
	for key := range strings.SplitSeq(path, ".") {
		if v.Kind() == reflect.Map {
			if v = v.MapIndex(reflect.ValueOf(key)); !v.IsValid() {
				return ""
			}
			continue
		}
		for f, inner := range v.Fields() {
			if f.Tag.Get("key") == key {
				v = inner
				break
			}
		}
	}
	if v.Kind() != reflect.String {
		return ""
	}
	return v.String()
}

// Reloadable lists the settings that a running server takes over, by name; a model's are models.NAME.key.
func Reloadable() []string {
	var out []string
	var sections []string
	walk(reflect.TypeFor[Settings](), "", func(path string, f reflect.StructField) {
		inside := slices.ContainsFunc(sections, func(s string) bool { return strings.HasPrefix(path, s+".") })
		if f.Tag.Get("reload") == "" && !inside {
			return
		}
		if k := f.Type.Kind(); k == reflect.Struct || k == reflect.Map {
			sections = append(sections, path)
			return
		}
		out = append(out, path)
	})
	return out
}
