package config

import (
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"ashatai/internal/core"
)

// sealedPrefix begins the value of a secret setting that names a credential which the server keeps sealed.
const sealedPrefix = "secret:"

var sealedName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)

// CheckSealedName refuses what is no name of a sealed credential.
func CheckSealedName(name string) error {
	if !sealedName.MatchString(name) {
		return core.Invalid("name", "%.80q is no name of a credential; use up to 64 lower-case letters, digits, '.', '_' and '-', beginning with a letter or digit.", name)
	}
	return nil
}

// checkSealed refuses a value that names a sealed credential where none can be, or by no name.
func checkSealed(f reflect.StructField, s string) error {
	name := strings.TrimPrefix(s, sealedPrefix)
	if f.Tag.Get("secret") == "open" {
		return fmt.Errorf("it names the sealed credential %.80q, and it is needed before those can be opened; give it in the environment, or in a file that only the server's user can read", name)
	}
	if !sealedName.MatchString(name) {
		return fmt.Errorf("%.80q is no name of a sealed credential; `ashatai secret list` shows those that there are", name)
	}
	return nil
}

// sealable reports whether a field may name a sealed credential, and whether a value does.
func sealable(f reflect.StructField, value string) bool {
	return f.Tag.Get("secret") != "" && strings.HasPrefix(value, sealedPrefix)
}

// Sealed is a setting whose value is a credential that the server keeps sealed.
type Sealed struct {
	Key    string // full name of the setting
	Name   string // of the credential
	Origin string // where the setting was read
}

// Sealed lists the settings that name sealed credentials, in the order of the documentation.
func (s *Settings) Sealed() []Sealed {
	var out []Sealed
	for _, v := range s.Values() {
		if name, ok := strings.CutPrefix(fmt.Sprint(v.Value), sealedPrefix); ok && v.Secret {
			out = append(out, Sealed{v.Key, name, v.Origin})
		}
	}
	return out
}

// Unseal is a copy of the settings in which credentials stand in place of their names; open is asked for each. An error says
// which setting names what cannot be opened, and where it was read.
func (s *Settings) Unseal(open func(name string) (string, error)) (*Settings, error) {
	out := *s
	out.Remotes = maps.Clone(s.Remotes)
	out.sealed = map[string]string{}
	for _, one := range s.Sealed() {
		value, err := open(one.Name)
		if err == nil {
			err = setSealed(reflect.ValueOf(&out).Elem(), strings.Split(one.Key, "."), value)
		}
		if err != nil {
			e := core.AsError(err)
			return nil, core.Wrap(e.Code, err, "%s: the setting %s names a sealed credential that cannot be used. %s", one.Origin, one.Key, e.Message)
		}
		out.sealed[one.Key] = one.Name
	}
	return &out, nil
}

// Resealed lists the settings that name the same sealed credential before and after, where that one is another now.
func Resealed(before, after *Settings) []string {
	var out []string
	for _, one := range after.Sealed() {
		if before.sealed[one.Key] == one.Name && secretOf(before, one.Key) != secretOf(after, one.Key) {
			out = append(out, one.Key)
		}
	}
	return out
}

// setSealed puts a credential into the setting at a path.
func setSealed(v reflect.Value, path []string, value string) error {
	for f, inner := range v.Fields() {
		if f.Tag.Get("key") != path[0] {
			continue
		}
		switch f.Type.Kind() { //nolint:exhaustive // the kinds that hold more settings
		case reflect.Struct:
			return setSealed(inner, path[1:], value)
		case reflect.Map:
			one := reflect.New(f.Type.Elem()).Elem()
			name := reflect.ValueOf(path[1])
			one.Set(inner.MapIndex(name))
			err := setSealed(one, path[2:], value)
			inner.SetMapIndex(name, one)
			return err
		}
		checked, err := checkPattern(f.Tag.Get("pattern"), value)
		if err != nil {
			return core.Errorf(core.CodeInvalidRequest, "What was sealed cannot be this: %v.", err)
		}
		inner.SetString(checked)
	}
	return nil
}

// NearestName is the one of some names that looks most like a word; empty where there are none.
func NearestName(word string, names []string) string {
	if len(names) == 0 {
		return ""
	}
	return slices.MinFunc(names, func(a, b string) int { return edits(word, a) - edits(word, b) })
}
