package shelf

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"ashatai/internal/core"
	"ashatai/internal/whole"
)

const aliasFile = "aliases.json"

type aliasesOnDisk struct {
	Aliases map[string]string `json:"aliases"`
}

// beside is the folder of what belongs to a home and is in no bucket.
func (s *Shelf) beside() string { return filepath.Dir(s.dir) }

// WriteAliases stores the models' names by alias: whole and durable.
func (s *Shelf) WriteAliases(all map[string]string) error {
	data, err := json.MarshalIndent(aliasesOnDisk{Aliases: all}, "", "  ")
	if err != nil {
		return core.Wrap(core.CodeInternal, err, "The aliases cannot be written.")
	}
	root, err := os.OpenRoot(s.beside())
	if err != nil {
		return s.explain(err)
	}
	defer func() { _ = root.Close() }() // everything written was synced
	return s.explain(whole.Below(root, aliasFile, data, true))
}

// ReadAliases returns what WriteAliases stored, in this process or an earlier one.
func (s *Shelf) ReadAliases() (map[string]string, error) {
	f, err := os.Open(filepath.Join(s.beside(), aliasFile))
	if errors.Is(err, fs.ErrNotExist) {
		return map[string]string{}, nil
	}
	if err != nil {
		return nil, s.explain(err)
	}
	defer func() { _ = f.Close() }() // only read
	var disk aliasesOnDisk
	if err := json.NewDecoder(io.LimitReader(f, maxBytes)).Decode(&disk); err != nil {
		return nil, core.Wrap(core.CodeBadModel, err, "The file %s is damaged; delete it, and give the aliases again.", f.Name())
	}
	for name := range disk.Aliases {
		if n, err := core.ParseModelName(name); err != nil || n.String() != name {
			return nil, core.Wrap(core.CodeBadModel, err, "The file %s is damaged at %.80q; delete it, and give the aliases again.", f.Name(), name)
		}
	}
	return disk.Aliases, nil
}
