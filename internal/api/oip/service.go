package oip

import (
	"context"
	"slices"
	"strings"
	"sync"

	"ashatai/internal/api"
	"ashatai/internal/core"
)

// Service is the protocol without its transport: package rpc calls it too. It remembers which models were told to unload, and
// counts.
type Service struct {
	cfg Config

	mu    sync.Mutex
	away  map[string]bool // models that were unloaded by a caller, until they are used again
	stats map[string]*counters
}

// NewService makes a Service.
func NewService(cfg Config) *Service {
	return &Service{cfg: cfg, away: map[string]bool{}, stats: map[string]*counters{}}
}

// ServerMetadata describes the server.
type ServerMetadata struct {
	Name       string   `json:"name"`
	Version    string   `json:"version"`
	Extensions []string `json:"extensions"`
}

// Tensor is a tensor of a model without its values. A dimension of −1 is free.
type Tensor struct {
	Name     string        `json:"name"`
	Datatype core.DataType `json:"datatype"`
	Shape    []int64       `json:"shape"`
}

// Metadata describes a model.
type Metadata struct {
	Name     string   `json:"name"`
	Versions []string `json:"versions" doc:"the model's tag"`
	Platform string   `json:"platform" doc:"the runtime"`
	Inputs   []Tensor `json:"inputs"`
	Outputs  []Tensor `json:"outputs"`
}

// ModelConfig describes a model as Triton's configuration does, as far as it means something here.
type ModelConfig struct {
	Name     string         `json:"name"`
	Platform string         `json:"platform"`
	Backend  string         `json:"backend"`
	MaxBatch int            `json:"max_batch_size" doc:"0: shapes are whole, with the batch as a dimension of its own"`
	Input    []ConfigTensor `json:"input"`
	Output   []ConfigTensor `json:"output"`
}

// ConfigTensor is a tensor in a ModelConfig.
type ConfigTensor struct {
	Name string  `json:"name"`
	Type string  `json:"data_type"`
	Dims []int64 `json:"dims"`
}

// Config is the same in Triton's words.
func (m *Metadata) Config() ModelConfig {
	list := func(in []Tensor) []ConfigTensor {
		out := make([]ConfigTensor, 0, len(in))
		for _, t := range in {
			kind := "TYPE_" + string(t.Datatype)
			if t.Datatype == core.Bytes {
				kind = "TYPE_STRING"
			}
			out = append(out, ConfigTensor{Name: t.Name, Type: kind, Dims: t.Shape})
		}
		return out
	}
	return ModelConfig{Name: m.Name, Platform: m.Platform, Backend: m.Platform, Input: list(m.Inputs), Output: list(m.Outputs)}
}

// IndexEntry is a model of the repository.
type IndexEntry struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	State   string `json:"state" enum:"READY,UNAVAILABLE"`
	Reason  string `json:"reason"`
}

// Ready reports whether the server takes requests.
func (s *Service) Ready() bool { return s.cfg.Ready == nil || s.cfg.Ready() }

// Server describes the server.
func (s *Service) Server() ServerMetadata {
	return ServerMetadata{Name: "ashatai", Version: s.cfg.Version, Extensions: []string{
		"binary_tensor_data", "classification", "model_configuration", "model_repository", "model_repository(unload_dependents)", "statistics", "generate",
	}}
}

// lastVersion is the number that clients give the one version that a model has.
const lastVersion = "1"

// find is the manifest of a model, whose version is its tag, or 1.
func (s *Service) find(ctx context.Context, model, version string) (*core.Manifest, error) {
	name := model
	if version != "" && strings.LastIndexByte(model, ':') <= strings.LastIndexByte(model, '/') {
		name = model + ":" + version
	}
	m, err := s.cfg.Catalogue.Resolve(ctx, name)
	if err != nil && version == lastVersion && core.CodeOf(err) == core.CodeModelNotFound {
		m, err = s.cfg.Catalogue.Resolve(ctx, model)
	}
	if err != nil {
		return nil, err
	}
	if version != "" && version != lastVersion && tag(m) != version {
		return nil, core.Errorf(core.CodeModelNotFound, "The model %.200q has no version %.80q; its version is %s.", model, version, tag(m))
	}
	api.NoteObject(ctx, m.Name)
	return m, nil
}

// tag is the version of a model.
func tag(m *core.Manifest) string { return m.Name[strings.LastIndexByte(m.Name, ':')+1:] }

func short(m *core.Manifest) string { return strings.TrimSuffix(m.Name, ":latest") }

// ModelReady reports whether a model takes requests: one that is installed does, since it is loaded when it is needed, unless a
// caller unloaded it and nobody loaded it again, by this protocol or another.
func (s *Service) ModelReady(ctx context.Context, model, version string) (bool, error) {
	m, err := s.find(ctx, model, version)
	if err != nil {
		return false, err
	}
	s.mu.Lock()
	away := s.away[m.Name]
	s.mu.Unlock()
	if !away {
		return true, nil
	}
	loaded, err := s.cfg.Repository.Loaded(ctx)
	if err != nil || !slices.Contains(loaded, m.Name) {
		return false, err
	}
	s.back(m.Name)
	return true, nil
}

// Metadata says what a model takes and gives. A model of text is described as one that takes and gives a text.
func (s *Service) Metadata(ctx context.Context, model, version string) (*Metadata, error) {
	m, err := s.find(ctx, model, version)
	if err != nil {
		return nil, err
	}
	out := &Metadata{Name: model, Versions: []string{tag(m)}, Platform: m.Format}
	if !m.Can(core.CapTensors) {
		out.Inputs = []Tensor{{"text_input", core.Bytes, []int64{1}}}
		out.Outputs = []Tensor{{"text_output", core.Bytes, []int64{1}}}
		return out, nil
	}
	sig, err := s.cfg.Tensors.Signature(ctx, m.Name)
	if err != nil {
		return nil, err
	}
	list := func(in []core.TensorInfo) []Tensor {
		out := make([]Tensor, 0, len(in))
		for _, t := range in {
			out = append(out, Tensor{t.Name, t.Type, shape(t.Shape)})
		}
		return out
	}
	out.Platform, out.Inputs, out.Outputs = sig.Runtime, list(sig.Inputs), list(sig.Outputs)
	return out, nil
}

// shape writes a shape as the protocol does, which has no word for one of any rank: it is written as one free dimension.
func shape(s []int64) []int64 {
	if s == nil {
		return []int64{-1}
	}
	return slices.Clone(s)
}

// Index lists the models with their states.
func (s *Service) Index(ctx context.Context, ready bool) ([]IndexEntry, error) {
	list, err := s.cfg.Catalogue.List(ctx)
	if err != nil {
		return nil, err
	}
	loaded, err := s.cfg.Repository.Loaded(ctx)
	if err != nil {
		return nil, err
	}
	out := []IndexEntry{}
	for _, m := range list {
		e := IndexEntry{Name: short(m), Version: tag(m), State: "READY"}
		if !slices.Contains(loaded, m.Name) {
			if ready {
				continue
			}
			e.State, e.Reason = "UNAVAILABLE", "not loaded; its next request loads it"
		}
		out = append(out, e)
	}
	return out, nil
}

// Load loads a model.
func (s *Service) Load(ctx context.Context, model string) error {
	m, err := s.find(ctx, model, "")
	if err != nil {
		return err
	}
	if err := s.cfg.Repository.Load(ctx, m.Name); err != nil {
		return err
	}
	s.back(m.Name)
	return nil
}

// Unload unloads a model. One that is not loaded is unloaded already.
func (s *Service) Unload(ctx context.Context, model string) error {
	m, err := s.find(ctx, model, "")
	if err != nil {
		return err
	}
	if err := s.cfg.Repository.Unload(ctx, m.Name); err != nil && core.CodeOf(err) != core.CodeNotFound {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.away[m.Name] = true
	return nil
}

func (s *Service) back(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.away, name)
}
