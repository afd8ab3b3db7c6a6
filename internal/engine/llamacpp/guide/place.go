package guide

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// at says where in a source an offset is; columns are counted in characters.
func at(source string, offset int) string {
	before := source[:min(max(offset, 0), len(source))]
	line := strings.LastIndexByte(before, '\n') + 1
	return fmt.Sprintf("line %d, column %d", 1+strings.Count(before, "\n"), 1+utf8.RuneCountInString(before[line:]))
}

// How llguidance tells a place in a grammar: "2(5): …" and "at 2(5): …" of the line and the byte in it, and what it found there at
// the end; "at EOF: …"; and names without a place.
var (
	placePattern = regexp.MustCompile(`^(?:at )?([0-9]+)\(([0-9]+)\): (.*)$`)
	foundPattern = regexp.MustCompile(`^(.*) \(at (".*") \(.*\)\)$`)
	namePattern  = regexp.MustCompile(`^(?:unknown name: |rule )"([A-Za-z0-9_-]+)"`)
)

// placed tells a reason of the library's with its place in the grammar that the caller wrote.
func (l *lark) placed(reason string) string {
	if rest, ok := strings.CutPrefix(reason, "at EOF: "); ok {
		return at(l.source, len(l.source)) + ": " + lower(rest)
	}
	what, offset, ok := reason, 0, false
	if m := placePattern.FindStringSubmatch(reason); m != nil {
		what = m[3]
		line, _ := strconv.Atoi(m[1])
		column, _ := strconv.Atoi(m[2])
		offset, ok = l.offset(line, column)
	}
	if name := namePattern.FindStringSubmatch(what); name != nil { // the library tells where the rule is that uses it
		if at, used := l.uses[name[1]]; used {
			offset, ok = at, true
		}
	}
	if f := foundPattern.FindStringSubmatch(what); f != nil {
		if what = f[1]; !strings.Contains(what, ", found ") {
			what += ", found " + f[2]
		}
	}
	if !ok {
		return lower(what)
	}
	return at(l.source, offset) + ": " + lower(what)
}

// offset is the place in the source of a place in the text, in lines and bytes from 1. ok is false for what the caller did not write.
func (l *lark) offset(line, column int) (offset int, ok bool) {
	for range line - 1 {
		i := strings.IndexByte(l.text[offset:], '\n')
		if i < 0 {
			return 0, false
		}
		offset += i + 1
	}
	offset = min(offset+max(column-1, 0), len(l.text))
	p := l.parts[0]
	for _, next := range l.parts[1:] {
		if next.text > offset {
			break
		}
		p = next
	}
	offset += p.source - p.text
	return offset, offset <= len(l.source)
}

// lower begins a clause in lower case.
func lower(s string) string {
	if len(s) > 1 && s[1] >= 'a' && s[1] <= 'z' {
		return strings.ToLower(s[:1]) + s[1:]
	}
	return s
}
