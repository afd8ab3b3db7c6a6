package project

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// maxWarnings bounds how many dropped files are named one by one.
const maxWarnings = 50

// keep puts the files that may stay into out and names the others.
func keep(out *Result, spec Spec, files []file) {
	seen := map[string]bool{} // folded: two names that differ in case are one file on many systems
	dropped := 0
	drop := func(p, why string) {
		if dropped++; dropped <= maxWarnings {
			out.warn("Dropped %s: %s.", show(p), why)
		}
	}
	for _, f := range files {
		p, err := clean(f.Path)
		folded := strings.ToLower(p)
		switch {
		case err != nil:
			drop(f.Path, err.Error())
		case seen[folded]:
			drop(p, "the answer holds another file of this name")
		case clash(seen, folded):
			drop(p, "the answer holds a file and a folder of one name")
		case strings.TrimSpace(f.Content) == "":
			drop(p, "it is empty")
		case len(f.Content) > spec.MaxFileBytes:
			drop(p, fmt.Sprintf("it has %d bytes, and maxFileSizeBytes is %d", len(f.Content), spec.MaxFileBytes))
		case !spec.IncludeReadme && isReadme(folded):
			drop(p, "includeReadme is false")
		case len(out.Files) >= spec.MaxFiles:
			drop(p, fmt.Sprintf("maxFiles is %d", spec.MaxFiles))
		default:
			seen[folded] = true
			out.Files[p] = f.Content
			if p != f.Path {
				out.warn("Renamed %s to %s.", show(f.Path), show(p))
			}
		}
	}
	if dropped > maxWarnings {
		out.warn("Dropped %d more files.", dropped-maxWarnings)
	}
}

// clash reports whether p needs a folder where a kept file is, or the other way round.
func clash(seen map[string]bool, p string) bool {
	for other := range seen {
		if strings.HasPrefix(other, p+"/") || strings.HasPrefix(p, other+"/") {
			return true
		}
	}
	return false
}

func isReadme(folded string) bool {
	return folded == "readme.md" || folded == "readme.txt"
}

// addReadme writes a README where one was asked for and the model gave none, and says so.
func addReadme(out *Result, spec Spec) {
	names := slices.Sorted(maps.Keys(out.Files))
	if slices.ContainsFunc(names, func(p string) bool { return isReadme(strings.ToLower(strings.SplitN(p, "/", 2)[0])) }) {
		return
	}
	if len(out.Files) >= spec.MaxFiles {
		out.warn("No README.md was added: maxFiles is %d.", spec.MaxFiles)
		return
	}
	var b strings.Builder
	fmt.Fprintf(&b, "# Project\n\n%s\n\n## Files\n\n", spec.Description)
	for _, p := range names {
		fmt.Fprintf(&b, "- `%s`\n", p)
	}
	if b.Len() > spec.MaxFileBytes {
		out.warn("No README.md was added: it would have %d bytes, and maxFileSizeBytes is %d.", b.Len(), spec.MaxFileBytes)
		return
	}
	out.Files["README.md"] = b.String()
	out.warn("Added README.md: the model wrote none, so the server listed the description and the files.")
}

func show(s string) string {
	if r := []rune(s); len(r) > 80 {
		s = string(r[:80]) + "…"
	}
	return fmt.Sprintf("%q", s)
}
