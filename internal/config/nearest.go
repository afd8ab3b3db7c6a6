package config

import (
	"reflect"
	"strings"

	"ashatai/internal/core"
)

// paths lists every setting by its full name; a model's are models.NAME.key.
func paths() []string {
	var out []string
	walk(reflect.TypeFor[Settings](), "", func(path string, _ reflect.StructField) { out = append(out, path) })
	return out
}

// walk visits the settings of a struct, depth first, in order. Sections are visited before their keys.
func walk(t reflect.Type, path string, visit func(string, reflect.StructField)) {
	for f := range t.Fields() {
		key := f.Tag.Get("key")
		if key == "-" {
			continue
		}
		name := join(path, key)
		visit(name, f)
		switch inner := f.Type; inner.Kind() { //nolint:exhaustive // the two kinds that hold more settings
		case reflect.Struct:
			walk(inner, name, visit)
		case reflect.Map:
			walk(inner.Elem(), name+".NAME", visit)
		}
	}
}

// Nearest is the known setting whose name looks most like path, for messages.
func Nearest(path string) string { return nearest(path) }

// nearest is the known setting whose name looks most like path: in the same section first, else as a whole, or the same
// key in another section.
func nearest(path string) string {
	const elsewhere = 3 // what another section costs, in edits
	low, model := strings.ToLower(path), ""
	if parts := strings.Split(low, "."); len(parts) > 2 && parts[0] == "models" {
		model = strings.Join(parts[1:len(parts)-1], ".") // a name may have dots itself
		low = "models.NAME." + parts[len(parts)-1]
	}
	best, distance := "", 1<<30
	for _, known := range paths() {
		d := edits(last(low), last(known))
		if section(low) != section(known) {
			d = min(d+elsewhere, edits(low, known))
		}
		if d < distance {
			best, distance = known, d
		}
	}
	if model != "" {
		best = strings.Replace(best, ".NAME.", "."+model+".", 1)
	}
	return best
}

func section(path string) string { return path[:max(strings.LastIndexByte(path, '.'), 0)] }

func last(path string) string { return path[strings.LastIndexByte(path, '.')+1:] }

// edits is core.Edits with underscores free: they are what the old names lacked.
func edits(a, b string) int {
	const longest = 100 // bounds the work on a foreign key
	a, b = strings.ReplaceAll(a, "_", ""), strings.ReplaceAll(b, "_", "")
	return core.Edits(a[:min(len(a), longest)], b)
}
