package native

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"ashatai/internal/api"
	"ashatai/internal/core"
)

// decode reads a body into v, a pointer to a struct. It is as strict as the server's other calls about broken, deep,
// duplicated and oversized JSON and about types; what it lets pass, and logs, are fields that it does not know. The old
// server read field names in any case, so they are folded.
func (h *handler) decode(r *http.Request, v any) error {
	var raw map[string]json.RawMessage
	if err := api.DecodeJSON(r, maxBody, &raw); err != nil {
		return err
	}
	known, unknown, err := split(raw, reflect.TypeOf(v).Elem(), "")
	if err != nil {
		return err
	}
	if len(unknown) > 0 {
		slices.Sort(unknown)
		h.log.DebugContext(r.Context(), "request has unknown fields", slog.String("path", r.URL.Path), slog.Any("fields", unknown))
	}
	body, err := json.Marshal(known)
	if err != nil {
		return err
	}
	return api.Strict(body, v)
}

// split sorts the fields of an object into those that the struct type has, under their right names, and the names of
// the others. Objects for fields of struct type are split in turn.
func split(raw map[string]json.RawMessage, t reflect.Type, prefix string) (known map[string]any, unknown []string, err error) {
	known = map[string]any{}
	for name, value := range raw {
		f, right, ok := lookup(t, name)
		if !ok {
			unknown = append(unknown, prefix+name)
			continue
		}
		if _, twice := known[right]; twice {
			return nil, nil, core.Invalid(prefix+right, "%s%s is given twice, in different spellings.", prefix, right)
		}
		known[right] = value
		var inner map[string]json.RawMessage
		if f.Kind() == reflect.Pointer && f.Elem().Kind() == reflect.Struct && json.Unmarshal(value, &inner) == nil && inner != nil {
			sub, more, err := split(inner, f.Elem(), prefix+right+".")
			if err != nil {
				return nil, nil, err
			}
			known[right], unknown = sub, append(unknown, more...)
		}
	}
	return known, unknown, nil
}

// lookup finds a struct's field by its JSON name in any case.
func lookup(t reflect.Type, name string) (reflect.Type, string, bool) {
	for f := range t.Fields() {
		if right, _, _ := strings.Cut(f.Tag.Get("json"), ","); strings.EqualFold(right, name) {
			return f.Type, right, true
		}
	}
	return nil, "", false
}
