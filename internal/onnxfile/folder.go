package onnxfile

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"

	"ashatai/internal/core"
)

// CheckExternal says whether the files outside of the model file hold what the model file says. Each must be an ordinary
// file below the folder; single says whether a file has one name only, since a second name may be in somebody else's hands.
func (f *File) CheckExternal(folder fs.FS, single func(fs.FileInfo) bool) error {
	sizes := map[string]int64{}
	for _, e := range f.External {
		size, ok := sizes[e.Location]
		if !ok {
			info, err := fs.Lstat(folder, e.Location)
			if err != nil {
				return core.Wrap(core.CodeBadModel, err, "The model's tensors lie in the file %.120q, which is not there or cannot be read. Get all files of the model.", e.Location)
			}
			if !info.Mode().IsRegular() || !single(info) {
				return core.Errorf(core.CodeBadModel, "The model's file %.120q is a link, or no ordinary file, and is refused. Copy the file itself into the model's folder.", e.Location)
			}
			size = info.Size()
			sizes[e.Location] = size
		}
		if e.Offset > size || e.Length > size-e.Offset {
			return core.Errorf(core.CodeBadModel, "The tensor %.80q should lie at byte %d of %.120q, %d bytes long, and the file has %d. Get all files of the model again.", e.Tensor, e.Offset, e.Location, e.Length, size)
		}
	}
	return nil
}

// MaxBeside bounds a file beside the model file that ReadJSON reads.
const MaxBeside = 16 << 20

// ReadJSON reads a JSON file of a model's folder; one that is missing changes nothing.
func ReadJSON(folder fs.FS, name string, into any) error {
	b, err := ReadBeside(folder, name, MaxBeside)
	if b == nil || err != nil {
		return err
	}
	if err := json.Unmarshal(b, into); err != nil {
		return core.Wrap(core.CodeBadModel, err, "The model's %s cannot be read: %v. Get the file again from the model's publisher.", name, err)
	}
	return nil
}

// ReadBeside reads a file of a model's folder that has at most limit bytes; nil where it is missing.
func ReadBeside(folder fs.FS, name string, limit int64) ([]byte, error) {
	f, err := folder.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, core.Wrap(core.CodeBadModel, err, "The model's %s cannot be read; it must be an ordinary file of the model's folder.", name)
	}
	defer f.Close() //nolint:errcheck // read only
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil || int64(len(b)) > limit {
		return nil, core.Wrap(core.CodeBadModel, err, "The model's %s cannot be read, or has more than %d MiB.", name, limit>>20)
	}
	return b, nil
}
