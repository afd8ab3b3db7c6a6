// Package rawjson walks JSON without building it: a vocabulary of half a million entries is read straight into the tables
// that use it. It gives values as slices of the input and holds no state.
//
// It checks what it walks over, not what it skips; a value that is skipped is checked when it is walked in turn.
package rawjson

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// MaxDepth bounds how deep objects and arrays may lie in each other.
const MaxDepth = 64

// errorAt is a fault at a byte of the text that was handed in.
func errorAt(at int, what string) error { return fmt.Errorf("byte %d: %s", at, what) }

// Object calls visit for each member in order. Names that appear twice are visited twice.
func Object(b []byte, visit func(key string, value []byte) error) error {
	return walk(b, '{', '}', func(b []byte, i int) (int, error) {
		end, err := skipString(b, i)
		if err != nil {
			return 0, err
		}
		key, err := String(b[i:end])
		if err != nil {
			return 0, err
		}
		i = space(b, end)
		if i >= len(b) || b[i] != ':' {
			return 0, errorAt(i, "a colon is missing")
		}
		i = space(b, i+1)
		if end, err = skip(b, i); err != nil {
			return 0, err
		}
		return end, visit(key, b[i:end])
	})
}

// Array calls visit for each element in order.
func Array(b []byte, visit func(value []byte) error) error {
	return walk(b, '[', ']', func(b []byte, i int) (int, error) {
		end, err := skip(b, i)
		if err != nil {
			return 0, err
		}
		return end, visit(b[i:end])
	})
}

// walk goes over the elements between two brackets. one reads the element at i and returns where it ends.
func walk(b []byte, open, shut byte, one func(b []byte, i int) (int, error)) error {
	i := space(b, 0)
	if i >= len(b) || b[i] != open {
		return errorAt(i, "'"+string(open)+"' is missing")
	}
	i = space(b, i+1)
	if i < len(b) && b[i] == shut {
		return tail(b, i+1)
	}
	for {
		end, err := one(b, i)
		if err != nil {
			return err
		}
		i = space(b, end)
		switch {
		case i < len(b) && b[i] == ',':
			i = space(b, i+1)
		case i < len(b) && b[i] == shut:
			return tail(b, i+1)
		default:
			return errorAt(i, "a comma or '"+string(shut)+"' is missing")
		}
	}
}

func tail(b []byte, i int) error {
	if i = space(b, i); i < len(b) {
		return errorAt(i, "something follows the end")
	}
	return nil
}

// String reads a string. Halves of surrogate pairs become U+FFFD, as encoding/json does it.
func String(b []byte) (string, error) {
	if len(b) < 2 || b[0] != '"' || b[len(b)-1] != '"' {
		return "", errorAt(0, "a string is missing")
	}
	in := b[1 : len(b)-1]
	if bytes.IndexByte(in, '\\') < 0 && utf8.Valid(in) {
		for i, c := range in {
			if c < ' ' || c == '"' {
				return "", errorAt(i+1, "a string holds what must be escaped")
			}
		}
		return string(in), nil
	}
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return "", err
	}
	return s, nil
}

// Int reads a whole number from 0 to 2³¹−1.
func Int(b []byte) (int, error) {
	n, err := strconv.ParseUint(string(b), 10, 31)
	if err != nil {
		return 0, fmt.Errorf("%.20q is no whole number from 0 to 2³¹−1", b)
	}
	return int(n), nil
}

// Float reads a number.
func Float(b []byte) (float64, error) {
	if !json.Valid(b) {
		return 0, fmt.Errorf("%.20q is no number", b)
	}
	return strconv.ParseFloat(string(b), 64)
}

// Null says whether a value is absent or null.
func Null(b []byte) bool { return len(b) == 0 || string(b) == "null" }

func space(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\r' || b[i] == '\t') {
		i++
	}
	return i
}

// skip returns where the value at i ends.
func skip(b []byte, i int) (int, error) {
	if i >= len(b) {
		return 0, errorAt(i, "the text ends in the middle")
	}
	switch b[i] {
	case '"':
		return skipString(b, i)
	case '{', '[':
		return skipNested(b, i)
	}
	start := i
	for i < len(b) && b[i] != ',' && b[i] != '}' && b[i] != ']' && b[i] > ' ' {
		i++
	}
	if i == start {
		return 0, errorAt(i, "a value is missing")
	}
	return i, nil
}

func skipString(b []byte, i int) (int, error) {
	if i >= len(b) || b[i] != '"' {
		return 0, errorAt(i, "a string is missing")
	}
	start := i
	for i++; i < len(b); i++ {
		switch b[i] {
		case '"':
			return i + 1, nil
		case '\\':
			i++
		}
	}
	return 0, errorAt(start, "a string has no end")
}

func skipNested(b []byte, i int) (int, error) {
	depth, start := 0, i
	for i < len(b) {
		switch b[i] {
		case '"':
			end, err := skipString(b, i)
			if err != nil {
				return 0, err
			}
			i = end
			continue
		case '{', '[':
			if depth++; depth > MaxDepth {
				return 0, errorAt(i, "the text is nested too deeply")
			}
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1, nil
			}
		}
		i++
	}
	return 0, errorAt(start, "an object or array has no end")
}
