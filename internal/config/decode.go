package config

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"ashatai/internal/core"
)

// origin is where a value came from, for messages.
type origin struct {
	kind Source
	name string // "ashatai.yaml", "the environment variable X", "the command line"
	line int    // 0 outside files
}

func (o origin) String() string {
	if o.line > 0 {
		return fmt.Sprintf("%s, line %d", o.name, o.line)
	}
	return o.name
}

// decoder puts nodes into Settings. One per source.
type decoder struct {
	settings *Settings
	kind     Source
	source   string // file name or description
	fold     bool   // names may be written as the old settings did: ModelsDirectory for models_directory
	from     map[string]origin
}

func (d *decoder) origin(n *yaml.Node) origin { return origin{d.kind, d.source, n.Line} }

// fail is the error that stops the start.
func (d *decoder) fail(n *yaml.Node, key, format string, args ...any) error {
	return core.Invalid(key, "%s: the setting %s %s.", d.origin(n), key, fmt.Sprintf(format, args...))
}

// decode reads a mapping into the struct v at path.
func (d *decoder) decode(n *yaml.Node, v reflect.Value, path string) error {
	if n.Kind != yaml.MappingNode {
		return d.fail(n, orRoot(path), "must be a section of keys and values")
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		f, ok := d.field(v.Type(), key.Value)
		if !ok {
			return d.unknown(key, join(path, key.Value))
		}
		name := join(path, f.Tag.Get("key"))
		if seen[name] {
			return d.fail(key, name, "is given twice")
		}
		seen[name] = true
		if err := d.value(value, v.FieldByIndex(f.Index), f, name); err != nil {
			return err
		}
	}
	return nil
}

func orRoot(path string) string {
	if path == "" {
		return "file"
	}
	return path
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// field finds the field of a key.
func (d *decoder) field(t reflect.Type, key string) (reflect.StructField, bool) {
	for f := range t.Fields() {
		name := f.Tag.Get("key")
		if name == "-" {
			continue
		}
		if name == key || d.fold && folded(name) == folded(key) {
			return f, true
		}
	}
	return reflect.StructField{}, false
}

// folded is a name without case and underscores: models_directory and ModelsDirectory are one.
func folded(name string) string { return strings.ToLower(strings.ReplaceAll(name, "_", "")) }

func (d *decoder) unknown(n *yaml.Node, path string) error {
	return core.Invalid(
		path, "%s: there is no setting %q; the nearest one is %s. docs/settings.md lists every setting.",
		d.origin(n), path, nearest(path),
	)
}

// value reads one node into a field.
func (d *decoder) value(n *yaml.Node, v reflect.Value, f reflect.StructField, path string) error {
	if n.Kind == yaml.AliasNode {
		return d.fail(n, path, "uses an alias; settings are written out")
	}
	switch {
	case v.Kind() == reflect.Struct:
		if null(n) {
			return nil // "server:" with every line below it commented out
		}
		return d.decode(n, v, path)
	case v.Kind() == reflect.Map:
		if f.Tag.Get("kind") != "" {
			return d.named(n, v, path)
		}
		return d.models(n, v, path)
	case v.Kind() == reflect.Slice:
		return d.list(n, v, f, path)
	}
	if n.Kind != yaml.ScalarNode || null(n) {
		return d.fail(n, path, "must be one value")
	}
	if v.Kind() == reflect.Pointer {
		p := reflect.New(v.Type().Elem())
		if err := d.scalar(n, p.Elem(), f, path); err != nil {
			return err
		}
		v.Set(p)
		return nil
	}
	return d.scalar(n, v, f, path)
}

func null(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

// named reads sections that bear names of the operator's own.
func (d *decoder) named(n *yaml.Node, v reflect.Value, path string) error {
	if null(n) {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		return d.fail(n, path, "must be a section of names")
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		name := strings.ToLower(key.Value)
		if !ownName.MatchString(name) {
			return d.fail(key, join(path, key.Value), "has no usable name; use up to 32 letters, digits, '_' and '-', beginning with a letter")
		}
		if seen[name] {
			return d.fail(key, join(path, key.Value), "is given twice")
		}
		seen[name] = true
		one := reflect.New(v.Type().Elem()).Elem()
		if v.IsNil() {
			v.Set(reflect.MakeMap(v.Type()))
		} else if old := v.MapIndex(reflect.ValueOf(name)); old.IsValid() {
			one.Set(old) // an earlier source set some of it
		}
		if !null(value) {
			if err := d.decode(value, one, join(path, name)); err != nil {
				return err
			}
		}
		v.SetMapIndex(reflect.ValueOf(name), one)
	}
	return nil
}

// models reads the sections of single models. Their names are checked and made canonical, so that two spellings of one
// model cannot both be there.
func (d *decoder) models(n *yaml.Node, v reflect.Value, path string) error {
	if null(n) {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		return d.fail(n, path, "must be a section of model names")
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		name, err := core.ParseModelName(key.Value)
		if err != nil {
			return d.fail(key, join(path, key.Value), "is not named after a model: %s", strings.TrimSuffix(core.AsError(err).Message, "."))
		}
		if seen[name.String()] {
			return d.fail(key, join(path, key.Value), "is given twice")
		}
		seen[name.String()] = true
		m := reflect.New(v.Type().Elem()).Elem()
		if v.IsNil() {
			v.Set(reflect.MakeMap(v.Type()))
		} else if old := v.MapIndex(reflect.ValueOf(name.String())); old.IsValid() {
			m.Set(old) // an earlier source set some of it
		}
		if !null(value) {
			if err := d.decode(value, m, join(path, key.Value)); err != nil {
				return err
			}
		}
		v.SetMapIndex(reflect.ValueOf(name.String()), m)
	}
	return nil
}

// list reads strings: a sequence, or one value with commas where the source has no sequences.
func (d *decoder) list(n *yaml.Node, v reflect.Value, f reflect.StructField, path string) error {
	d.from[path] = d.origin(n)
	list := []string{}
	switch {
	case null(n):
	case n.Kind == yaml.SequenceNode:
		for _, item := range n.Content {
			if item.Kind != yaml.ScalarNode || null(item) {
				return d.fail(item, path, "must be a list of plain values")
			}
			list = append(list, item.Value)
		}
	case n.Kind == yaml.ScalarNode && n.Line == 0:
		for item := range strings.SplitSeq(n.Value, ",") {
			if item = strings.TrimSpace(item); item != "" {
				list = append(list, item)
			}
		}
	default:
		return d.fail(n, path, "must be a list, as [a, b]")
	}
	const most = 1000
	if len(list) > most {
		return d.fail(n, path, "has %d entries; at most %d are allowed", len(list), most)
	}
	for i, item := range list {
		checked, err := checkPattern(f.Tag.Get("pattern"), item)
		if err != nil {
			return d.fail(n, path, "cannot be this: %v", err)
		}
		list[i] = checked
	}
	v.Set(reflect.ValueOf(list))
	return nil
}

// scalar reads one value and checks its bounds.
func (d *decoder) scalar(n *yaml.Node, v reflect.Value, f reflect.StructField, path string) error {
	d.from[path] = d.origin(n)
	err := setScalar(v, f, n.Value)
	if err == nil {
		err = checkBounds(v, f)
	}
	if err == nil {
		return nil
	}
	return d.fail(n, path, "cannot be this: %v", err)
}

func setScalar(v reflect.Value, f reflect.StructField, text string) error {
	switch p := v.Addr().Interface().(type) {
	case *Size:
		if f.Tag.Get("auto") != "" && strings.EqualFold(text, "auto") {
			*p = 0
			return nil
		}
		return assign(p, ParseSize)(text)
	case *time.Duration:
		return assign(p, parseDuration)(text)
	case *string:
		return assign(p, func(s string) (string, error) {
			if sealable(f, s) {
				return s, checkSealed(f, s)
			}
			if enum, ok := f.Tag.Lookup("enum"); ok {
				return checkEnum(enum, s)
			}
			return checkPattern(f.Tag.Get("pattern"), s)
		})(text)
	case *bool:
		return assign(p, parseBool)(text)
	case *int:
		return assign(p, parseInt)(text)
	case *int64:
		return assign(p, parseInt64)(text)
	case *float64:
		return assign(p, parseFloat)(text)
	}
	return fmt.Errorf("a %s cannot be set", v.Type())
}

func assign[T any](p *T, parse func(string) (T, error)) func(string) error {
	return func(s string) (err error) {
		*p, err = parse(s)
		return err
	}
}

func parseBool(s string) (bool, error) {
	switch strings.ToLower(s) {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, fmt.Errorf("%q is neither true nor false", s)
}

func parseInt64(s string) (int64, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if errors.Is(err, strconv.ErrRange) {
		return 0, fmt.Errorf("%s is out of range", s)
	}
	if err != nil {
		return 0, fmt.Errorf("%q is not a whole number", s)
	}
	return n, nil
}

func parseInt(s string) (int, error) {
	n, err := parseInt64(s)
	if err == nil && int64(int(n)) != n {
		return 0, fmt.Errorf("%s is out of range", s)
	}
	return int(n), err
}

func parseFloat(s string) (float64, error) {
	n, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(n) || math.IsInf(n, 0) {
		return 0, fmt.Errorf("%q is not a number", s)
	}
	return n, nil
}

// checkBounds holds a value against its min and max tags, which are written in the value's own form.
func checkBounds(v reflect.Value, f reflect.StructField) error {
	lo, hi := f.Tag.Get("min"), f.Tag.Get("max")
	if lo == "" || f.Tag.Get("auto") != "" && v.IsZero() {
		return nil
	}
	low, high := reflect.New(v.Type()).Elem(), reflect.New(v.Type()).Elem()
	if err := errors.Join(setScalar(low, f, lo), setScalar(high, f, hi)); err != nil {
		return err
	}
	if less(v, low) || less(high, v) {
		return fmt.Errorf("it must be between %s and %s", lo, hi)
	}
	return nil
}

func less(a, b reflect.Value) bool {
	if a.CanFloat() {
		return a.Float() < b.Float()
	}
	return a.Int() < b.Int()
}
