package models

import (
	"io"
	"time"

	"ashatai/internal/core"
	"ashatai/internal/gguf"
)

// rules is the version of what readFacts makes of a file. It grows whenever the reader accepts more or less, or the
// manifest gets other content, so that rows made by older rules are made again.
const rules = 2

const formatGGUF = "gguf"

// readFacts reads a model file with our own reader, and returns what it says about itself as a manifest without name,
// digest and files. The error is a sentence.
func readFacts(r io.ReaderAt, size int64) (*core.Manifest, error) {
	f, err := gguf.Read(r, size, gguf.Limits{})
	if err != nil {
		return nil, err
	}
	return &core.Manifest{
		Format:       formatGGUF,
		Architecture: f.Architecture(),
		Parameters:   f.ParameterCount(),
		Quantization: f.QuantizationName(),
		Context:      f.ContextLength(),
		Capabilities: capabilities(f),
		Template:     f.ChatTemplate(),
		BOS:          f.BOSText(),
		EOS:          f.EOSText(),
		License:      f.License(),
	}, nil
}

// Accepts refuses what is no good model file.
func Accepts(r io.ReaderAt, size int64) error {
	_, err := readFacts(r, size)
	return err
}

func capabilities(f *gguf.File) []core.Capability {
	switch {
	case f.Pooling() == gguf.PoolingRank:
		return []core.Capability{core.CapRerank}
	case f.EmbeddingModel():
		return []core.Capability{core.CapEmbed}
	case f.ChatTemplate() != "":
		return []core.Capability{core.CapChat, core.CapGenerate}
	}
	return []core.Capability{core.CapGenerate}
}

// identify fills in what a file does not say about itself. An empty name is derived.
func identify(man *core.Manifest, name, file, sha string, size int64, source string, created time.Time) {
	man.Name = name
	if name == "" {
		man.Name = deriveName(file, man.Quantization, sha)
	}
	man.Digest = sha
	man.Files = []core.File{{Name: file, Size: size, SHA256: sha}}
	man.Aliases = []string{file}
	man.Source = source
	man.Created = created.UTC()
}
