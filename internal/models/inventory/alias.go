package inventory

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"ashatai/internal/core"
)

// Pointer is a name that somebody gave a model besides its own. It leads to a model, never to another pointer, so that
// there are neither chains nor loops.
type Pointer struct {
	Model   string // canonical where a command made it, as it is written where a setting did
	Setting bool
}

// Settled are the pointers that settings make, by canonical name. An alias that is none, or stands for an alias, is CodeInvalidRequest.
func Settled(aliases map[string]string) (map[string]Pointer, error) {
	out := map[string]Pointer{}
	for _, name := range slices.Sorted(maps.Keys(aliases)) {
		n, err := core.ParseModelName(name)
		if err != nil {
			return nil, err
		}
		out[n.String()] = Pointer{Model: aliases[name], Setting: true}
	}
	for name, p := range out {
		n, err := core.ParseModelName(p.Model)
		if err != nil {
			return nil, err
		}
		if _, chain := out[n.String()]; chain {
			return nil, core.Invalid("models", "The alias %s stands for %s, which is an alias itself; it must stand for a model.", Short(name), Short(n.String()))
		}
	}
	return out, nil
}

// Aliases lists the pointers that count, in the order of their names.
func (c *Inventory) Aliases() []core.Alias {
	out := make([]core.Alias, 0, len(c.pointers))
	for _, name := range slices.Sorted(maps.Keys(c.pointers)) {
		if c.byName[name] != nil {
			continue // a model has that name now, and it counts
		}
		out = append(out, c.Alias(name))
	}
	return out
}

// Alias is what a name stands for that is one of the pointers.
func (c *Inventory) Alias(name string) core.Alias {
	p := c.pointers[name]
	a := core.Alias{Name: Short(name), Model: p.Model, Setting: p.Setting, Missing: true}
	if e, err := c.Direct(p.Model); err == nil {
		a.Model, a.Missing = e.Manifest.Name, false
	}
	return a
}

// Target is the model that a new alias is to lead to. Errors: CodeModelNotFound, CodeConflict for a name that a model or a setting
// has, CodeInvalidRequest for a model that is an alias.
func (c *Inventory) Target(n core.ModelName, model string) (*Entry, error) {
	key := n.String()
	if strings.TrimSpace(model) == "" {
		return nil, core.Invalid("model", "Name the model that %s is to stand for.", n.Short())
	}
	if e := c.byName[key]; e != nil {
		return nil, core.Errorf(core.CodeConflict, "There is a model %s, which an alias cannot hide; choose another name.", e.Short())
	}
	if c.pointers[key].Setting {
		return nil, core.Errorf(core.CodeConflict, "The settings make %s an alias of %s; change it there.", n.Short(), c.pointers[key].Model)
	}
	if t, err := core.ParseModelName(model); err == nil && c.byName[t.String()] == nil {
		if t.String() == key {
			return nil, core.Invalid("model", "%s cannot stand for itself; name a model.", n.Short())
		}
		if p, chain := c.pointers[t.String()]; chain {
			return nil, core.Invalid("model", "%s is an alias itself, of %s; name the model.", t.Short(), Short(p.Model))
		}
	}
	return c.Direct(model)
}

// Free refuses an alias's name for a model: the model would hide it.
func (c *Inventory) Free(name string) error {
	p, ok := c.pointers[name]
	if !ok || c.byName[name] != nil {
		return nil
	}
	remedy := fmt.Sprintf("`ashatai alias rm %s` removes it", Short(name))
	if p.Setting {
		remedy = "the settings made it"
	}
	return core.Errorf(core.CodeConflict, "%s is an alias of %s (%s); choose another name.", Short(name), Short(p.Model), remedy)
}
