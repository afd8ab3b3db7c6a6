// Package abicheck compares Go bindings with C headers: every bound function's parameters and result with its prototype,
// and every mirrored struct's layout with its definition. It understands the plain C of interface headers, not C: macros
// are not expanded, and what it cannot classify is reported, never assumed to be right.
package abicheck

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// kind is how a C type travels: its size and, where it matters, its register class.
type kind string

const (
	kindVoid    kind = "void"
	kindBool    kind = "bool"
	kindI8      kind = "8-bit integer"
	kindI16     kind = "16-bit integer"
	kindI32     kind = "signed 32-bit integer"
	kindU32     kind = "unsigned 32-bit integer"
	kindI64     kind = "signed 64-bit integer"
	kindU64     kind = "unsigned 64-bit integer"
	kindFloat   kind = "float"
	kindDouble  kind = "double"
	kindPointer kind = "pointer"
)

// cType is a C type: a kind, or a struct by value.
type cType struct {
	kind  kind
	strct string
}

func (t cType) String() string {
	if t.strct != "" {
		return "struct " + t.strct
	}
	return string(t.kind)
}

// Headers is the text of C headers, ready for questions.
type Headers struct {
	text  string
	alias map[string]string // typedef name → what it stands for
	count map[string]int    // macro → the number it stands for
}

var (
	comment   = regexp.MustCompile(`(?s)//[^\n]*|/\*.*?\*/`)
	directive = regexp.MustCompile(`(?m)^[ \t]*#(?:[^\n]*\\\n)*[^\n]*`)
	typedef   = regexp.MustCompile(`typedef\s+([^;{}()]+?)\s*\b(\w+)\s*;`)
	callback  = regexp.MustCompile(`typedef\s+[^;{}()]+?\(\s*\*\s*(\w+)\s*\)\s*\([^;]*?\)\s*;`)
	named     = regexp.MustCompile(`typedef\s+struct\s+\w*\s*\{[^{}]*\}\s*(\w+)\s*;`)
	enum      = regexp.MustCompile(`typedef\s+enum\s*\w*\s*\{[^{}]*\}\s*(\w+)\s*;`)
	opaque    = regexp.MustCompile(`\bLITERT_DEFINE_HANDLE(?:_STRUCT)?\((\w+)\)\s*;`) // a pointer, by a macro
	number    = regexp.MustCompile(`(?m)^[ \t]*#[ \t]*define[ \t]+(\w+)[ \t]+(\d+)[ \t]*$`)
	array     = regexp.MustCompile(`^(.*)\[\s*(\w+)\s*\]$`)
)

// Parse prepares headers.
func Parse(headers ...string) *Headers {
	h := &Headers{alias: map[string]string{}, count: map[string]int{}}
	text := comment.ReplaceAllString(strings.Join(headers, "\n"), " ")
	for _, m := range number.FindAllStringSubmatch(text, -1) {
		h.count[m[1]], _ = strconv.Atoi(m[2]) // digits only; one that overflows is 0, which no array has
	}
	h.text = directive.ReplaceAllString(text, "")
	for _, m := range typedef.FindAllStringSubmatch(h.text, -1) {
		if def := strings.TrimSpace(m[1]); def != "struct "+m[2] {
			h.alias[m[2]] = def
		}
	}
	for _, m := range callback.FindAllStringSubmatch(h.text, -1) {
		h.alias[m[1]] = "void *"
	}
	for _, m := range named.FindAllStringSubmatch(h.text, -1) {
		h.alias[m[1]] = "struct " + m[1]
	}
	for _, m := range enum.FindAllStringSubmatch(h.text, -1) {
		h.alias[m[1]] = "int"
	}
	for _, m := range opaque.FindAllStringSubmatch(h.text, -1) {
		h.alias[m[1]] = "void *"
	}
	return h
}

// prototype finds the declaration of a function.
func (h *Headers) prototype(name string) (result cType, params []cType, err error) {
	// A declaration begins after a marker of its library, or after the one before it.
	re := regexp.MustCompile(`(?s)(?:(?:[;{}]\s*)?(?:(?:LLAMA|GGML)(?:_BACKEND)?_API|LLGUIDANCE_NODISCARD|TF_CAPI_EXPORT)|[;{}])\s+([^;(){}]*?)\b` + regexp.QuoteMeta(name) + `\s*\(([^;{}]*?)\)\s*;`)
	m := re.FindStringSubmatch(h.text)
	if m == nil {
		return cType{}, nil, fmt.Errorf("%s: no such function in the headers", name)
	}
	if result, err = h.classify(m[1]); err != nil {
		return cType{}, nil, fmt.Errorf("%s: result: %w", name, err)
	}
	list := strings.TrimSpace(m[2])
	if list == "" || list == "void" {
		return result, nil, nil
	}
	for i, p := range strings.Split(list, ",") {
		t, err := h.classify(unnamed(p))
		if err != nil {
			return cType{}, nil, fmt.Errorf("%s: parameter %d: %w", name, i, err)
		}
		params = append(params, t)
	}
	return result, params, nil
}

// unnamed drops the name from a declaration such as "const float * data". A lone type keeps its word.
func unnamed(decl string) string {
	decl = strings.TrimSpace(decl)
	i := strings.LastIndexFunc(decl, func(r rune) bool { return r == ' ' || r == '*' || r == '\t' || r == '\n' })
	if i < 0 {
		return decl
	}
	return decl[:i+1]
}

// classify says how a type travels.
func (h *Headers) classify(decl string) (cType, error) {
	if strings.Contains(decl, "*") {
		return cType{kind: kindPointer}, nil
	}
	words := slices.DeleteFunc(strings.Fields(decl), func(w string) bool { return w == "const" || w == "extern" })
	switch {
	case len(words) == 2 && words[0] == "enum":
		return cType{kind: kindI32}, nil
	case len(words) == 2 && words[0] == "struct":
		return cType{strct: words[1]}, nil
	case len(words) != 1:
		return cType{}, fmt.Errorf("%q is not understood", decl)
	}
	switch words[0] {
	case "void":
		return cType{kind: kindVoid}, nil
	case "bool":
		return cType{kind: kindBool}, nil
	case "char", "int8_t", "uint8_t":
		return cType{kind: kindI8}, nil
	case "int16_t", "uint16_t":
		return cType{kind: kindI16}, nil
	case "int", "int32_t":
		return cType{kind: kindI32}, nil
	case "uint32_t":
		return cType{kind: kindU32}, nil
	case "int64_t":
		return cType{kind: kindI64}, nil
	case "uint64_t", "size_t":
		return cType{kind: kindU64}, nil
	case "float":
		return cType{kind: kindFloat}, nil
	case "double":
		return cType{kind: kindDouble}, nil
	}
	if def, ok := h.alias[words[0]]; ok {
		return h.classify(def)
	}
	return cType{}, fmt.Errorf("%q is not known", words[0])
}

// field is a member of a C struct, with its place by natural alignment.
type field struct {
	name   string
	t      cType
	many   int // elements of an array; 0 when it is none
	offset uintptr
	align  uintptr
}

// layout lays a struct out as the C ABI of 64-bit platforms does.
func (h *Headers) layout(name string) (fields []field, size uintptr, err error) {
	re := regexp.MustCompile(`(?s)struct\s+` + regexp.QuoteMeta(name) + `\s*\{([^{}]*)\}`)
	m := re.FindStringSubmatch(h.text)
	if m == nil {
		return nil, 0, fmt.Errorf("struct %s: not defined in the headers", name)
	}
	align := uintptr(1)
	for decl := range strings.SplitSeq(m[1], ";") {
		if decl = strings.TrimSpace(decl); decl == "" {
			continue
		}
		many := 0
		if a := array.FindStringSubmatch(decl); a != nil {
			decl = a[1]
			if many, err = h.length(a[2]); err != nil {
				return nil, 0, fmt.Errorf("struct %s: %w", name, err)
			}
		}
		typ := unnamed(decl)
		t, err := h.classify(typ)
		if err != nil {
			return nil, 0, fmt.Errorf("struct %s: %w", name, err)
		}
		n, a := t.size(), t.size()
		if t.strct != "" && t.strct != name {
			if n, a, err = h.inner(t.strct); err != nil {
				return nil, 0, err
			}
		}
		if n == 0 {
			return nil, 0, fmt.Errorf("struct %s: member %q has no known size", name, decl)
		}
		align = max(align, a)
		size = (size + a - 1) / a * a
		fields = append(fields, field{name: strings.TrimSpace(strings.TrimPrefix(decl, typ)), t: t, many: many, offset: size, align: a})
		size += n * uintptr(max(many, 1))
	}
	return fields, (size + align - 1) / align * align, nil
}

// inner is the size and the alignment of a struct that is a member of another.
func (h *Headers) inner(name string) (size, align uintptr, err error) {
	fields, size, err := h.layout(name)
	if err != nil {
		return 0, 0, err
	}
	align = 1
	for _, f := range fields {
		align = max(align, f.align)
	}
	return size, align, nil
}

// length is the number of elements that an array's declaration gives, as digits or by the name of a macro.
func (h *Headers) length(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil {
		n = h.count[s]
	}
	if n <= 0 {
		return 0, fmt.Errorf("the array length %q is not known", s)
	}
	return n, nil
}

func (t cType) size() uintptr {
	switch t.kind {
	case kindBool, kindI8:
		return 1
	case kindI16:
		return 2
	case kindI32, kindU32, kindFloat:
		return 4
	case kindI64, kindU64, kindDouble, kindPointer:
		return 8
	case kindVoid:
	}
	return 0
}
