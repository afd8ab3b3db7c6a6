package param

import (
	"encoding/json"
	"slices"
	"strings"
	"unicode/utf8"

	"ashatai/internal/api"
	"ashatai/internal/core"
)

// AtLeastOne reads an optional count that must be positive when it is given.
func AtLeastOne(name string, v *int, absent int) (int, error) {
	if v == nil {
		return absent, nil
	}
	if *v < 1 {
		return 0, core.Invalid(name, "%s is %d; it must be at least 1.", name, *v)
	}
	return *v, nil
}

// Strings reads a list of strings without nulls in it.
func Strings(raw json.RawMessage) ([]string, bool) {
	var list []*string
	if json.Unmarshal(raw, &list) != nil {
		return nil, false
	}
	out := make([]string, len(list))
	for i, s := range list {
		if s == nil {
			return nil, false
		}
		out[i] = *s
	}
	return out, true
}

// Text reads a JSON string.
func Text(raw json.RawMessage) (string, bool) {
	var s string
	if len(raw) == 0 || raw[0] != '"' || json.Unmarshal(raw, &s) != nil {
		return "", false
	}
	return s, true
}

// OneOf refuses an optional word that is not in the list.
func OneOf(name string, v *string, words ...string) error {
	if v == nil || slices.Contains(words, *v) {
		return nil
	}
	return core.Invalid(name, "%s is %s; it must be one of %s.", name, api.Show(*v), strings.Join(words, ", "))
}

// Effort reads how much a model shall reason. The words beyond core's three mean the nearest of them.
func Effort(name string, v *string) (core.Thinking, error) {
	if err := OneOf(name, v, "none", "minimal", "low", "medium", "high", "xhigh", "max"); err != nil || v == nil {
		return core.Thinking{}, err
	}
	on := *v != "none"
	t := core.Thinking{Enabled: &on, Effort: *v}
	switch *v {
	case "none":
		t.Effort = ""
	case "minimal":
		t.Effort = "low"
	case "xhigh", "max":
		t.Effort = "high"
	}
	return t, nil
}

// Bounds of the labels of one stored object.
const (
	maxLabels     = 16
	maxLabelKey   = 64
	maxLabelValue = 512
)

// Metadata checks the labels of a stored object: at most 16, keys of up to 64 characters, values of up to 512.
func Metadata(name string, in map[string]string) (map[string]string, error) {
	if len(in) > maxLabels {
		return nil, core.Invalid(name, "%s has %d entries; at most %d are allowed.", name, len(in), maxLabels)
	}
	for k, v := range in {
		if k == "" || utf8.RuneCountInString(k) > maxLabelKey {
			return nil, core.Invalid(name, "%s has the key %s; a key has between 1 and %d characters.", name, api.Show(k), maxLabelKey)
		}
		if utf8.RuneCountInString(v) > maxLabelValue {
			return nil, core.Invalid(name+"."+k, "%s.%s has more than %d characters.", name, api.Show(k), maxLabelValue)
		}
	}
	if in == nil {
		in = map[string]string{}
	}
	return in, nil
}

// Truncation reads truncation: whether a prompt that does not fit may lose its oldest part.
func Truncation(v *string) (bool, error) {
	return v != nil && *v == "auto", OneOf("truncation", v, "auto", "disabled")
}
