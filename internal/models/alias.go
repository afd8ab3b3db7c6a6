package models

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"ashatai/internal/core"
)

const maxAliases = 1 << 12

// pointer is a name that somebody gave a model besides its own. It leads to a model, never to another pointer, so that
// there are neither chains nor loops.
type pointer struct {
	model   string // canonical where a command made it, as it is written where a setting did
	setting bool
}

// settled are the pointers of the settings, by canonical name. An alias that is none, or stands for an alias, stops the start.
func settled(aliases map[string]string) (map[string]pointer, error) {
	out := map[string]pointer{}
	for _, name := range slices.Sorted(maps.Keys(aliases)) {
		n, err := core.ParseModelName(name)
		if err != nil {
			return nil, err
		}
		out[n.String()] = pointer{model: aliases[name], setting: true}
	}
	for name, p := range out {
		n, err := core.ParseModelName(p.model)
		if err != nil {
			return nil, err
		}
		if _, chain := out[n.String()]; chain {
			return nil, core.Invalid("models", "The alias %s stands for %s, which is an alias itself; it must stand for a model.", shortName(name), shortName(n.String()))
		}
	}
	return out, nil
}

func shortName(canonical string) string { return strings.TrimSuffix(canonical, ":latest") }

// SetSettings puts other aliases of the settings in place of those before. Errors: those of Open, and then nothing changes.
func (m *Models) SetSettings(aliases map[string]string) error {
	set, err := settled(aliases)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.set = set
	m.rebuild()
	return nil
}

// pointers are all aliases: those of the settings count before those that a command made. The caller holds mu.
func (m *Models) pointers() map[string]pointer {
	all := maps.Clone(m.own)
	maps.Copy(all, m.set)
	return all
}

// Aliases lists the names that the settings and SetAlias gave models, in order.
func (m *Models) Aliases(context.Context) []core.Alias {
	c := m.now.Load()
	out := make([]core.Alias, 0, len(c.pointers))
	for _, name := range slices.Sorted(maps.Keys(c.pointers)) {
		if c.byName[name] != nil {
			continue // a model has that name now, and it counts
		}
		out = append(out, c.alias(name))
	}
	return out
}

func (c *catalog) alias(name string) core.Alias {
	p := c.pointers[name]
	a := core.Alias{Name: shortName(name), Model: p.model, Setting: p.setting, Missing: true}
	if e, err := c.direct(p.model); err == nil {
		a.Model, a.Missing = e.manifest.Name, false
	}
	return a
}

// SetAlias makes name stand for an installed model, in place of what a command gave it before. Errors: CodeModelNotFound,
// CodeConflict for a name that a model or a setting has, CodeInvalidRequest for one that is none and for a model that is an alias.
func (m *Models) SetAlias(_ context.Context, name, model string) (core.Alias, error) {
	n, err := core.ParseModelName(name)
	if err != nil {
		return core.Alias{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	c, key := m.now.Load(), n.String()
	if strings.TrimSpace(model) == "" {
		return core.Alias{}, core.Invalid("model", "Name the model that %s is to stand for.", n.Short())
	}
	if e := c.byName[key]; e != nil {
		return core.Alias{}, core.Errorf(core.CodeConflict, "There is a model %s, which an alias cannot hide; choose another name.", short(e))
	}
	if c.pointers[key].setting {
		return core.Alias{}, core.Errorf(core.CodeConflict, "The settings make %s an alias of %s; change it there.", n.Short(), c.pointers[key].model)
	}
	if t, err := core.ParseModelName(model); err == nil && c.byName[t.String()] == nil {
		if t.String() == key {
			return core.Alias{}, core.Invalid("model", "%s cannot stand for itself; name a model.", n.Short())
		}
		if p, chain := c.pointers[t.String()]; chain {
			return core.Alias{}, core.Invalid("model", "%s is an alias itself, of %s; name the model.", t.Short(), shortName(p.model))
		}
	}
	e, err := c.direct(model)
	if err != nil {
		return core.Alias{}, err
	}
	own := maps.Clone(m.own)
	own[key] = pointer{model: e.manifest.Name}
	if len(own) > maxAliases {
		return core.Alias{}, core.Errorf(core.CodeConflict, "There are %d aliases already; remove some.", maxAliases)
	}
	if err := m.writeAliases(own); err != nil {
		return core.Alias{}, err
	}
	m.own = own
	m.rebuild()
	return m.now.Load().alias(key), nil
}

// RemoveAlias takes a name away again. Errors: CodeNotFound, CodeConflict for one that the settings made.
func (m *Models) RemoveAlias(_ context.Context, name string) error {
	n, err := core.ParseModelName(name)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	key := n.String()
	if _, ok := m.own[key]; !ok {
		if m.set[key].setting {
			return core.Errorf(core.CodeConflict, "The settings make %s an alias; remove it there.", n.Short())
		}
		return core.Errorf(core.CodeNotFound, "There is no alias %s. `ashatai alias list` shows them.", n.Short())
	}
	return m.dropAliases(func(k string, _ pointer) bool { return k == key })
}

// dropAliases removes those that a command made. The caller holds mu.
func (m *Models) dropAliases(gone func(name string, p pointer) bool) error {
	own := maps.Clone(m.own)
	maps.DeleteFunc(own, gone)
	if len(own) == len(m.own) {
		return nil
	}
	if err := m.writeAliases(own); err != nil {
		return err
	}
	m.own = own
	m.rebuild()
	return nil
}

// aliasIsFree refuses an alias's name for a model: the model would hide it.
func (m *Models) aliasIsFree(name string) error {
	c := m.now.Load()
	p, ok := c.pointers[name]
	if !ok || c.byName[name] != nil {
		return nil
	}
	remedy := fmt.Sprintf("`ashatai alias rm %s` removes it", shortName(name))
	if p.setting {
		remedy = "the settings made it"
	}
	return core.Errorf(core.CodeConflict, "%s is an alias of %s (%s); choose another name.", shortName(name), shortName(p.model), remedy)
}

// writeAliases stores what commands made: whole and durable.
func (m *Models) writeAliases(own map[string]pointer) error {
	all := map[string]string{}
	for name, p := range own {
		all[name] = p.model
	}
	return m.shelf.WriteAliases(all)
}

// readAliases reads what commands made in former runs.
func (m *Models) readAliases() (map[string]pointer, error) {
	all, err := m.shelf.ReadAliases()
	own := map[string]pointer{}
	for name, model := range all {
		own[name] = pointer{model: model}
	}
	return own, err
}
