package source

import (
	"path"
	"regexp"
	"slices"
	"strings"

	"ashatai/internal/core"
)

const (
	fileSuffix = ".gguf"
	maxListed  = 12 // files or kinds that an error names
)

// quantSuffix finds how the weights are stored at the end of a file's name, as people write it: ".Q4_K_M", "-f16".
var quantSuffix = regexp.MustCompile(`(?i)[._ -]((?:ud-)?(?:i?q[1-8]_[0-9a-z]+(?:_[0-9a-z]+)*|tq[12]_0|bf16|fp?16|fp?32|mxfp4(?:_moe)?|nvfp4))$`)

// splitName finds the number of a part of a model that is split over several files.
var splitName = regexp.MustCompile(`(?i)-[0-9]{5}-of-[0-9]{5}$`)

// SplitQuant cuts how the weights are stored from the end of a file's name without ".gguf". quant is empty when the name
// does not tell.
func SplitQuant(stem string) (base, quant string) {
	loc := quantSuffix.FindStringSubmatchIndex(stem)
	if loc == nil {
		return stem, ""
	}
	return stem[:loc[0]], stem[loc[2]:loc[3]]
}

// offer is one file that a hub lists.
type offer struct {
	path string
	size int64
	sha  string // empty: not said
}

func (o offer) stem() string { return path.Base(o.path)[:len(path.Base(o.path))-len(fileSuffix)] }

func (o offer) split() bool { return splitName.MatchString(o.stem()) }

// quant is how the weights are stored, by the file's name, in lower case.
func (o offer) quant() string {
	_, q := SplitQuant(splitName.ReplaceAllString(o.stem(), ""))
	return strings.ToLower(q)
}

// isModel tells model files from others that have the same format.
func (o offer) isModel() bool {
	base := strings.ToLower(path.Base(o.path))
	return strings.HasSuffix(base, fileSuffix) && len(base) > len(fileSuffix) && !strings.Contains(base, "mmproj") && !strings.Contains(base, "imatrix")
}

// choose finds the file that a name means. want is a file's name, a kind of weights, or empty for the usual one.
func choose(list []offer, want string) (offer, error) {
	models := slices.DeleteFunc(slices.Clone(list), func(o offer) bool { return !o.isModel() })
	slices.SortFunc(models, func(a, b offer) int { return strings.Compare(a.path, b.path) })
	if len(models) == 0 {
		return offer{}, core.Errorf(core.CodeNotFound, "The repository holds no GGUF file. Models are served from GGUF files only; look for a repository that offers them.")
	}
	var found []offer
	switch {
	case want == "":
		found = usual(models)
	case strings.HasSuffix(strings.ToLower(want), fileSuffix):
		found = matching(models, func(o offer) bool { return o.path == want })
		if found == nil {
			found = matching(models, func(o offer) bool {
				return strings.EqualFold(o.path, want) || strings.EqualFold(path.Base(o.path), want)
			})
		}
	default:
		found = matching(models, func(o offer) bool { return o.quant() == strings.ToLower(want) })
		if found == nil {
			found = matching(models, func(o offer) bool { return strings.EqualFold(path.Base(path.Dir(o.path)), want) })
		}
	}
	whole := matching(found, func(o offer) bool { return !o.split() })
	switch {
	case len(found) == 0:
		return offer{}, core.Invalid("source", "The repository has no file %.100q; it has %s.", want, names(models))
	case len(whole) == 0:
		return offer{}, core.Errorf(core.CodeUnsupported, "The model is split over several files (%s), which cannot be served. Choose a smaller kind of weights, or join the files and pull the result by its path.", found[0].path)
	case len(whole) > 1:
		return offer{}, core.Invalid("source", "The name could mean %s; write the name of one file behind the repository.", names(whole))
	}
	return whole[0], nil
}

// usual is the file for a name that does not say which: the kind of weights that most people want, else the first.
func usual(models []offer) []offer {
	whole := matching(models, func(o offer) bool { return !o.split() })
	if whole == nil {
		return models
	}
	for _, q := range []string{"q4_k_m", "q4_0", "q8_0"} {
		if list := matching(whole, func(o offer) bool { return o.quant() == q }); list != nil {
			return list[:1]
		}
	}
	return whole[:1]
}

func matching(list []offer, fits func(offer) bool) []offer {
	var out []offer
	for _, o := range list {
		if fits(o) {
			out = append(out, o)
		}
	}
	return out
}

func names(list []offer) string {
	var b strings.Builder
	for i, o := range list[:min(len(list), maxListed)] {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(o.path)
	}
	if len(list) > maxListed {
		b.WriteString(" and others")
	}
	return b.String()
}
