package models

import (
	"testing"

	"ashatai/internal/core"
)

func TestModelsElsewhere(t *testing.T) {
	h := newHouse(t)
	m := h.open(t)
	chat := []core.Capability{core.CapChat}
	m.SetElsewhere([]Elsewhere{{Name: "box/big:latest", Path: "remote:box/Big", Source: "remote box: Big", Context: 99, Capabilities: chat}})
	man, err := m.Resolve(t.Context(), "box/big")
	if err != nil {
		t.Fatal(err)
	}
	if !man.Elsewhere() || man.Context != 99 || man.Size() != 0 || m.Path(man) != "remote:box/Big" {
		t.Errorf("%+v at %s", man, m.Path(man))
	}
	if first, err := m.Resolve(t.Context(), ""); err != nil || first.Name != "box/big:latest" {
		t.Errorf("the default is %+v, %v", first, err)
	}
	if list, err := m.List(t.Context()); err != nil || len(list) != 1 || len(m.Report().Loaded) != 0 {
		t.Errorf("%v, %v, %v", list, err, m.Report())
	}
	if err := m.Remove(t.Context(), "box/big"); core.CodeOf(err) != core.CodeForbidden {
		t.Error(err)
	}
	if _, err := m.Copy(t.Context(), "box/big", "mine"); core.CodeOf(err) != core.CodeForbidden {
		t.Error(err)
	}
	m.SetElsewhere(nil)
	if _, err := m.Resolve(t.Context(), "box/big"); core.CodeOf(err) != core.CodeModelNotFound {
		t.Error(err)
	}
}
