package tensorflow

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"ashatai/internal/core"
	"ashatai/internal/savedmodel"
)

// files is what the folder of a SavedModel says.
type files struct {
	model   *savedmodel.File
	weights int64 // bytes
}

// inspect reads the files of a SavedModel before native code sees them.
func inspect(name string) (*files, error) {
	dir := filepath.Dir(name)
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, core.Wrap(core.CodeBadModel, err, "The model's folder %s cannot be read; check that it exists, and its permissions.", dir)
	}
	defer root.Close() //nolint:errcheck // read only
	file, size, err := ordinary(root, savedmodel.Main)
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // read only
	f := &files{}
	if f.model, err = savedmodel.Read(file, size); err != nil {
		return nil, err
	}
	f.weights = f.model.Constants
	for _, other := range []string{"saved_model.pbtxt", "saved_model.cpb"} {
		if _, err := root.Lstat(other); err == nil {
			return nil, core.Errorf(core.CodeBadModel, "The model's folder holds %s beside %s, and the library would choose between them. Remove the one that is not meant.", other, savedmodel.Main)
		}
	}
	for _, a := range f.model.Assets {
		if err := f.count(root, path.Join("assets", a)); err != nil {
			return nil, err
		}
	}
	if !f.model.Variables {
		return f, nil
	}
	if err := f.count(root, "variables/variables.index"); err != nil {
		return nil, err
	}
	all, err := fs.ReadDir(root.FS(), "variables")
	if err != nil {
		return nil, core.Wrap(core.CodeBadModel, err, "The model's folder variables cannot be read; check its permissions.")
	}
	data := 0
	for _, e := range all {
		if strings.HasPrefix(e.Name(), "variables.data-") {
			data++
			if err := f.count(root, path.Join("variables", e.Name())); err != nil {
				return nil, err
			}
		}
	}
	if data == 0 {
		return nil, core.Errorf(core.CodeBadModel, "The model's weights are missing: its folder variables has no file variables.data-…. Get all files of the model.")
	}
	return f, nil
}

// count adds the size of a file of the folder.
func (f *files) count(root *os.Root, name string) error {
	file, size, err := ordinary(root, name)
	if err != nil {
		return err
	}
	f.weights += size
	return file.Close()
}

// ordinary opens a file of a folder that is a file and no link.
func ordinary(root *os.Root, name string) (*os.File, int64, error) {
	info, err := root.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, 0, core.Wrap(core.CodeBadModel, err, "The model's file %s is missing in %s. Get all files of the model.", name, root.Name())
	case err != nil:
		return nil, 0, core.Wrap(core.CodeBadModel, err, "The model's file %s cannot be read; check the permissions of %s.", name, root.Name())
	case !info.Mode().IsRegular():
		return nil, 0, core.Errorf(core.CodeBadModel, "The model's file %s is a link, or no ordinary file, and is refused. Copy the file itself into the model's folder.", name)
	}
	file, err := root.Open(name)
	if err != nil {
		return nil, 0, core.Wrap(core.CodeBadModel, err, "The model's file %s cannot be read; check its permissions.", name)
	}
	return file, info.Size(), nil
}

// choose finds the signature that is served: the one that is asked for, the usual one, or the only one.
func choose(all map[string]savedmodel.Signature, name string) (savedmodel.Signature, error) {
	const usual = "serving_default"
	names := slices.Sorted(maps.Keys(all))
	switch {
	case name != "":
		sig, ok := all[name]
		if !ok {
			return sig, core.Invalid("options", "The model has no signature %.80q; it has %s.", name, strings.Join(names[:min(len(names), 12)], ", "))
		}
		return sig, nil
	case len(all) == 1:
		return all[names[0]], nil
	case len(all) == 0:
		return savedmodel.Signature{}, core.Errorf(core.CodeBadModel, "The SavedModel has no signature, so nothing says what it takes and gives. Export it with `signatures=`.")
	}
	sig, ok := all[usual]
	if !ok {
		return sig, core.Errorf(core.CodeBadModel, "The SavedModel has no signature %q; choose one of %s by the option %q.", usual, strings.Join(names[:min(len(names), 12)], ", "), signatureOption)
	}
	return sig, nil
}
