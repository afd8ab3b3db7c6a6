package scan

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"ashatai/internal/blob"
	"ashatai/internal/core"
	"ashatai/internal/models/inventory"
)

const maxSidecar = 256 << 10 // bytes

// sidecar is what a file beside a model file may say about it.
type sidecar struct {
	Name       string         `json:"name"`
	Aliases    []string       `json:"aliases"`
	License    string         `json:"license"`
	Source     string         `json:"source"`
	SHA256     string         `json:"sha256"`
	System     string         `json:"system"`
	Parameters *core.Sampling `json:"parameters"`
}

// readSidecar reads the file beside a model file; nil when there is none. Its error is a sentence.
func readSidecar(root *os.Root, name string) (*sidecar, error) {
	f, err := root.Open(name + inventory.Sidecar)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // having none is the usual case
	}
	if err != nil {
		return nil, core.Wrap(core.CodeBadModel, err, "The file %q beside the model cannot be read; it must be a readable file in the same folder.", name+inventory.Sidecar)
	}
	defer func() { _ = f.Close() }() // only read
	return parseSidecar(f, name)
}

func parseSidecar(r io.Reader, name string) (*sidecar, error) {
	s := &sidecar{}
	d := json.NewDecoder(io.LimitReader(r, maxSidecar))
	d.DisallowUnknownFields()
	if err := d.Decode(s); err != nil {
		return nil, core.Errorf(core.CodeBadModel, "The file %q beside the model is not valid: %v.", name+inventory.Sidecar, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, core.Errorf(core.CodeBadModel, "The file %q beside the model is not valid: more follows the JSON object, or it is larger than %d bytes.", name+inventory.Sidecar, maxSidecar)
	}
	if err := s.check(); err != nil {
		return nil, core.Errorf(core.CodeBadModel, "The file %q beside the model is not valid: %s", name+inventory.Sidecar, core.AsError(err).Message)
	}
	return s, nil
}

// check validates the values, and brings names to their canonical form.
func (s *sidecar) check() error {
	if s.Name != "" {
		n, err := core.ParseModelName(s.Name)
		if err != nil {
			return err
		}
		s.Name = n.String()
	}
	for i, a := range s.Aliases {
		n, err := core.ParseModelName(a)
		if err != nil {
			return err
		}
		s.Aliases[i] = n.Short()
	}
	if s.SHA256 = strings.ToLower(s.SHA256); s.SHA256 != "" && !blob.ValidSHA256(s.SHA256) {
		return core.Errorf(core.CodeBadModel, "sha256 must be 64 hexadecimal digits.")
	}
	if s.Parameters != nil {
		return s.Parameters.Validate()
	}
	return nil
}

// apply lets the sidecar speak over what the file says. A wrong sha256 refuses the file.
func (s *sidecar) apply(man *core.Manifest) error {
	if s.SHA256 != "" && s.SHA256 != man.Digest {
		return core.Errorf(core.CodeBadModel, "The file %q has sha256 %s, but %q says %s. The file is damaged or another one; install it again.",
			man.Files[0].Name, man.Digest, man.Files[0].Name+inventory.Sidecar, s.SHA256)
	}
	if s.Name != "" {
		man.Name = s.Name
	}
	for _, a := range s.Aliases {
		if !slices.Contains(man.Aliases, a) {
			man.Aliases = append(man.Aliases, a)
		}
	}
	if s.License != "" {
		man.License = s.License
	}
	if s.Source != "" {
		man.Source = s.Source
	}
	if s.System != "" {
		man.System = s.System
	}
	if s.Parameters != nil {
		man.Defaults = *s.Parameters
	}
	return nil
}
