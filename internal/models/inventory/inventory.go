// Package inventory is one state of what is installed, and which names lead to which model.
//
// It refuses to look at files, and to change: a new state is a new inventory.
package inventory

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"ashatai/internal/core"
)

// Sidecar stands behind the name of a model's file in the name of the file that describes it.
const Sidecar = ".json"

// Origin says who owns a model's file.
type Origin int

// The origins.
const (
	Pulled    Origin = iota // a blob of ours
	Shared                  // a read-only folder
	Hand                    // dropped into the models folder
	Elsewhere               // another server holds it; there is no file
)

// Entry is one usable model.
type Entry struct {
	Manifest *core.Manifest
	Path     string // of the main file
	File     string // its name, as the old calls know it
	Head     string // sha256 of the first MiB, lower-case hex
	Origin   Origin
	Loaded   time.Time
}

// Short is the model's name as it is shown.
func (e *Entry) Short() string { return Short(e.Manifest.Name) }

// Short is a canonical name as it is shown.
func Short(canonical string) string { return strings.TrimSuffix(canonical, ":latest") }

// Found is what looking at a place brought: what can be used, and what cannot.
type Found struct {
	Good []*Entry
	Bad  []FailedFile
}

// Add puts the finds of another place behind these.
func (f *Found) Add(other Found) {
	f.Good = append(f.Good, other.Good...)
	f.Bad = append(f.Bad, other.Bad...)
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

// UnreadableFolder is a folder as a failed file.
func UnreadableFolder(dir string) FailedFile {
	return FailedFile{FileName: filepath.Base(dir), Path: dir, Error: fmt.Sprintf(
		"The folder %s cannot be read; check that it is a folder, and its owner and permissions.", dir)}
}

// Inventory is one state of what is installed. It is never changed, and safe for concurrent use.
type Inventory struct {
	entries  []*Entry // pulled ones, shared ones, hand-dropped ones
	byName   map[string]*Entry
	byAlias  map[string][]*Entry // lower case, names without a tag included
	pointers map[string]Pointer  // by canonical name
	wanted   string              // the default model of the settings
	chosen   *Entry              // the default chat model; nil when there is none
	refused  *core.Error         // why the wanted one is not it
	report   Report
}

// New gives each name to the first model that has it; later ones are failed files.
func New(dir, wanted string, pointers map[string]Pointer, places ...Found) *Inventory {
	c := &Inventory{byName: map[string]*Entry{}, byAlias: map[string][]*Entry{}, pointers: pointers, wanted: wanted, report: Report{Dir: dir}}
	for _, p := range places {
		c.report.Failed = append(c.report.Failed, p.Bad...)
		for _, e := range p.Good {
			if first := c.byName[e.Manifest.Name]; first != nil {
				if e.Origin == Elsewhere {
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

func (c *Inventory) take(e *Entry) {
	c.entries = append(c.entries, e)
	c.byName[e.Manifest.Name] = e
	var keys []string
	if e.File != "" {
		keys = append(keys, strings.ToLower(e.File))
	}
	for _, a := range e.Manifest.Aliases {
		keys = append(keys, strings.ToLower(a))
	}
	if i := strings.LastIndexByte(e.Manifest.Name, ':'); i >= 0 {
		keys = append(keys, e.Manifest.Name[:i])
	}
	slices.Sort(keys)
	for _, k := range slices.Compact(keys) {
		c.byAlias[k] = append(c.byAlias[k], e)
	}
	if e.Origin == Elsewhere {
		return
	}
	c.report.Loaded = append(c.report.Loaded, ScannedFile{
		Name: e.Manifest.Name, FileName: e.File, Path: e.Path, SizeBytes: e.Manifest.Files[0].Size,
		Checksum: strings.ToUpper(e.Head), LoadedAt: e.Loaded,
	})
}

func duplicate(e, first *Entry) FailedFile {
	return FailedFile{FileName: e.File, Path: e.Path, Error: fmt.Sprintf(
		"The file %q would have the model name %s, which %s has already. Rename the file, or give it another name in %q.",
		e.Path, e.Manifest.Name, first.Path, e.File+Sidecar)}
}

// choose finds the default chat model.
func (c *Inventory) choose() {
	if c.wanted != "" {
		e, err := c.Lookup(c.wanted)
		c.chosen, c.refused = e, core.AsError(err)
		return
	}
	byName := slices.SortedFunc(slices.Values(c.entries), compareNames)
	for _, fits := range []func(*Entry) bool{
		func(e *Entry) bool { return e.Origin == Shared && e.Manifest.Can(core.CapChat) },
		func(e *Entry) bool { return e.Manifest.Can(core.CapChat) },
		func(e *Entry) bool { return e.Manifest.Can(core.CapGenerate) },
	} {
		if i := slices.IndexFunc(byName, fits); i >= 0 {
			c.chosen = byName[i]
			return
		}
	}
}

func compareNames(a, b *Entry) int { return strings.Compare(a.Manifest.Name, b.Manifest.Name) }

// Ordered returns the default model first, then the others by name.
func (c *Inventory) Ordered() []*Entry {
	return slices.SortedFunc(slices.Values(c.entries), func(a, b *Entry) int {
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

// Entries are the models: those that were pulled, those that came with the program, those dropped in by hand, those elsewhere. The
// caller must not change them.
func (c *Inventory) Entries() []*Entry { return c.entries }

// Named is the model with a canonical name; nil where there is none.
func (c *Inventory) Named(name string) *Entry { return c.byName[name] }

// Report is what was found. The caller may change it.
func (c *Inventory) Report() Report {
	r := c.report
	r.Loaded, r.Failed = slices.Clone(r.Loaded), slices.Clone(r.Failed)
	return r
}

// Resolve is Lookup, and takes the empty name for that of the default chat model.
func (c *Inventory) Resolve(name string) (*Entry, error) {
	if strings.TrimSpace(name) != "" {
		return c.Lookup(name)
	}
	switch {
	case c.chosen != nil:
		return c.chosen, nil
	case c.refused != nil:
		return nil, core.Errorf(core.CodeModelNotFound, "The default model of the settings cannot be used. %s", c.refused.Message)
	}
	return nil, core.Errorf(core.CodeModelNotFound, "No model that can chat is installed. Install one with `ashatai pull`, or put a GGUF file into %s and scan again.", c.report.Dir)
}

// Lookup finds a model by anything that names it: the canonical name first, then the aliases that somebody gave, then file
// names and names without a tag.
func (c *Inventory) Lookup(name string) (*Entry, error) {
	if n, err := core.ParseModelName(name); err == nil && c.byName[n.String()] == nil {
		if p, ok := c.pointers[n.String()]; ok {
			e, err := c.Direct(p.Model)
			if err != nil {
				return nil, &core.Error{Code: core.CodeModelNotFound, Param: "model", Message: fmt.Sprintf("The alias %s stands for %s, which is not installed. Install that, or give the alias another model.",
					n.Short(), Short(p.Model))}
			}
			return e, nil
		}
	}
	return c.Direct(name)
}

// Direct is Lookup without the aliases that somebody gave.
func (c *Inventory) Direct(name string) (*Entry, error) {
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

func joinNames(list []*Entry) string {
	names := make([]string, len(list))
	for i, e := range list {
		names[i] = e.Short()
	}
	slices.Sort(names)
	return strings.Join(names, " or ")
}
