package infer

import (
	"context"
	"crypto/sha256"
	"encoding/binary"

	"ashatai/internal/core"
)

// Infer computes tensors. A quota counts the request and no tokens. Errors: those of Models and Fleet, CodeUnsupported for a
// model that takes no tensors, CodeInvalidRequest for tensors that it does not take.
func (s *Service) Infer(ctx context.Context, req *core.TensorRequest) (*core.Tensors, error) {
	m, err := s.tensorModel(ctx, req.Model)
	if err != nil {
		return nil, err
	}
	t := s.target(m, s.cfg.Settings(m), textless(m))
	ctx, cancel, deadline := s.limit(ctx, 0)
	defer cancel()
	it := core.QueueItem{
		Tenant: req.Principal.Tenant, Class: req.Principal.Class, Weight: s.cfg.Quota.Weight(req.Principal),
		Cost: tensorCost(req.Inputs), Fingerprint: tensorPrint(t, req.Inputs), Deadline: deadline,
	}
	grant, err := s.cfg.Quota.Reserve(req.Principal, m.Name, core.TokenWish{})
	if err != nil {
		return nil, err
	}
	answer, usage, place, err := s.fleet.Infer(ctx, t, it, req.Inputs, req.Outputs)
	grant.Settle(usage)
	if err != nil {
		return nil, err
	}
	return &core.Tensors{Model: m.Name, Outputs: answer, Usage: usage, Placement: place}, nil
}

// Signature says what a model takes and gives. It loads the model where it is not loaded. Errors: those of Infer.
func (s *Service) Signature(ctx context.Context, model string) (*core.Signature, error) {
	m, err := s.tensorModel(ctx, model)
	if err != nil {
		return nil, err
	}
	ctx, cancel, _ := s.limit(ctx, 0)
	defer cancel()
	f, err := s.fleet.Facts(ctx, s.target(m, s.cfg.Settings(m), textless(m)))
	if err != nil {
		return nil, err
	}
	return &core.Signature{Model: m.Name, Runtime: f.Runtime, Inputs: f.Inputs, Outputs: f.Outputs, Labels: f.Labels}, nil
}

func (s *Service) tensorModel(ctx context.Context, name string) (*core.Manifest, error) {
	m, err := s.models.Resolve(ctx, name)
	if err != nil {
		return nil, err
	}
	if !m.Can(core.CapTensors) {
		return nil, unable(m, "take tensors")
	}
	return m, nil
}

// textless reports whether a model that takes tensors is loaded as for embeddings: where it makes those and no text, one load
// serves both.
func textless(m *core.Manifest) bool { return m.Can(core.CapEmbed) && !generates(m) }

// bytesPerCost makes the expected cost of tensors comparable with that of text in a queue, roughly.
const bytesPerCost = 1 << 10

func tensorCost(inputs []core.Tensor) int {
	n := 1
	for i := range inputs {
		n += len(inputs[i].Data) / bytesPerCost
	}
	return n
}

// printBytes is how much of each tensor tells a request from others.
const printBytes = 64 << 10

// tensorPrint is the fingerprint of a request for tensors.
func tensorPrint(t Target, inputs []core.Tensor) uint64 {
	h := sha256.New()
	writeText(h, t.Digest+"\x00tensors")
	for _, in := range inputs {
		writeText(h, in.Name)
		writeText(h, string(in.Type))
		for _, d := range in.Shape {
			_, _ = h.Write(binary.LittleEndian.AppendUint64(nil, uint64(d))) //nolint:gosec // only the bits matter
		}
		_, _ = h.Write(in.Data[:min(len(in.Data), printBytes)])
	}
	return max(binary.LittleEndian.Uint64(h.Sum(nil)), 1)
}
