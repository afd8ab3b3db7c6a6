package models

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"

	"ashatai/internal/core"
	"ashatai/internal/models/inventory"
)

// Elsewhere is a model that another server holds.
type Elsewhere struct {
	Name         string // canonical
	Path         string // what the runtime for such models loads it by; the digest is made of it
	Source       string // in words
	Context      int
	Capabilities []core.Capability
}

// SetElsewhere says which models other servers hold, in place of those that were said before. A name that is installed here
// stays that of the installed model.
func (m *Models) SetElsewhere(list []Elsewhere) {
	var all inventory.Found
	for _, e := range list {
		sum := sha256.Sum256([]byte(e.Path))
		digest := hex.EncodeToString(sum[:])
		all.Good = append(all.Good, &inventory.Entry{Origin: inventory.Elsewhere, Path: e.Path, Loaded: m.cfg.Now(), Manifest: &core.Manifest{
			Name: e.Name, Digest: digest, Format: core.FormatRemote, Context: e.Context, Capabilities: slices.Clone(e.Capabilities),
			Source: e.Source, Files: []core.File{},
		}})
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.elsewhere = all
	m.rebuild()
}

// TemplateDigest tells chat templates apart.
func TemplateDigest(source string) string {
	sum := sha256.Sum256([]byte(source))
	return hex.EncodeToString(sum[:])
}

// errElsewhere refuses to change what is not here.
func errElsewhere(e *inventory.Entry) *core.Error {
	return core.Errorf(core.CodeForbidden, "The model %s is held by a server elsewhere, so there is nothing of it here to copy or remove. It goes when the settings no longer name it.", e.Short())
}
