package config

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// Schema is the JSON Schema (draft 2020-12) of ashatai.yaml.
func Schema() ([]byte, error) {
	root := schemaOf(reflect.ValueOf(*Default()))
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["title"] = "ASHATAI settings"
	return json.MarshalIndent(root, "", "  ")
}

func schemaOf(v reflect.Value) map[string]any {
	props := map[string]any{}
	for f, fv := range v.Fields() {
		key := f.Tag.Get("key")
		if key == "-" {
			continue
		}
		p := fieldSchema(f, fv)
		p["description"] = f.Tag.Get("doc")
		props[key] = p
	}
	return map[string]any{"type": []string{"object", "null"}, "properties": props, "additionalProperties": false}
}

func fieldSchema(f reflect.StructField, v reflect.Value) map[string]any {
	switch f.Type.Kind() { //nolint:exhaustive // the kinds that hold more settings; the rest is one value
	case reflect.Struct:
		return schemaOf(v)
	case reflect.Map:
		return map[string]any{
			"type":                 []string{"object", "null"},
			"additionalProperties": schemaOf(reflect.New(f.Type.Elem()).Elem()),
		}
	case reflect.Slice:
		return map[string]any{"type": "array", "items": map[string]any{"type": "string"}, "default": orEmpty(v)}
	}
	out := typeSchema(f)
	if f.Type.Kind() != reflect.Pointer {
		out["default"] = defaultOf(f, v)
	}
	if enum := f.Tag.Get("enum"); enum != "" {
		out["enum"] = strings.Split(enum, ",")
	}
	return out
}

func orEmpty(v reflect.Value) any {
	if v.IsNil() {
		return []string{}
	}
	return v.Interface()
}

// typeSchema gives numbers their bounds; those of sizes and durations are text, so they stand in the description only.
func typeSchema(f reflect.StructField) map[string]any {
	switch valueType(f) {
	case reflect.TypeFor[Size]():
		return map[string]any{"type": []string{"string", "integer"}}
	case reflect.TypeFor[time.Duration]():
		return map[string]any{"type": "string"}
	}
	out := map[string]any{"type": jsonType(valueType(f).Kind())}
	if lo := f.Tag.Get("min"); lo != "" {
		out["minimum"], out["maximum"] = json.Number(lo), json.Number(f.Tag.Get("max"))
	}
	return out
}

func jsonType(k reflect.Kind) string {
	switch k { //nolint:exhaustive // the kinds that a single setting has
	case reflect.String:
		return "string"
	case reflect.Bool:
		return "boolean"
	case reflect.Float64:
		return "number"
	}
	return "integer"
}

func valueType(f reflect.StructField) reflect.Type {
	if f.Type.Kind() == reflect.Pointer {
		return f.Type.Elem()
	}
	return f.Type
}

// defaultOf is a default as somebody would write it.
func defaultOf(f reflect.StructField, v reflect.Value) any {
	switch d := v.Interface().(type) {
	case Size:
		if d == 0 && f.Tag.Get("auto") != "" {
			return "auto"
		}
		return d.String()
	case time.Duration:
		return formatDuration(d)
	}
	return v.Interface()
}

// Doc is the documentation of all settings, as Markdown.
func Doc() string {
	var b strings.Builder
	b.WriteString(docHead)
	defaults := reflect.ValueOf(*Default())
	b.WriteString("\n## Top level\n")
	writeTable(&b, defaults, "", false, func(k reflect.Kind) bool { return k != reflect.Struct && k != reflect.Map })
	for f, v := range defaults.Fields() {
		if f.Tag.Get("key") == "-" {
			continue
		}
		switch f.Type.Kind() { //nolint:exhaustive // the two kinds that are sections
		case reflect.Struct:
			writeSection(&b, f.Tag.Get("key"), f, v, false)
		case reflect.Map:
			writeSection(&b, f.Tag.Get("key")+".NAME", f, reflect.New(f.Type.Elem()).Elem(), false)
		}
	}
	return b.String()
}

const docHead = `# Settings

This page is made from the program; do not edit it.

Settings come from these places, and later ones win: the defaults below; ` + "`appsettings.json`" + ` and ` + "`ashatai.yaml`" + ` in the
home (or the one file named by ` + "`--config`" + `); environment variables; command line flags. A key that is unknown or a value that
is malformed stops the start with a message that names the file, the line and the key.

` + "```yaml" + `
server:
  addr: 127.0.0.1:7077
default_model: smollm2
models:
  smollm2:
    context: 4096
    sampling:
      temperature: 0.7
` + "```" + `

- Environment: ` + "`ASHATAI__SECTION__KEY`" + `, as ` + "`ASHATAI__SERVER__ADDR=127.0.0.1:8080`" + `. A list is written with commas, or one entry each as
  ` + "`…__KEY__0`, `…__KEY__1`" + `.
- The settings of older servers are read as they are: ` + "`appsettings.json`" + ` with names such as ` + "`ModelsDirectory`" + ` and ` + "`RateLimit.Enabled`" + `, and
  unprefixed variables such as ` + "`Database__Path`" + ` for the sections Database, Runtime, ApiKey, RateLimit, Https, GPU and FineTuning.
- A running server reads its settings again when it gets the signal SIGHUP (` + "`systemctl reload`, `kill -HUP`" + `). It takes over those that have
  yes under SIGHUP, and names in its log what changed and what waits for a restart. Settings that cannot be read change nothing.
- ` + "`ashatai config show`" + ` says where each value comes from, ` + "`config check`" + ` reads the settings without a start, and ` + "`config schema`" + ` prints
  a JSON Schema for editors.
- A credential, such as ` + "`pull.hub_token`" + `, may be ` + "`secret:NAME`" + `: the one that ` + "`ashatai secret set NAME`" + ` sealed. It is looked up at the
  start and at SIGHUP.
- Sizes: ` + "`512MiB`, `2GiB`" + `, or a number of bytes. Durations: ` + "`90s`, `5m`, `1h30m`" + `.
`

func writeSection(b *strings.Builder, name string, section reflect.StructField, v reflect.Value, reload bool) {
	reload = reload || section.Tag.Get("reload") != ""
	fmt.Fprintf(b, "\n## %s\n\n%s\n", name, section.Tag.Get("doc"))
	writeTable(b, v, name, reload, func(k reflect.Kind) bool { return k != reflect.Struct })
	for f, inner := range v.Fields() {
		if f.Type.Kind() == reflect.Struct {
			writeSection(b, name+"."+f.Tag.Get("key"), f, inner, reload)
		}
	}
}

func writeTable(b *strings.Builder, v reflect.Value, path string, reload bool, take func(reflect.Kind) bool) {
	b.WriteString("\n| setting | default | allowed | SIGHUP | meaning |\n| --- | --- | --- | --- | --- |\n")
	for f, fv := range v.Fields() {
		if key := f.Tag.Get("key"); key != "-" && take(f.Type.Kind()) {
			at := ""
			if reload || f.Tag.Get("reload") != "" {
				at = "yes"
			}
			fmt.Fprintf(b, "| `%s` | %s | %s | %s | %s |\n", join(path, key), shown(f, fv), allowed(f), at, f.Tag.Get("doc"))
		}
	}
}

func shown(f reflect.StructField, v reflect.Value) string {
	switch f.Type.Kind() { //nolint:exhaustive // the kinds without a plain default
	case reflect.Pointer:
		return "absent"
	case reflect.Slice:
		list, _ := reflect.TypeAssert[[]string](v)
		return "`[" + strings.Join(list, ", ") + "]`"
	}
	if v.Kind() == reflect.String && v.Len() == 0 {
		return "empty"
	}
	return fmt.Sprintf("`%v`", defaultOf(f, v))
}

func allowed(f reflect.StructField) string {
	if f.Tag.Get("pattern") == "exposure" {
		return "on, off, roles"
	}
	if f.Tag.Get("secret") == "true" {
		return "text, or secret:NAME"
	}
	if enum := f.Tag.Get("enum"); enum != "" {
		return strings.ReplaceAll(strings.TrimPrefix(enum, ","), ",", ", ")
	}
	lo, hi := f.Tag.Get("min"), f.Tag.Get("max")
	if lo == "" {
		return words(valueType(f).Kind())
	}
	if valueType(f) == reflect.TypeFor[int64]() && lo == strconv.FormatInt(-1<<63, 10) {
		return "whole number"
	}
	auto := ""
	if f.Tag.Get("auto") != "" {
		auto = ", or auto"
	}
	return lo + " to " + hi + auto
}

func words(k reflect.Kind) string {
	switch k { //nolint:exhaustive // what a setting without bounds can be
	case reflect.Bool:
		return "true, false"
	case reflect.Slice:
		return "list"
	}
	return "text"
}
