package facts

import (
	"encoding/json"
	"io"
	"io/fs"
	"slices"
	"strings"

	"ashatai/internal/chat"
	"ashatai/internal/core"
	"ashatai/internal/onnxfile"
)

const (
	formatONNX = "onnx"
	onnxMain   = "model.onnx" // the model file of a folder, as are those of folderMains
	onnxSuffix = ".onnx"
)

// onnxFacts reads an ONNX file and, of a model of text, what lies beside it.
func onnxFacts(folder fs.FS, r io.ReaderAt, size int64) (*core.Manifest, error) {
	f, err := onnxfile.Read(r, size)
	if err != nil {
		return nil, err
	}
	man := &core.Manifest{Format: formatONNX, Architecture: formatONNX, Parameters: f.Parameters, Capabilities: []core.Capability{core.CapTensors}}
	_, err = fs.Stat(folder, "tokenizer.json")
	switch {
	case err != nil: // it takes tensors only
		return man, nil //nolint:nilerr // a model without a tokenizer is a model
	case remembers(folder, f):
		man.Capabilities = []core.Capability{core.CapGenerate, core.CapTensors}
		return man, describeText(folder, man)
	case readsText(f):
		man.Capabilities = []core.Capability{core.CapEmbed, core.CapTensors}
	}
	return man, nil
}

// readsText says whether a model takes the tokens of texts and nothing else, as models that make embeddings do.
func readsText(f *onnxfile.File) bool {
	text := false
	for _, in := range f.Inputs {
		text = text || in.Name == "input_ids"
		if !slices.Contains([]string{"input_ids", "attention_mask", "token_type_ids"}, in.Name) {
			return false
		}
	}
	return text
}

// remembers says whether a model takes keys and values of the tokens before, as models that make text do.
func remembers(folder fs.FS, f *onnxfile.File) bool {
	if _, err := fs.Stat(folder, "genai_config.json"); err == nil {
		return true
	}
	return slices.ContainsFunc(f.Inputs, func(v onnxfile.Value) bool { return strings.HasPrefix(v.Name, "past_key_values.") })
}

// describeText reads what the files beside a model of text say: its template, its special tokens and its context.
func describeText(folder fs.FS, man *core.Manifest) error {
	var config struct {
		Type      string `json:"model_type"`
		Positions int    `json:"max_position_embeddings"`
		Old       int    `json:"n_positions"`
	}
	if err := onnxfile.ReadJSON(folder, "config.json", &config); err != nil {
		return err
	}
	if config.Type != "" && len(config.Type) < 64 {
		man.Architecture = config.Type
	}
	man.Context = max(config.Positions, config.Old, 0)
	var genai struct {
		Model struct {
			Context int `json:"context_length"`
		} `json:"model"`
	}
	if err := onnxfile.ReadJSON(folder, "genai_config.json", &genai); err != nil {
		return err
	}
	if genai.Model.Context > 0 {
		man.Context = genai.Model.Context
	}
	var tok struct {
		BOS      special   `json:"bos_token"`
		EOS      special   `json:"eos_token"`
		Template templates `json:"chat_template"`
	}
	if err := onnxfile.ReadJSON(folder, "tokenizer_config.json", &tok); err != nil {
		return err
	}
	man.BOS, man.EOS, man.Template = string(tok.BOS), string(tok.EOS), string(tok.Template)
	own, err := onnxfile.ReadBeside(folder, "chat_template.jinja", onnxfile.MaxBeside)
	if err != nil {
		return err
	}
	if own != nil {
		man.Template = string(own)
	}
	if man.Template == "" {
		return nil
	}
	if _, err := chat.Parse(man.Template); err != nil {
		return core.Wrap(core.CodeBadModel, err, "The model's chat template cannot be used: %s", core.AsError(err).Message)
	}
	man.Capabilities = append([]core.Capability{core.CapChat}, man.Capabilities...)
	return nil
}

// special is a token as tokenizer_config.json gives it: its text, or an object with it.
type special string

// UnmarshalJSON implements json.Unmarshaler.
func (s *special) UnmarshalJSON(b []byte) error {
	var o struct {
		Content string `json:"content"`
	}
	err := json.Unmarshal(b, (*string)(s))
	if err != nil {
		if err = json.Unmarshal(b, &o); err == nil {
			*s = special(o.Content)
		}
	}
	return err
}

// templates is a chat template, or a list of them by name, of which the default one counts.
type templates string

// UnmarshalJSON implements json.Unmarshaler.
func (t *templates) UnmarshalJSON(b []byte) error {
	if err := json.Unmarshal(b, (*string)(t)); err == nil {
		return nil
	}
	var list []struct {
		Name     string `json:"name"`
		Template string `json:"template"`
	}
	err := json.Unmarshal(b, &list)
	for _, l := range list {
		if l.Name == "default" {
			*t = templates(l.Template)
		}
	}
	return err
}
