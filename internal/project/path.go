package project

import (
	"errors"
	"path"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	maxPath    = 240 // bytes; what every common file system takes below a folder
	maxSegment = 100
	maxDepth   = 8
)

// clean makes a path that a model wrote safe to create below a folder on any system, or says why it cannot: it is
// relative, stays inside, names a file of an allowed extension, and holds nothing that a system treats as special.
func clean(p string) (string, error) {
	if !utf8.ValidString(p) || strings.ContainsFunc(p, func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) }) {
		return "", errors.New("it holds control characters")
	}
	p = strings.TrimSpace(strings.ReplaceAll(p, `\`, "/"))
	for strings.HasPrefix(p, "./") {
		p = strings.TrimLeft(p[2:], "/")
	}
	switch {
	case p == "":
		return "", errors.New("it is empty")
	case strings.HasPrefix(p, "/"):
		return "", errors.New("it is absolute")
	case strings.ContainsAny(p, `:*?"<>|~$%`):
		return "", errors.New("it holds a drive letter, a home folder or another special character")
	}
	parts := strings.Split(p, "/")
	parts = slices.DeleteFunc(parts, func(s string) bool { return s == "" || s == "." })
	if len(parts) > maxDepth {
		return "", errors.New("it is nested too deeply")
	}
	for _, part := range parts {
		if err := segment(part); err != nil {
			return "", err
		}
	}
	if strings.HasSuffix(p, "/") || len(parts) == 0 {
		return "", errors.New("it names a folder")
	}
	p = strings.Join(parts, "/")
	if len(p) > maxPath {
		return "", errors.New("it is too long")
	}
	ext := strings.ToLower(strings.TrimPrefix(path.Ext(p), "."))
	if !slices.Contains(extensions(), ext) {
		return "", errors.New("its extension is not allowed")
	}
	return p, nil
}

func segment(s string) error {
	switch {
	case s == "..":
		return errors.New("it leaves the project")
	case strings.HasPrefix(s, "."), strings.HasPrefix(s, "-"):
		return errors.New("a part of it is hidden or looks like an option")
	case strings.HasSuffix(s, "."), strings.HasPrefix(s, " "), strings.HasSuffix(s, " "):
		return errors.New("a part of it begins or ends with a space or a dot, which Windows drops")
	case len(s) > maxSegment:
		return errors.New("a part of it is too long")
	case reserved(s):
		return errors.New("a part of it is a device's name on Windows")
	}
	return nil
}

// reserved reports whether Windows takes the name for a device, whatever its extension.
func reserved(s string) bool {
	base, _, _ := strings.Cut(strings.ToLower(s), ".")
	base = strings.TrimRight(base, " ")
	switch base {
	case "con", "prn", "aux", "nul", "conin$", "conout$":
		return true
	}
	for _, device := range []string{"com", "lpt"} {
		if rest, ok := strings.CutPrefix(base, device); ok && utf8.RuneCountInString(rest) == 1 && strings.ContainsAny(rest, "0123456789¹²³") {
			return true
		}
	}
	return false
}
