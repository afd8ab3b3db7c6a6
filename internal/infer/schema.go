package infer

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"ashatai/internal/core"
)

// Bounds of a schema. A schema that refers to itself twice over, again and again, is small and still takes for ever:
// maxUnfolded bounds what is left when every reference is written out once on each way to it.
const (
	maxSchemaDepth = 64
	maxSchemaNodes = 20_000
	maxUnfolded    = 200_000
)

// schemaURL is the name under which a schema refers to itself.
const schemaURL = "schema:///answer"

// schema checks values.
type schema struct{ compiled *jsonschema.Schema }

// newSchema reads a JSON schema that came from outside. param is the field it came in.
func newSchema(raw, param string) (*schema, error) {
	doc, err := boundedSchema(raw, param)
	if err != nil {
		return nil, err
	}
	c := jsonschema.NewCompiler()
	c.UseLoader(noLoader{})
	if err := c.AddResource(schemaURL, doc); err != nil {
		return nil, badSchema(param, err)
	}
	compiled, err := c.Compile(schemaURL)
	if err != nil {
		return nil, badSchema(param, err)
	}
	return &schema{compiled}, nil
}

func badSchema(param string, err error) error {
	out := core.Invalid(param, "The JSON schema is not valid: %s.", strings.TrimRight(clipped(err.Error()), ". \n"))
	out.Cause = err
	return out
}

func clipped(s string) string {
	const most = 400
	s = strings.ToValidUTF8(strings.ReplaceAll(s, schemaURL, ""), "\uFFFD")
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}

// noLoader refuses every reference out of the schema: nothing is fetched for a request.
type noLoader struct{}

// Load implements jsonschema.URLLoader.
func (noLoader) Load(url string) (any, error) {
	return nil, fmt.Errorf("%.80q is outside of the schema, and nothing is fetched", url)
}

// check holds a text to the schema; the error says what is wrong.
func (s *schema) check(text string) error {
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		return err
	}
	return s.compiled.Validate(v)
}

// boundedSchema reads a schema within bounds: an object, not too big or deep, with references into itself only.
func boundedSchema(raw, param string) (map[string]any, error) {
	if len(raw) > core.MaxSchemaBytes {
		return nil, core.Invalid(param, "The JSON schema has %d bytes; at most %d are allowed.", len(raw), core.MaxSchemaBytes)
	}
	if err := count(raw, param); err != nil {
		return nil, err
	}
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(raw))
	if err != nil {
		return nil, badSchema(param, err)
	}
	doc, ok := v.(map[string]any)
	if !ok {
		return nil, core.Invalid(param, "A JSON schema must be an object.")
	}
	if _, own := doc["x-guidance"]; own {
		return nil, core.Invalid(param, "The JSON schema has the keyword \"x-guidance\", which loosens how it is enforced; leave it out.")
	}
	u := unfolding{root: doc, param: param, sizes: map[string]int{}}
	_, err = u.size(doc)
	return doc, err
}

// count refuses JSON with too many values or too much nesting, before it is made into values.
func count(raw, param string) error {
	dec := json.NewDecoder(strings.NewReader(raw))
	dec.UseNumber()
	depth, nodes := 0, 0
	for {
		tok, err := dec.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return badSchema(param, err)
		}
		nodes++
		switch tok {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		if depth > maxSchemaDepth || nodes > maxSchemaNodes {
			return core.Invalid(param, "The JSON schema is too large: at most %d values and %d levels of nesting are allowed.", maxSchemaNodes, maxSchemaDepth)
		}
	}
}

// unfolding measures a schema with its references written out.
type unfolding struct {
	root  any
	param string
	sizes map[string]int // by reference; 0 while it is being measured
}

func (u *unfolding) size(v any) (int, error) {
	n := 1
	add := func(child any) error {
		m, err := u.size(child)
		if n += m; err == nil && n > maxUnfolded {
			err = core.Invalid(u.param, "The JSON schema refers to itself so often that it cannot be checked in reasonable time. Simplify it.")
		}
		return err
	}
	switch x := v.(type) {
	case []any:
		for _, child := range x {
			if err := add(child); err != nil {
				return 0, err
			}
		}
	case map[string]any:
		for key, child := range x {
			if ref, ok := child.(string); ok && (key == "$ref" || key == "$dynamicRef" || key == "$recursiveRef") {
				m, err := u.reference(ref)
				if err != nil {
					return 0, err
				}
				n += m
				continue
			}
			if err := add(child); err != nil {
				return 0, err
			}
		}
	}
	return n, nil
}

func (u *unfolding) reference(ref string) (int, error) {
	if n, known := u.sizes[ref]; known {
		return n, nil
	}
	pointer, local := strings.CutPrefix(ref, "#")
	target, found := u.root, true
	if pointer != "" {
		target, found = resolve(u.root, pointer)
	}
	if !local || !found {
		return 0, core.Invalid(u.param, "The JSON schema refers to %.80q; references must begin with # and point into the schema itself.", ref)
	}
	u.sizes[ref] = 0
	n, err := u.size(target)
	u.sizes[ref] = n
	return n, err
}

// resolve follows a JSON pointer (RFC 6901).
func resolve(v any, pointer string) (any, bool) {
	for step := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		step = strings.NewReplacer("~1", "/", "~0", "~").Replace(step)
		switch x := v.(type) {
		case map[string]any:
			next, ok := x[step]
			if !ok {
				return nil, false
			}
			v = next
		case []any:
			i, err := strconv.Atoi(step)
			if err != nil || i < 0 || i >= len(x) {
				return nil, false
			}
			v = x[i]
		default:
			return nil, false
		}
	}
	return v, true
}
