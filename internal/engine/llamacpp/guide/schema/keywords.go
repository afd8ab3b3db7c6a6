package schema

import (
	"slices"
	"strconv"
	"strings"
)

// draft is a version of JSON Schema, as far as it changes what is enforced.
type draft int

const (
	draft4 draft = iota
	draft6
	draft7
	draft2019
	draft2020
)

func draftOf(root *value) (draft, *Problem) {
	id := root.get("$schema")
	if id == nil {
		return draft2020, nil
	}
	versions := map[string]draft{
		"json-schema.org/draft-04/schema": draft4, "json-schema.org/draft-06/schema": draft6, "json-schema.org/draft-07/schema": draft7,
		"json-schema.org/draft/2019-09/schema": draft2019, "json-schema.org/draft/2020-12/schema": draft2020,
	}
	name := strings.TrimPrefix(strings.TrimPrefix(strings.TrimSuffix(id.text, "#"), "http://"), "https://")
	d, ok := versions[name]
	if !ok {
		return 0, problem(id.at, "this version of JSON Schema is not known; draft 4 to 2020-12 are")
	}
	return d, nil
}

// annotation reports whether a keyword says nothing about which values are valid. Keywords that begin with "x-" are
// extensions and taken for annotations.
func annotation(key string) bool {
	switch key {
	case "$schema", "$comment", "$defs", "definitions", "$anchor", "title", "description", "default", "examples", "example",
		"deprecated", "readOnly", "writeOnly", "contentEncoding", "contentMediaType", "contentSchema", "discriminator", "xml",
		"externalDocs", "enumNames", "markdownDescription", "enumDescriptions", "markdownEnumDescriptions", "nullable", "$vocabulary":
		return true
	}
	return strings.HasPrefix(key, "x-")
}

// applies are the keywords that are enforced, each with the type whose values it is about; those about every value have
// kindNull.
func applies(key string) (kind, bool) {
	switch key {
	case "type", "enum", "const", "$ref", "allOf", "anyOf", "oneOf":
		return kindNull, true
	case "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf":
		return kindNumber, true
	case "minLength", "maxLength", "pattern", "format":
		return kindString, true
	case "items", "prefixItems", "additionalItems", "minItems", "maxItems", "uniqueItems":
		return kindArray, true
	case "properties", "patternProperties", "additionalProperties", "required", "minProperties", "maxProperties", "propertyNames":
		return kindObject, true
	}
	return kindNull, false
}

// schema finds the shapes of a schema in the source.
func (c *compiler) schema(v *value) ([]*shape, *Problem) {
	switch {
	case v.kind == kindBool && v.yes:
		return c.any.shapes, nil
	case v.kind == kindBool:
		return nil, nil
	case v.kind != kindObject:
		return nil, problem(v.at, "a schema must be an object or a boolean, and this is %s", v.kind)
	}
	if bad := c.check(v); bad != nil {
		return nil, bad
	}
	shapes, plain, bad := c.base(v)
	if bad != nil {
		return nil, bad
	}
	for _, m := range v.members {
		var more []*shape
		switch m.key {
		case "$ref":
			more, bad = c.reference(m.val)
		case "enum", "const":
			more, bad = c.constants(m)
		case "anyOf", "oneOf":
			more, bad = c.options(m)
		case "allOf":
			more, bad = c.all(m.val)
		default:
			continue
		}
		if bad != nil {
			return nil, bad
		}
		// Shapes are shared where nothing is put together, so that a schema that is used often is written once.
		if plain {
			shapes, plain = more, false
		} else if shapes, bad = c.cross(shapes, more); bad != nil {
			return nil, bad
		}
	}
	return shapes, nil
}

// check refuses keywords that are not enforced.
func (c *compiler) check(v *value) *Problem {
	for _, m := range v.members {
		_, known := applies(m.key)
		switch {
		case known || annotation(m.key):
		case m.key == "$id" || m.key == "id":
			if v != c.root {
				return problem(m.val.at, "%q inside a schema is not supported; only the whole schema may have one", m.key)
			}
		default:
			return problem(m.val.at, "the keyword %q cannot be enforced", m.key)
		}
	}
	return nil
}

// base finds the shapes that the keywords of single types leave. plain is true when there are no such keywords.
func (c *compiler) base(v *value) (shapes []*shape, plain bool, bad *Problem) {
	plain = true
	for _, m := range v.members {
		if k, ok := applies(m.key); ok && (k != kindNull || m.key == "type") {
			plain = false
		}
	}
	if plain {
		return c.any.shapes, true, nil
	}
	kinds, integer, bad := c.types(v.get("type"))
	if bad != nil {
		return nil, false, bad
	}
	for _, k := range kinds {
		s := unbounded(k)
		s.num.integer = integer && k == kindNumber
		switch k {
		case kindNumber:
			bad = c.numberKeywords(v, s)
		case kindString:
			bad = c.stringKeywords(v, s)
		case kindArray:
			bad = c.arrayKeywords(v, s)
		case kindObject:
			bad = c.objectKeywords(v, s)
		case kindNull, kindBool:
		}
		if bad != nil {
			return nil, false, bad
		}
		shapes = append(shapes, s)
	}
	return shapes, false, c.spend(len(shapes))
}

// types reads the keyword type. integer is true when numbers must be whole.
func (c *compiler) types(v *value) (kinds []kind, integer bool, bad *Problem) {
	if v == nil {
		return []kind{kindNull, kindBool, kindNumber, kindString, kindArray, kindObject}, false, nil
	}
	list := []*value{v}
	if v.kind == kindArray {
		list = v.list
	}
	names := map[string]kind{
		"null": kindNull, "boolean": kindBool, "number": kindNumber, "integer": kindNumber, "string": kindString,
		"array": kindArray, "object": kindObject,
	}
	integer = true
	for _, t := range list {
		k, ok := names[t.text]
		if t.kind != kindString || !ok {
			return nil, false, problem(t.at, "this is not a type of JSON Schema")
		}
		if t.text == "number" {
			integer = false
		}
		if !slices.Contains(kinds, k) {
			kinds = append(kinds, k)
		}
	}
	return kinds, integer, nil
}

func (c *compiler) reference(v *value) ([]*shape, *Problem) {
	n, bad := c.refer(v)
	if bad != nil {
		return nil, bad
	}
	at := c.at
	c.at = v.at
	shapes, bad := c.expand(n)
	c.at = at
	return shapes, bad
}

// options reads anyOf and oneOf. The options of oneOf must be known to exclude each other.
func (c *compiler) options(m member) ([]*shape, *Problem) {
	if m.val.kind != kindArray || len(m.val.list) == 0 {
		return nil, problem(m.val.at, "%s must be a list of schemas", m.key)
	}
	var all []*shape
	var nodes []*node
	for _, o := range m.val.list {
		n := c.node(o)
		shapes, bad := c.expand(n)
		if bad != nil {
			return nil, bad
		}
		if m.key == "oneOf" {
			for i, other := range nodes {
				if c.compared++; c.compared > maxCompared {
					return nil, problem(m.val.at, "oneOf has too many options; use anyOf")
				}
				ok, bad := c.apart(other, n, 8)
				if bad != nil {
					return nil, bad
				}
				if !ok {
					return nil, problem(o.at, "this option of oneOf is not known to exclude option %d; use anyOf, or give each option a property with a const of its own", i)
				}
			}
		}
		nodes = append(nodes, n)
		all = append(all, shapes...)
	}
	return all, c.spend(len(all))
}

func (c *compiler) all(v *value) ([]*shape, *Problem) {
	if v.kind != kindArray || len(v.list) == 0 {
		return nil, problem(v.at, "allOf must be a list of schemas")
	}
	shapes, bad := c.expand(c.node(v.list[0]))
	for _, o := range v.list[1:] {
		if bad != nil {
			break
		}
		var more []*shape
		if more, bad = c.expand(c.node(o)); bad == nil {
			shapes, bad = c.cross(shapes, more)
		}
	}
	return shapes, bad
}

// constants reads enum and const.
func (c *compiler) constants(m member) ([]*shape, *Problem) {
	list := []*value{m.val}
	if m.key == "enum" {
		if m.val.kind != kindArray || len(m.val.list) == 0 {
			return nil, problem(m.val.at, "enum must be a list of values")
		}
		list = m.val.list
	}
	if c.values += len(list); c.values > maxValues {
		return nil, problem(m.val.at, "the schema is too large: its enums have more than %d values", maxValues)
	}
	var out []*shape
	for _, v := range list {
		s, bad := c.constant(v)
		if bad != nil {
			return nil, bad
		}
		out = append(out, s)
	}
	return out, nil
}

// constant is the shape of one value.
func (c *compiler) constant(v *value) (*shape, *Problem) {
	if bad := c.spend(1); bad != nil {
		return nil, bad
	}
	s := unbounded(v.kind)
	switch v.kind {
	case kindNull:
	case kindBool:
		s.yes, s.no = v.yes, !v.yes
	case kindNumber:
		d, ok := newDecimal(v.text)
		if !ok {
			return nil, problem(v.at, "the number has more than %d digits", maxDigits)
		}
		s.num.low, s.num.high = &bound{decimal: d}, &bound{decimal: d}
	case kindString:
		s.str.literal = &v.text
	case kindArray:
		s.arr.min, s.arr.max = len(v.list), len(v.list)
		for _, x := range v.list {
			n, bad := c.constantNode(x)
			if bad != nil {
				return nil, bad
			}
			s.arr.prefix = append(s.arr.prefix, n)
		}
	case kindObject:
		s.obj.rest = c.node(&value{kind: kindBool, at: v.at})
		for _, m := range v.members {
			n, bad := c.constantNode(m.val)
			if bad != nil {
				return nil, bad
			}
			s.obj.add(m.key, n)
			s.obj.need(m.key)
		}
	}
	return s, nil
}

func (c *compiler) constantNode(v *value) (*node, *Problem) {
	s, bad := c.constant(v)
	return c.add(&node{shapes: []*shape{s}, state: expanded}), bad
}

// size reads a count, at most limit where it is a lower bound.
func size(v *value, lower bool) (int, *Problem) {
	d, ok := decimal{}, false
	if v.kind == kindNumber {
		d, ok = newDecimal(v.text)
	}
	if !ok || d.neg || d.frac != "" {
		return 0, problem(v.at, "this must be a whole number, not below zero")
	}
	n := maxRepeat + 1
	if len(d.whole) < 10 {
		n, _ = strconv.Atoi(d.whole)
	}
	switch {
	case lower && n > maxMinimum:
		return 0, problem(v.at, "a lower bound above %d cannot be enforced", maxMinimum)
	case n > maxRepeat:
		return -1, nil
	}
	return n, nil
}
