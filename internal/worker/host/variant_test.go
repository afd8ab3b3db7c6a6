package host

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"ashatai/internal/core"
	"ashatai/internal/device"
	"ashatai/internal/engine"
)

// weighing is the mock with a Variant that does what its type says.
type weighing struct{ engine.Runtime }

func (w weighing) Descriptor() engine.Descriptor {
	d := w.Runtime.Descriptor()
	d.Name = "weighing"
	return d
}

func (weighing) Variant(ctx context.Context, spec engine.VariantSpec, step func(string, float64)) (engine.Variant, error) {
	if err := os.WriteFile(spec.Out, []byte("w"), 0o600); err != nil {
		return engine.Variant{}, err
	}
	step("making", 1)
	switch spec.Type {
	case "dies":
		os.Exit(3)
	case "fails":
		return engine.Variant{}, core.Errorf(core.CodeBadModel, "Bad.")
	case "waits":
		time.Sleep(time.Hour) //nolint:forbidigo // native code that looks at nothing
	}
	return engine.Variant{Type: spec.Type, Divergence: 0.5}, ctx.Err()
}

func (weighing) Devices(_ context.Context, backend string) (device.Report, error) {
	switch backend {
	case "dies":
		os.Exit(3)
	case "waits":
		time.Sleep(time.Hour) //nolint:forbidigo // a driver that hangs
	}
	return device.Report{Devices: []device.Device{{ID: backend + "0"}}}, nil
}

// TestDevices: a driver that crashes or hangs costs the process that asked it, and is told.
func TestDevices(t *testing.T) {
	p, ok := New(config(t, "good")).Runtime("weighing", engine.Descriptor{Name: "weighing"}).(engine.Prober)
	if !ok {
		t.Fatal("the host's runtimes look for no devices")
	}
	r, err := p.Devices(t.Context(), "vulkan")
	if err != nil || len(r.Devices) != 1 || r.Devices[0].ID != "vulkan0" {
		t.Errorf("%+v %v", r, err)
	}
	if _, err := p.Devices(t.Context(), "dies"); core.CodeOf(err) != core.CodeWorkerDied {
		t.Error(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := p.Devices(ctx, "waits"); core.CodeOf(err) != core.CodeDeadline {
		t.Error(err)
	}
	if _, err := New(config(t, "good")).Runtime("mock", engine.Descriptor{Name: "mock"}).(engine.Prober).Devices(t.Context(), "x"); core.CodeOf(err) != core.CodeUnsupported {
		t.Error(err)
	}
}

func TestVariant(t *testing.T) {
	rt := New(config(t, "good")).Runtime("weighing", engine.Descriptor{Name: "weighing"})
	o, ok := rt.(engine.Optimizer)
	if !ok {
		t.Fatal("the host's runtimes make no variants")
	}
	at := func(typ string) engine.VariantSpec {
		return engine.VariantSpec{Load: spec(t, nil), Type: typ, Out: filepath.Join(t.TempDir(), "out")}
	}
	var steps int
	v, err := o.Variant(t.Context(), at("q"), func(string, float64) { steps++ })
	if err != nil || v.Type != "q" || v.Divergence != 0.5 || steps != 1 {
		t.Error(v, err, steps)
	}
	for typ, want := range map[string]core.Code{"dies": core.CodeWorkerDied, "fails": core.CodeBadModel} {
		if _, err := o.Variant(t.Context(), at(typ), nil); core.CodeOf(err) != want {
			t.Errorf("%s: %v, want %s", typ, err, want)
		}
	}
	relative := at("q")
	relative.Out = "x"
	if _, err := o.Variant(t.Context(), relative, nil); core.CodeOf(err) != core.CodeInvalidRequest {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	start := time.Now()
	_, err = o.Variant(ctx, at("waits"), func(string, float64) { cancel() })
	if !errors.Is(err, context.Canceled) && core.CodeOf(err) != core.CodeCancelled || time.Since(start) > bound {
		t.Errorf("%v after %s", err, time.Since(start))
	}
}
