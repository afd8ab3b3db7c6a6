package models

import (
	"regexp"
	"strings"

	"ashatai/internal/core"
)

const (
	fileSuffix  = ".gguf"
	maxNamePart = 100 // shorter than what a name allows, so that a tag always fits beside it
)

// quantSuffix finds how the weights are stored at the end of a file's name, as people write it: ".Q4_K_M", "-f16".
var quantSuffix = regexp.MustCompile(`(?i)[._ -]((?:ud-)?(?:i?q[1-8]_[0-9a-z]+(?:_[0-9a-z]+)*|tq[12]_0|bf16|fp?16|fp?32|mxfp4(?:_moe)?|nvfp4))$`)

// deriveName makes a canonical model name from a file's name, what the file says of its weights, and its sha256, which
// names the file when nothing of the name is usable.
func deriveName(file, quantization, sha string) string {
	stem := file
	if n := len(file) - len(fileSuffix); n >= 0 && strings.EqualFold(file[n:], fileSuffix) {
		stem = file[:n]
	}
	tag := namePart(quantization)
	if loc := quantSuffix.FindStringSubmatchIndex(stem); loc != nil && namePart(stem[:loc[0]]) != "" {
		stem, tag = stem[:loc[0]], namePart(stem[loc[2]:loc[3]])
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
