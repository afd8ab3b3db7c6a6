package facts

import (
	"archive/zip"
	"encoding/binary"
	"encoding/json"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"ashatai/internal/core"
	"ashatai/internal/onnxfile"
)

const (
	formatSafetensors = "safetensors" // weights of a Hugging Face model, its config.json beside them
	formatTorch       = "torch"       // a program of PyTorch's that takes tensors

	tensorsMain   = "model.safetensors"
	tensorsIndex  = "model.safetensors.index.json"
	tensorsSuffix = ".safetensors"
	pickleMain    = "pytorch_model.bin"
	exportMain    = "model.pt2" // of torch.export
	scriptMain    = "model.pt"  // of TorchScript

	// maxTensorsHeader is the bound that the format's own library has.
	maxTensorsHeader = 100_000_000
)

// torchMain is the main file of a folder that PyTorch serves; empty where it is none.
func torchMain(root *os.Root, folder string) string {
	regular := func(file string) bool {
		fi, err := root.Stat(path.Join(folder, file))
		return err == nil && fi.Mode().IsRegular()
	}
	described := regular("config.json")
	switch {
	case described && regular(tensorsMain):
		return tensorsMain
	case described && regular(tensorsIndex):
		if first := firstShard(root, folder); first != "" {
			return first
		}
		return tensorsIndex
	case described && regular(pickleMain):
		return pickleMain
	case regular(exportMain):
		return exportMain
	case regular(scriptMain):
		return scriptMain
	}
	return ""
}

// firstShard is the first of the files over which a model's weights are spread; empty where the list of them cannot be used.
func firstShard(root *os.Root, name string) string {
	folder, err := fs.Sub(root.FS(), name)
	if err != nil {
		return ""
	}
	var index struct {
		Files map[string]string `json:"weight_map"`
	}
	if onnxfile.ReadJSON(folder, tensorsIndex, &index) != nil {
		return ""
	}
	first := ""
	for _, f := range index.Files {
		if path.Base(f) != f || !strings.HasSuffix(f, tensorsSuffix) {
			return ""
		}
		if first == "" || f < first {
			first = f
		}
	}
	return first
}

// torchFacts reads the files that PyTorch serves. handled is false for other files.
func torchFacts(folder fs.FS, name string, r io.ReaderAt, size int64) (man *core.Manifest, handled bool, err error) {
	switch file := path.Base(name); {
	case strings.HasSuffix(file, tensorsSuffix):
		man, err = tensorsFacts(folder, r, size)
	case file == exportMain, file == scriptMain:
		man, err = programFacts(file, r, size)
	case file == pickleMain:
		err = core.Errorf(core.CodeBadModel, "The weights of %q are a pickle, which runs code when it is read, so they are refused. Save them as safetensors.", path.Dir(name))
	case file == tensorsIndex:
		err = core.Errorf(core.CodeBadModel, "The list of weights %q cannot be used; get the model's files again.", name)
	default:
		return nil, false, nil
	}
	return man, true, err
}

// tensorsFacts reads the header of the weights and what lies beside them.
func tensorsFacts(folder fs.FS, r io.ReaderAt, size int64) (*core.Manifest, error) {
	parameters, kind, err := readTensors(r, size)
	if err != nil {
		return nil, err
	}
	man := &core.Manifest{Format: formatSafetensors, Parameters: parameters, Quantization: kind}
	var config struct {
		Architectures []string `json:"architectures"`
		Type          string   `json:"model_type"`
	}
	if err := onnxfile.ReadJSON(folder, "config.json", &config); err != nil {
		return nil, err
	}
	if len(config.Architectures) == 0 || config.Type == "" {
		return nil, core.Errorf(core.CodeBadModel, "The model's config.json is missing, or names no architecture; get it from the model's publisher.")
	}
	if _, err := fs.Stat(folder, "tokenizer.json"); err != nil {
		return nil, core.Wrap(core.CodeBadModel, err, "The model has no tokenizer.json beside its weights; get it from the model's publisher.")
	}
	man.Architecture = config.Type
	man.Capabilities = []core.Capability{core.CapEmbed}
	if slices.ContainsFunc(config.Architectures, func(a string) bool { return strings.HasSuffix(a, "ForCausalLM") || strings.HasSuffix(a, "LMHeadModel") }) {
		man.Capabilities = []core.Capability{core.CapGenerate}
	}
	return man, describeText(folder, man)
}

// readTensors reads the header of a file of safetensors: how many numbers it holds, and the type of most of them. The format is
// eight bytes with the header's length, the header in JSON, and the data.
func readTensors(r io.ReaderAt, size int64) (parameters int64, kind string, err error) {
	bad := func(what string) error {
		return core.Errorf(core.CodeBadModel, "The file of safetensors %s; get it again from the model's publisher.", what)
	}
	var length [8]byte
	if _, err := r.ReadAt(length[:], 0); err != nil {
		return 0, "", bad("is shorter than its header")
	}
	n := binary.LittleEndian.Uint64(length[:])
	if n < 2 || n > maxTensorsHeader || int64(n) > size-8 {
		return 0, "", bad("states a header that it cannot have")
	}
	data := size - 8 - int64(n)
	head := make([]byte, n)
	if _, err := r.ReadAt(head, 8); err != nil {
		return 0, "", bad("is shorter than its header")
	}
	all := map[string]json.RawMessage{}
	if err := json.Unmarshal(head, &all); err != nil {
		return 0, "", bad("has a header that is no JSON")
	}
	delete(all, "__metadata__")
	counts := map[string]int64{}
	end := int64(0)
	for _, raw := range all {
		var t struct {
			Type    string   `json:"dtype"`
			Shape   []int64  `json:"shape"`
			Offsets [2]int64 `json:"data_offsets"`
		}
		if err := json.Unmarshal(raw, &t); err != nil || t.Offsets[0] < 0 || t.Offsets[1] < t.Offsets[0] || t.Offsets[1] > data {
			return 0, "", bad("names a tensor that lies outside of it")
		}
		numbers := int64(1)
		for _, d := range t.Shape {
			if d < 0 || d > 0 && numbers > maxNumbers/d {
				return 0, "", bad("names a tensor of no possible shape")
			}
			numbers *= d
		}
		end = max(end, t.Offsets[1])
		counts[t.Type] += numbers
		parameters += numbers
		if parameters > maxNumbers {
			return 0, "", bad("names more numbers than it can hold")
		}
	}
	if end != data || len(all) == 0 {
		return 0, "", bad("is cut off, or longer than it says")
	}
	for k, n := range counts {
		if kind == "" || n > counts[kind] || n == counts[kind] && k < kind {
			kind = k
		}
	}
	return parameters, kind, nil
}

// maxNumbers is more than any file holds.
const maxNumbers = 1 << 50

// programFacts looks whether an archive is what its name says. What it takes and gives is known when it is loaded.
func programFacts(file string, r io.ReaderAt, size int64) (*core.Manifest, error) {
	z, err := zip.NewReader(r, size)
	if err != nil {
		return nil, core.Wrap(core.CodeBadModel, err, "The program %q is no archive of PyTorch; export it again.", file)
	}
	has := func(part string) bool {
		return slices.ContainsFunc(z.File, func(f *zip.File) bool { return strings.Contains("/"+f.Name, part) })
	}
	switch {
	case file == exportMain && !has("/models/"):
		return nil, core.Errorf(core.CodeBadModel, "The file %q is no program of torch.export; export it with torch.export.save.", file)
	case file == scriptMain && !has("/code/"):
		return nil, core.Errorf(core.CodeBadModel, "The file %q is a pickle and no TorchScript; a pickle runs code when it is read, so it is refused. Save the weights as safetensors.", file)
	}
	return &core.Manifest{Format: formatTorch, Architecture: formatTorch, Capabilities: []core.Capability{core.CapTensors}}, nil
}
