package api

import (
	"encoding/json"
	"maps"
	"net/http"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"ashatai/internal/core"
	"ashatai/internal/feature"
)

// OpenAPI is the OpenAPI 3.1 document of all rows, as JSON. Its bytes are the same for the same rows.
func OpenAPI(version string, dialects []Dialect) ([]byte, error) {
	s := newSchemas()
	paths := map[string]any{}
	tags := []any{}
	for _, d := range dialects {
		if d.Proto != "" {
			continue
		}
		tags = append(tags, map[string]any{"name": d.Name})
		for _, row := range d.Routes {
			p, params := openPath(row.Path)
			item, ok := paths[p].(map[string]any)
			if !ok {
				item = map[string]any{}
				paths[p] = item
			}
			item[strings.ToLower(row.Method)] = s.operation(row, d, p, params)
		}
	}
	doc := map[string]any{
		"openapi":           "3.1.0",
		"jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
		"info": map[string]any{
			"title":       "ASHATAI Server",
			"version":     version,
			"description": "Every call that this server answers, made from its table of routes.",
			"license":     map[string]any{"name": "Apache-2.0", "identifier": "Apache-2.0"},
		},
		"tags":  tags,
		"paths": paths,
		"components": map[string]any{
			"schemas": s.components,
			"securitySchemes": map[string]any{
				"bearer": map[string]any{"type": "http", "scheme": "bearer"},
				"apiKey": map[string]any{"type": "apiKey", "in": "header", "name": "X-API-Key"},
			},
		},
	}
	return json.MarshalIndent(doc, "", "  ")
}

var wildcard = regexp.MustCompile(`\{([^}]*)\}`)

// openPath writes a mux pattern as an OpenAPI path template, and names its parameters.
func openPath(pattern string) (string, []string) {
	var params []string
	p := wildcard.ReplaceAllStringFunc(pattern, func(w string) string {
		name := strings.TrimSuffix(w[1:len(w)-1], "...")
		if name == "$" {
			return ""
		}
		params = append(params, name)
		return "{" + name + "}"
	})
	return p, params
}

func (s *schemas) operation(row Route, d Dialect, p string, params []string) map[string]any {
	op := map[string]any{
		"operationId": operationID(d.Name, row.Method, p),
		"summary":     row.Summary,
		"tags":        []string{d.Name},
		"responses":   s.responses(row, d),
	}
	if row.Scope != core.ScopePublic {
		op["security"] = []any{map[string]any{"bearer": []string{}}, map[string]any{"apiKey": []string{}}}
		op["x-ashatai-scope"] = row.Scope.String()
	} else {
		op["security"] = []any{}
	}
	list := []any{}
	for _, name := range params {
		list = append(list, map[string]any{"name": name, "in": "path", "required": true, "schema": map[string]any{"type": "string"}})
	}
	for _, f := range row.Fields {
		if f.In == InQuery {
			list = append(list, map[string]any{"name": f.Name, "in": "query", "description": f.Note, "schema": map[string]any{"type": "string"}})
		}
	}
	if len(list) > 0 {
		op["parameters"] = list
	}
	if row.Request != nil {
		op["requestBody"] = map[string]any{"required": !row.Bodiless, "content": media("application/json", s.of(reflect.TypeOf(row.Request), false))}
	}
	return op
}

// responses are those of the handler, which its row names, and those of what stands before it.
func (s *schemas) responses(row Route, d Dialect) map[string]any {
	shape := d.Error
	if shape == nil {
		shape = ErrorBody{}
	}
	mistake := s.of(reflect.TypeOf(shape), true)
	failure := media("application/json", mistake)
	ok := map[string]any{"description": "Done."}
	if content := s.content(row, mistake); len(content) > 0 {
		ok["content"] = content
	}
	out := map[string]any{"200": ok}
	for _, status := range append(row.statusesBefore(), row.Statuses...) {
		answer := map[string]any{"description": http.StatusText(status)}
		if status >= http.StatusBadRequest {
			answer["content"] = failure
		}
		out[strconv.Itoa(status)] = answer
	}
	return out
}

// statusesBefore are what the gate and the decoder answer on any such route.
func (row Route) statusesBefore() []int {
	out := []int{http.StatusInternalServerError, http.StatusServiceUnavailable}
	if row.Scope != core.ScopePublic {
		out = append(out, http.StatusUnauthorized, http.StatusForbidden)
	}
	if row.Feature != feature.None && row.Scope == core.ScopePublic {
		out = append(out, http.StatusForbidden)
	}
	if row.Limit != LimitNone {
		out = append(out, http.StatusTooManyRequests)
	}
	if row.Request != nil {
		out = append(out, http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusGatewayTimeout)
	}
	return out
}

// content is what a call that succeeds answers, by media type. What goes wrong after the first part of a stream stands in the
// stream.
func (s *schemas) content(row Route, mistake map[string]any) map[string]any {
	content := map[string]any{}
	if row.Response != nil {
		content = media("application/json", s.of(reflect.TypeOf(row.Response), true))
	}
	var part map[string]any
	if row.Stream != nil {
		if part = s.of(reflect.TypeOf(row.Stream), true); part["type"] != "string" {
			part = map[string]any{"anyOf": []any{part, mistake}}
		}
	}
	switch {
	case part != nil && (row.Produces == "" || row.Produces == eventStream):
		maps.Copy(content, media(eventStream, sent(part)))
	case part != nil:
		maps.Copy(content, media(row.Produces, part))
	case row.Produces != "" && row.Response == nil:
		content = media(row.Produces, map[string]any{"type": "string"})
	}
	return content
}

const eventStream = "text/event-stream"

// sent is the schema of one server-sent event whose data has a schema. OpenAPI describes it as an object of its lines.
func sent(data map[string]any) map[string]any {
	text := map[string]any{"type": "string"}
	if data["type"] != "string" {
		text["contentMediaType"], text["contentSchema"] = "application/json", data
	}
	return map[string]any{
		"type": "object", "required": []string{"data"},
		"properties": map[string]any{"data": text, "event": map[string]any{"type": "string"}},
	}
}

func media(kind string, schema map[string]any) map[string]any {
	return map[string]any{kind: map[string]any{"schema": schema}}
}

func operationID(dialect, method, p string) string {
	words := strings.FieldsFunc(p, func(r rune) bool { return strings.ContainsRune("/{}.-", r) })
	return strings.Join(append([]string{dialect, strings.ToLower(method)}, words...), "_")
}
