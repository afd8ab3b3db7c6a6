package models

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"ashatai/internal/core"
)

// origin says who owns a model's file.
type origin int

const (
	originPulled    origin = iota // a blob of ours
	originShared                  // a read-only folder
	originHand                    // dropped into the models folder
	originElsewhere               // another server holds it; there is no file
)

// entry is one usable model.
type entry struct {
	manifest *core.Manifest
	path     string // of the main file
	file     string // its name, as the old calls know it
	head     string // sha256 of the first MiB, lower-case hex
	origin   origin
	loaded   time.Time
}

// found is what looking at a place brought: what can be used, and what cannot.
type found struct {
	good []*entry
	bad  []FailedFile
}

func (f *found) add(other found) {
	f.good = append(f.good, other.good...)
	f.bad = append(f.bad, other.bad...)
}

// Report is the state of the model files.
type Report struct {
	Dir    string // the models folder
	Loaded []ScannedFile
	Failed []FailedFile
}

// ScannedFile is one usable model file.
type ScannedFile struct {
	Name      string // canonical model name
	FileName  string
	Path      string // absolute
	SizeBytes int64
	Checksum  string // sha256 of the first MiB, upper-case hex
	LoadedAt  time.Time
}

// FailedFile is one file that cannot be used.
type FailedFile struct {
	FileName string
	Path     string // absolute
	Error    string // a sentence: why, and what to do
}

// catalog is one state of what is installed. It is never changed.
type catalog struct {
	entries  []*entry // pulled ones, shared ones, hand-dropped ones
	byName   map[string]*entry
	byAlias  map[string][]*entry // lower case, names without a tag included
	pointers map[string]pointer  // by canonical name
	wanted   string              // the default model of the settings
	chosen   *entry              // the default chat model; nil when there is none
	refused  *core.Error         // why the wanted one is not it
	report   Report
}

// newCatalog gives each name to the first model that has it; later ones are failed files.
func newCatalog(dir, wanted string, pointers map[string]pointer, places ...found) *catalog {
	c := &catalog{byName: map[string]*entry{}, byAlias: map[string][]*entry{}, pointers: pointers, wanted: wanted, report: Report{Dir: dir}}
	for _, p := range places {
		c.report.Failed = append(c.report.Failed, p.bad...)
		for _, e := range p.good {
			if first := c.byName[e.manifest.Name]; first != nil {
				if e.origin == originElsewhere {
					continue
				}
				c.report.Failed = append(c.report.Failed, duplicate(e, first))
				continue
			}
			c.take(e)
		}
	}
	c.choose()
	return c
}

func (c *catalog) take(e *entry) {
	c.entries = append(c.entries, e)
	c.byName[e.manifest.Name] = e
	var keys []string
	if e.file != "" {
		keys = append(keys, strings.ToLower(e.file))
	}
	for _, a := range e.manifest.Aliases {
		keys = append(keys, strings.ToLower(a))
	}
	if i := strings.LastIndexByte(e.manifest.Name, ':'); i >= 0 {
		keys = append(keys, e.manifest.Name[:i])
	}
	slices.Sort(keys)
	for _, k := range slices.Compact(keys) {
		c.byAlias[k] = append(c.byAlias[k], e)
	}
	if e.origin == originElsewhere {
		return
	}
	c.report.Loaded = append(c.report.Loaded, ScannedFile{
		Name: e.manifest.Name, FileName: e.file, Path: e.path, SizeBytes: e.manifest.Files[0].Size,
		Checksum: strings.ToUpper(e.head), LoadedAt: e.loaded,
	})
}

func duplicate(e, first *entry) FailedFile {
	return FailedFile{FileName: e.file, Path: e.path, Error: fmt.Sprintf(
		"The file %q would have the model name %s, which %s has already. Rename the file, or give it another name in %q.",
		e.path, e.manifest.Name, first.path, e.file+sidecarSuffix)}
}

// choose finds the default chat model.
func (c *catalog) choose() {
	if c.wanted != "" {
		e, err := c.lookup(c.wanted)
		c.chosen, c.refused = e, core.AsError(err)
		return
	}
	byName := slices.SortedFunc(slices.Values(c.entries), compareNames)
	for _, fits := range []func(*entry) bool{
		func(e *entry) bool { return e.origin == originShared && e.manifest.Can(core.CapChat) },
		func(e *entry) bool { return e.manifest.Can(core.CapChat) },
		func(e *entry) bool { return e.manifest.Can(core.CapGenerate) },
	} {
		if i := slices.IndexFunc(byName, fits); i >= 0 {
			c.chosen = byName[i]
			return
		}
	}
}

func compareNames(a, b *entry) int { return strings.Compare(a.manifest.Name, b.manifest.Name) }

// ordered returns the default model first, then the others by name.
func (c *catalog) ordered() []*entry {
	return slices.SortedFunc(slices.Values(c.entries), func(a, b *entry) int {
		switch {
		case a == b:
			return 0
		case a == c.chosen:
			return -1
		case b == c.chosen:
			return 1
		}
		return compareNames(a, b)
	})
}

func (c *catalog) resolve(name string) (*entry, error) {
	if strings.TrimSpace(name) != "" {
		return c.lookup(name)
	}
	switch {
	case c.chosen != nil:
		return c.chosen, nil
	case c.refused != nil:
		return nil, core.Errorf(core.CodeModelNotFound, "The default model of the settings cannot be used. %s", c.refused.Message)
	}
	return nil, core.Errorf(core.CodeModelNotFound, "No model that can chat is installed. Install one with `ashatai pull`, or put a GGUF file into %s and scan again.", c.report.Dir)
}

// lookup finds a model by anything that names it: the canonical name first, then the aliases that somebody gave, then file
// names and names without a tag.
func (c *catalog) lookup(name string) (*entry, error) {
	if n, err := core.ParseModelName(name); err == nil && c.byName[n.String()] == nil {
		if p, ok := c.pointers[n.String()]; ok {
			e, err := c.direct(p.model)
			if err != nil {
				return nil, &core.Error{Code: core.CodeModelNotFound, Param: "model", Message: fmt.Sprintf("The alias %s stands for %s, which is not installed. Install that, or give the alias another model.",
					n.Short(), shortName(p.model))}
			}
			return e, nil
		}
	}
	return c.direct(name)
}

// direct is lookup without the aliases that somebody gave.
func (c *catalog) direct(name string) (*entry, error) {
	key := strings.ToLower(strings.TrimSpace(name))
	keys := []string{key}
	if n, err := core.ParseModelName(name); err == nil {
		if e := c.byName[n.String()]; e != nil {
			return e, nil
		}
		keys = append(keys, n.Short())
	}
	for _, k := range keys {
		switch list := c.byAlias[k]; len(list) {
		case 0:
		case 1:
			return list[0], nil
		default:
			return nil, core.Invalid("model", "The model name %.80q could mean %s; use the full name of one of them.", name, joinNames(list))
		}
	}
	return nil, &core.Error{
		Code: core.CodeModelNotFound, Param: "model",
		Message: fmt.Sprintf("There is no model %.80q.%s `ashatai list` shows what is installed.", name, c.hint(name)),
	}
}

func joinNames(list []*entry) string {
	names := make([]string, len(list))
	for i, e := range list {
		names[i] = short(e)
	}
	slices.Sort(names)
	return strings.Join(names, " or ")
}

func short(e *entry) string { return strings.TrimSuffix(e.manifest.Name, ":latest") }
