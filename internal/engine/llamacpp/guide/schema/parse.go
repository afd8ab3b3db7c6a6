package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

type kind byte

const (
	kindNull kind = iota
	kindBool
	kindNumber
	kindString
	kindArray
	kindObject
)

func (k kind) String() string {
	return [...]string{"null", "a boolean", "a number", "a string", "an array", "an object"}[k]
}

// value is a JSON value. Unlike a map, it keeps the order of an object's members, and unlike a float the digits.
type value struct {
	kind    kind
	at      string // JSON pointer
	yes     bool
	text    string // of a string, and the literal of a number
	list    []*value
	members []member
	index   map[string]*value // of the members
}

type member struct {
	key string
	val *value
}

// get returns the member with this key, or nil.
func (v *value) get(key string) *value { return v.index[key] }

// parse reads one JSON value and nothing after it. Keys must not repeat.
func parse(text []byte) (*value, *Problem) {
	if !utf8.Valid(text) {
		return nil, problem("", "it is not valid UTF-8")
	}
	p := parser{dec: json.NewDecoder(bytes.NewReader(text))}
	p.dec.UseNumber()
	v, bad := p.value("", 0)
	if bad != nil {
		return nil, bad
	}
	if _, err := p.dec.Token(); !errors.Is(err, io.EOF) {
		return nil, problem("", "there is text after its end")
	}
	return v, nil
}

type parser struct{ dec *json.Decoder }

func (p *parser) value(at string, depth int) (*value, *Problem) {
	if depth > maxDepth {
		return nil, problem(at, "it is nested more than %d levels deep", maxDepth)
	}
	tok, err := p.dec.Token()
	if err != nil {
		return nil, problem(at, "it is not valid JSON")
	}
	v := &value{at: at}
	switch t := tok.(type) {
	case nil:
		v.kind = kindNull
	case bool:
		v.kind, v.yes = kindBool, t
	case string:
		v.kind, v.text = kindString, t
	case json.Number:
		v.kind, v.text = kindNumber, t.String()
	case json.Delim:
		if t == '[' {
			return p.array(v, depth)
		}
		return p.object(v, depth)
	}
	return v, nil
}

func (p *parser) array(v *value, depth int) (*value, *Problem) {
	v.kind = kindArray
	for p.dec.More() {
		x, bad := p.value(v.at+"/"+strconv.Itoa(len(v.list)), depth+1)
		if bad != nil {
			return nil, bad
		}
		v.list = append(v.list, x)
	}
	return v, p.end(v)
}

func (p *parser) object(v *value, depth int) (*value, *Problem) {
	v.kind = kindObject
	v.index = map[string]*value{}
	for p.dec.More() {
		tok, err := p.dec.Token()
		key, ok := tok.(string)
		if err != nil || !ok {
			return nil, problem(v.at, "it is not valid JSON")
		}
		at := v.at + "/" + escape(key)
		if v.index[key] != nil {
			return nil, problem(at, "the key stands there twice")
		}
		x, bad := p.value(at, depth+1)
		if bad != nil {
			return nil, bad
		}
		v.members = append(v.members, member{key, x})
		v.index[key] = x
	}
	return v, p.end(v)
}

func (p *parser) end(v *value) *Problem {
	if _, err := p.dec.Token(); err != nil {
		return problem(v.at, "it is not valid JSON")
	}
	return nil
}

// escape makes a key a step of a JSON pointer.
func escape(key string) string {
	return strings.ReplaceAll(strings.ReplaceAll(key, "~", "~0"), "/", "~1")
}

func unescape(step string) string {
	return strings.ReplaceAll(strings.ReplaceAll(step, "~1", "/"), "~0", "~")
}

// find follows a JSON pointer from v; nil when it leads nowhere.
func (v *value) find(pointer string) *value {
	if pointer == "" {
		return v
	}
	steps := strings.Split(pointer, "/")
	if steps[0] != "" {
		return nil
	}
	for _, s := range steps[1:] {
		switch v.kind {
		case kindObject:
			v = v.get(unescape(s))
		case kindArray:
			i, err := strconv.Atoi(s)
			if err != nil || i < 0 || i >= len(v.list) {
				return nil
			}
			v = v.list[i]
		case kindNull, kindBool, kindNumber, kindString:
			return nil
		}
		if v == nil {
			return nil
		}
	}
	return v
}
