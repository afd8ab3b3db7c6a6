package infer

import (
	"testing"

	"ashatai/internal/core"
)

func TestTensors(t *testing.T) {
	f := &fake{model: core.Manifest{Name: "m:latest", Digest: "d", Capabilities: []core.Capability{core.CapEmbed, core.CapTensors}}}
	s := f.service()
	in := core.Tensor{Name: "in", Type: core.FP32, Shape: []int64{1024}, Data: make([]byte, 4096)}
	req := &core.TensorRequest{Model: "m", Principal: core.Principal{Tenant: "t"}, Inputs: []core.Tensor{in}}
	got, err := s.Infer(t.Context(), req)
	if err != nil || got.Model != "m:latest" || len(got.Outputs) != 1 || got.Placement.Device != "cpu" {
		t.Fatalf("%+v, %v", got, err)
	}
	if !f.target.Spec.Embedding || f.item.Tenant != "t" || f.item.Cost != 5 || f.item.Fingerprint == 0 {
		t.Errorf("target %+v, item %+v", f.target, f.item)
	}
	first := f.item.Fingerprint
	in.Data = append(make([]byte, 4095), 1)
	req.Inputs = []core.Tensor{in}
	if _, err := s.Infer(t.Context(), req); err != nil || f.item.Fingerprint == first {
		t.Errorf("another input has the same fingerprint: %v", err)
	}
	sig, err := s.Signature(t.Context(), "m")
	if err != nil || sig.Model != "m:latest" || len(sig.Inputs) != 1 || sig.Outputs[0].Name != "out" {
		t.Errorf("%+v, %v", sig, err)
	}
	f.model.Capabilities = []core.Capability{core.CapGenerate, core.CapTensors}
	if _, err := s.Infer(t.Context(), req); err != nil || f.target.Spec.Embedding {
		t.Errorf("a model of text is loaded for embeddings: %v", err)
	}
	f.fails = core.Invalid("in", "No.")
	if _, err := s.Infer(t.Context(), req); core.CodeOf(err) != core.CodeInvalidRequest {
		t.Error(err)
	}
	f.model.Capabilities = []core.Capability{core.CapChat}
	if _, err := s.Infer(t.Context(), req); core.CodeOf(err) != core.CodeUnsupported {
		t.Error(err)
	}
	if _, err := s.Signature(t.Context(), "m"); core.CodeOf(err) != core.CodeUnsupported {
		t.Error(err)
	}
}
