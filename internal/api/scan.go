package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"ashatai/internal/core"
)

// scanner walks valid JSON once, beside the Go type that it is meant for, and finds what encoding/json lets pass:
// duplicate keys, unknown fields, names in another case. Its work is linear in the data, and a path is only spelled out
// when there is an error to report.
type scanner struct {
	data   []byte
	pos    int
	path   []step
	fields map[reflect.Type]map[string]reflect.Type // the JSON fields of each struct met so far
	own    map[reflect.Type]reflect.Type            // what target said of each type: asking is slow, and arrays are long
}

// step is one part of a path: an index, or a key where index is negative.
type step struct {
	key   string
	index int
}

// maxKeyShown bounds how much of a caller's key an error repeats.
const maxKeyShown = 80

func (s *scanner) param() string {
	var b strings.Builder
	for i, p := range s.path {
		if i > 0 {
			b.WriteByte('.')
		}
		if p.index >= 0 {
			b.WriteString(strconv.Itoa(p.index))
		} else {
			b.WriteString(short(p.key, maxKeyShown))
		}
	}
	return b.String()
}

func (s *scanner) fail(format string, args ...any) error {
	p := s.param()
	return &core.Error{Code: core.CodeInvalidRequest, Param: p, Message: where(p) + " " + fmt.Sprintf(format, args...)}
}

func where(param string) string {
	if param == "" {
		return "The request body"
	}
	return strconv.Quote(param)
}

// value checks the value at pos against t; a nil t is any type.
func (s *scanner) value(t reflect.Type) error {
	s.space()
	t = s.target(t)
	switch s.data[s.pos] {
	case '{':
		return s.object(t)
	case '[':
		return s.array(t)
	case '"':
		s.text()
		return s.expect(t, "a string", reflect.String)
	case 't', 'f':
		s.literal()
		return s.expect(t, "true or false", reflect.Bool)
	case 'n':
		s.literal()
		return nil
	}
	return s.number(t)
}

// target remembers what targetOf says.
func (s *scanner) target(t reflect.Type) reflect.Type {
	if t == nil {
		return nil
	}
	out, known := s.own[t]
	if !known {
		out = targetOf(t)
		s.own[t] = out
	}
	return out
}

// targetOf follows pointers, and is nil for a type that takes any JSON or reads its own.
func targetOf(t reflect.Type) reflect.Type {
	for t != nil {
		if t.Kind() == reflect.Interface || readsItself(t) {
			return nil
		}
		if t.Kind() != reflect.Pointer {
			return t
		}
		t = t.Elem()
	}
	return nil
}

func readsItself(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	return p.Implements(reflect.TypeFor[json.Unmarshaler]()) || p.Implements(textUnmarshaler)
}

func (s *scanner) expect(t reflect.Type, got string, kinds ...reflect.Kind) error {
	if t == nil {
		return nil
	}
	if slices.Contains(kinds, t.Kind()) {
		return nil
	}
	if t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8 && slices.Contains(kinds, reflect.String) {
		return nil // base64
	}
	return s.fail("must be %s, not %s.", typeWords(t), got)
}

func typeWords(t reflect.Type) string {
	switch t.Kind() { //nolint:exhaustive // the kinds that JSON can fill; the rest falls through
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "a string"
	case reflect.Struct, reflect.Map:
		return "an object"
	case reflect.Slice, reflect.Array:
		if t.Elem().Kind() == reflect.Uint8 {
			return "a base64 string"
		}
		return "an array"
	case reflect.Float32, reflect.Float64:
		return "a number"
	default:
		return "a whole number"
	}
}

func (s *scanner) object(t reflect.Type) error {
	if err := s.enter(); err != nil {
		return err
	}
	if err := s.expect(t, "an object", reflect.Struct, reflect.Map); err != nil {
		return err
	}
	var fields map[string]reflect.Type
	var elem reflect.Type
	if t != nil && t.Kind() == reflect.Struct {
		fields = s.fieldsOf(t)
	} else if t != nil {
		elem = t.Elem()
	}
	seen := map[string]struct{}{}
	s.path = append(s.path, step{})
	for s.more('}') {
		key := s.key()
		s.path[len(s.path)-1] = step{key: key, index: -1}
		if _, twice := seen[key]; twice {
			return s.fail("is given twice.")
		}
		seen[key] = struct{}{}
		if fields != nil {
			ft, known := fields[key]
			if !known {
				return s.fail("is not a field that this call knows.")
			}
			elem = ft
		}
		if err := s.member(elem, fields == nil); err != nil {
			return err
		}
	}
	s.path = s.path[:len(s.path)-1]
	return nil
}

func (s *scanner) array(t reflect.Type) error {
	if err := s.enter(); err != nil {
		return err
	}
	if err := s.expect(t, "an array", reflect.Slice, reflect.Array); err != nil {
		return err
	}
	var elem reflect.Type
	if t != nil {
		elem = t.Elem()
		if elem.Kind() == reflect.Uint8 {
			return s.fail("must be a base64 string, not an array.")
		}
	}
	s.path = append(s.path, step{})
	for i := 0; s.more(']'); i++ {
		s.path[len(s.path)-1] = step{index: i}
		if err := s.member(elem, true); err != nil {
			return err
		}
	}
	s.path = s.path[:len(s.path)-1]
	return nil
}

// member checks a value inside an array or an object. Null counts as an absent field; in a list or a map there is nothing
// that it could stand for.
func (s *scanner) member(t reflect.Type, listed bool) error {
	s.space()
	if listed && s.data[s.pos] == 'n' && t != nil && t.Kind() != reflect.Pointer {
		if own := s.target(t); own != nil {
			return s.fail("must be %s, not null.", typeWords(own))
		}
	}
	return s.value(t)
}

// enter steps into an object or array and bounds the depth.
func (s *scanner) enter() error {
	s.pos++
	if len(s.path) >= MaxDepth {
		return core.Errorf(core.CodeInvalidRequest, "The request body nests deeper than %d levels.", MaxDepth)
	}
	return nil
}

// more skips to the next member, or past the closing byte.
func (s *scanner) more(closing byte) bool {
	s.space()
	if s.data[s.pos] == ',' {
		s.pos++
		s.space()
	}
	if s.data[s.pos] == closing {
		s.pos++
		return false
	}
	return true
}

func (s *scanner) key() string {
	raw := s.text()
	s.space()
	s.pos++ // the colon
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw[1 : len(raw)-1])
	}
	var key string
	_ = json.Unmarshal(raw, &key) // a valid string: the syntax was checked before
	return key
}

// text steps over a string and returns it with its quotes.
func (s *scanner) text() []byte {
	start := s.pos
	for s.pos++; s.data[s.pos] != '"'; s.pos++ {
		if s.data[s.pos] == '\\' {
			s.pos++
		}
	}
	s.pos++
	return s.data[start:s.pos]
}

func (s *scanner) space() {
	for s.pos < len(s.data) && isSpace(s.data[s.pos]) {
		s.pos++
	}
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\r' || c == '\t' }

// literal steps over a number or a word and returns it.
func (s *scanner) literal() []byte {
	start := s.pos
	for s.pos < len(s.data) {
		if c := s.data[s.pos]; c == ',' || c == ']' || c == '}' || isSpace(c) {
			break
		}
		s.pos++
	}
	return s.data[start:s.pos]
}

func (s *scanner) number(t reflect.Type) error {
	literal := s.literal()
	if t == nil {
		return nil
	}
	text := string(literal)
	switch k := t.Kind(); {
	case k == reflect.Float32 || k == reflect.Float64:
		if _, err := strconv.ParseFloat(text, t.Bits()); err != nil {
			return s.fail("is %s, which is out of range.", short(text, 40))
		}
	case k >= reflect.Int && k <= reflect.Int64:
		if _, err := strconv.ParseInt(text, 10, t.Bits()); err != nil {
			return s.fail("is %s; it must be a whole number in range.", short(text, 40))
		}
	case k >= reflect.Uint && k <= reflect.Uint64:
		if _, err := strconv.ParseUint(text, 10, t.Bits()); err != nil {
			return s.fail("is %s; it must be a whole number in range, and not negative.", short(text, 40))
		}
	default:
		return s.expect(t, "a number")
	}
	return nil
}

func short(text string, limit int) string {
	if len(text) > limit {
		return strings.ToValidUTF8(text[:limit], "") + "…"
	}
	return text
}

// fieldsOf lists the JSON fields of a struct with those of embedded structs, by their exact names.
func (s *scanner) fieldsOf(t reflect.Type) map[string]reflect.Type {
	if f, ok := s.fields[t]; ok {
		return f
	}
	fields := map[string]reflect.Type{}
	for name, f := range jsonFields(t) {
		fields[name] = f.Type
	}
	s.fields[t] = fields
	return fields
}
