package models

import (
	"context"
	"maps"

	"ashatai/internal/core"
	"ashatai/internal/models/inventory"
)

const maxAliases = 1 << 12

// SetSettings puts other aliases of the settings in place of those before. Errors: those of Open, and then nothing changes.
func (m *Models) SetSettings(aliases map[string]string) error {
	set, err := inventory.Settled(aliases)
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
func (m *Models) pointers() map[string]inventory.Pointer {
	all := maps.Clone(m.own)
	maps.Copy(all, m.set)
	return all
}

// Aliases lists the names that the settings and SetAlias gave models, in order.
func (m *Models) Aliases(context.Context) []core.Alias { return m.now.Load().Aliases() }

// SetAlias makes name stand for an installed model, in place of what a command gave it before. Errors: CodeModelNotFound,
// CodeConflict for a name that a model or a setting has, CodeInvalidRequest for one that is none and for a model that is an alias.
func (m *Models) SetAlias(ctx context.Context, name, model string) (core.Alias, error) {
	n, err := core.ParseModelName(name)
	if err != nil {
		return core.Alias{}, err
	}
	done, err := m.turns.take(ctx, n.String()) // a model is not to take the name meanwhile
	if err != nil {
		return core.Alias{}, err
	}
	defer done()
	m.mu.Lock()
	defer m.mu.Unlock()
	e, err := m.now.Load().Target(n, model)
	if err != nil {
		return core.Alias{}, err
	}
	own := maps.Clone(m.own)
	own[n.String()] = inventory.Pointer{Model: e.Manifest.Name}
	if len(own) > maxAliases {
		return core.Alias{}, core.Errorf(core.CodeConflict, "There are %d aliases already; remove some.", maxAliases)
	}
	if err := m.writeAliases(own); err != nil {
		return core.Alias{}, err
	}
	m.own = own
	m.rebuild()
	return m.now.Load().Alias(n.String()), nil
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
		if m.set[key].Setting {
			return core.Errorf(core.CodeConflict, "The settings make %s an alias; remove it there.", n.Short())
		}
		return core.Errorf(core.CodeNotFound, "There is no alias %s. `ashatai alias list` shows them.", n.Short())
	}
	return m.dropAliases(func(k string, _ inventory.Pointer) bool { return k == key })
}

// dropAliases removes those that a command made. The caller holds mu.
func (m *Models) dropAliases(gone func(name string, p inventory.Pointer) bool) error {
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

// writeAliases stores what commands made: whole and durable.
func (m *Models) writeAliases(own map[string]inventory.Pointer) error {
	all := map[string]string{}
	for name, p := range own {
		all[name] = p.Model
	}
	return m.shelf.WriteAliases(all)
}

// readAliases reads what commands made in former runs.
func (m *Models) readAliases() (map[string]inventory.Pointer, error) {
	all, err := m.shelf.ReadAliases()
	own := map[string]inventory.Pointer{}
	for name, model := range all {
		own[name] = inventory.Pointer{Model: model}
	}
	return own, err
}
