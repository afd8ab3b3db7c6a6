// Package naming makes a model's name of what is known about its file.
//
// It refuses a name that is not canonical, whatever a file is called, and to look whether somebody has the name.
package naming

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"ashatai/internal/core"
	"ashatai/internal/models/facts"
	"ashatai/internal/models/source"
)

const maxNamePart = 100 // shorter than what a name allows, so that a tag always fits beside it

// Derive makes a canonical model name from a file's name, what the file says of its weights, and its sha256, which
// names the file when nothing of the name is usable.
func Derive(file, quantization, sha string) string {
	stem := file
	if n := len(file) - len(facts.Suffix); n >= 0 && strings.EqualFold(file[n:], facts.Suffix) {
		stem = file[:n]
	}
	tag := namePart(quantization)
	if base, quant := source.SplitQuant(stem); quant != "" && namePart(base) != "" {
		stem, tag = base, namePart(quant)
	}
	name := namePart(stem)
	if name == "" {
		name = "model-" + sha[:min(12, len(sha))]
	}
	return (core.ModelName{Name: name, Tag: orLatest(tag)}).String()
}

func orLatest(tag string) string {
	if tag == "" {
		return "latest"
	}
	return tag
}

// namePart folds text into what a part of a model name may hold: runs of anything else become one '-'. It is empty when
// nothing remains.
func namePart(s string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(s) {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			b.WriteRune(r)
		case b.Len() == 0:
		default:
			last := b.String()[b.Len()-1]
			if last == '-' || last == '.' || last == '_' {
				continue // also keeps ".." out
			}
			if r != '.' && r != '_' {
				r = '-'
			}
			b.WriteRune(r)
		}
		if b.Len() >= maxNamePart {
			break
		}
	}
	return strings.TrimRight(b.String(), "-._")
}

// Identify fills in what a file does not say about itself. An empty name is derived.
func Identify(man *core.Manifest, name, file, sha string, size int64, from string, created time.Time) {
	man.Name = name
	if name == "" {
		man.Name = Derive(file, man.Quantization, sha)
	}
	man.Digest = sha
	man.Files = []core.File{{Name: file, Size: size, SHA256: sha}}
	man.Aliases = []string{file}
	man.Source = from
	man.Created = created.UTC()
}

// FileName makes a source's last part fit to be shown and to be an alias.
func FileName(base string) string {
	base = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || unicode.IsControl(r) || r == '/' || r == '\\' {
			return -1
		}
		return r
	}, base)
	for len(base) > 200 || strings.HasPrefix(base, ".") {
		_, n := utf8.DecodeRuneInString(base)
		base = base[n:]
	}
	if base == "" {
		return "model" + facts.Suffix
	}
	return base
}
