package host

import (
	"context"
	"os"
	"sync/atomic"
	"testing"

	"ashatai/internal/core"
	"ashatai/internal/engine"
	"ashatai/internal/engine/enginetest"
)

// toy is a whole runtime, to show what a new one takes: this much, and its place in the list of a worker (child has it).
type toy struct{}

func (toy) Descriptor() engine.Descriptor {
	return engine.Descriptor{Name: "toy", Title: "Toy", Formats: []string{"toy"}, Capabilities: []core.Capability{core.CapTensors}, Devices: []string{"cpu"}, Cost: 1}
}

func (toy) Probe(context.Context) engine.Status { return engine.Status{Ready: true, Version: "1"} }

func (toy) Load(ctx context.Context, spec engine.LoadSpec, _ func(float64)) (engine.Model, error) {
	b, err := os.ReadFile(spec.Path)
	if err != nil || string(b) != "toy" {
		return nil, core.Wrap(core.CodeBadModel, err, "The file is no toy. Choose another.")
	}
	return &toyModel{}, ctx.Err()
}

// toyModel turns the bytes of its input around.
type toyModel struct{ closed atomic.Bool }

func (*toyModel) Facts() engine.Facts {
	in := []core.TensorInfo{{Name: "x", Type: core.Uint8, Shape: []int64{-1}}}
	return engine.Facts{Runtime: "toy", Device: "cpu", Capabilities: []core.Capability{core.CapTensors}, Inputs: in, Outputs: []core.TensorInfo{{Name: "y", Type: core.Uint8, Shape: []int64{-1}}}}
}

func (m *toyModel) Close() error {
	m.closed.Store(true)
	return nil
}

func (m *toyModel) Infer(ctx context.Context, inputs []core.Tensor, outputs []string) ([]core.Tensor, error) {
	if m.closed.Load() {
		return nil, core.Errorf(core.CodeUnavailable, "The toy is closed. Load it again.")
	}
	if err := ctx.Err(); err != nil {
		return nil, core.AsError(err)
	}
	if err := core.Fits(m.Facts().Inputs, inputs); err != nil {
		return nil, err
	}
	if _, err := core.Wanted(m.Facts().Outputs, outputs); err != nil {
		return nil, err
	}
	out := core.Tensor{Name: "y", Type: core.Uint8, Shape: inputs[0].Shape}
	for _, b := range inputs[0].Data {
		out.Data = append(out.Data, ^b)
	}
	return []core.Tensor{out}, nil
}

// TestANewRuntime: a runtime that nothing else knows keeps the contract, in process and as a child.
func TestANewRuntime(t *testing.T) {
	opt := enginetest.TensorOptions{
		Spec: engine.LoadSpec{Path: write(t, "toy")}, Inputs: []core.Tensor{{Name: "x", Type: core.Uint8, Shape: []int64{3}, Data: []byte{1, 2, 3}}},
	}
	for name, rt := range map[string]engine.Runtime{"in process": toy{}, "as a child": New(config(t, "good")).Runtime("toy", toy{}.Descriptor())} {
		t.Run(name, func(t *testing.T) { enginetest.RunTensors(t, func(*testing.T) engine.Runtime { return rt }, opt) })
	}
}
