package serve

import (
	"context"
	"testing"

	"ashatai/internal/core"
	"ashatai/internal/device"
	"ashatai/internal/engine"
	"ashatai/internal/engine/mock"
	"ashatai/internal/worker/wire"
)

// weigher makes weights without making any.
type weigher struct{ engine.Runtime }

func (weigher) Descriptor() engine.Descriptor {
	d := mock.New().Descriptor()
	d.Name = "weigher"
	return d
}

func (weigher) Variant(_ context.Context, spec engine.VariantSpec, step func(string, float64)) (engine.Variant, error) {
	for i := range 1000 {
		step("making", float64(i)/1000)
	}
	if spec.Type == "bad" {
		return engine.Variant{}, core.Errorf(core.CodeUnsupported, "No.")
	}
	return engine.Variant{Type: spec.Type, Tokens: 5}, nil
}

func (weigher) Devices(_ context.Context, backend string) (device.Report, error) {
	if backend == "bad" {
		return device.Report{}, core.Errorf(core.CodeUnavailable, "No.")
	}
	return device.Report{Devices: []device.Device{{ID: backend + "0"}}}, nil
}

func TestDevices(t *testing.T) {
	at := launch()
	at.Runtime = "weigher"
	p := run(t, at, weigher{mock.New()})
	p.want(wire.KindHello)
	p.send(wire.KindDevices, wire.Devices{Backend: "vulkan"}, nil)
	f, err := p.conn.Read()
	if err != nil {
		t.Fatal(err)
	}
	var r device.Report
	if err := f.Decode(&r); err != nil || f.Kind != wire.KindDeviceList || len(r.Devices) != 1 || r.Devices[0].ID != "vulkan0" {
		t.Fatalf("%s %+v %v", f.Kind, r, err)
	}
	p.send(wire.KindDevices, wire.Devices{Backend: "bad"}, nil)
	p.wantError(core.CodeUnavailable)
}

func TestVariant(t *testing.T) {
	at := launch()
	at.Runtime = "weigher"
	p := run(t, at, weigher{mock.New()})
	p.want(wire.KindHello)
	p.send(wire.KindVariant, engine.VariantSpec{Type: "q"}, nil)
	steps := 0
	for {
		f, err := p.conn.Read()
		if err != nil {
			t.Fatal(err)
		}
		if f.Kind == wire.KindProgress {
			steps++
			continue
		}
		var v engine.Variant
		if err := f.Decode(&v); err != nil || f.Kind != wire.KindVariantMade || v.Type != "q" || v.Tokens != 5 {
			t.Fatalf("%s %+v %v", f.Kind, v, err)
		}
		break
	}
	if steps < 50 || steps > 110 {
		t.Errorf("%d steps", steps)
	}
	p.send(wire.KindVariant, engine.VariantSpec{Type: "q"}, nil)
	p.wantError(core.CodeConflict)
	p.send(wire.KindLoad, wire.Load{}, nil)
	p.wantError(core.CodeConflict)

	p = run(t, at, weigher{mock.New()})
	p.want(wire.KindHello)
	p.send(wire.KindVariant, engine.VariantSpec{Type: "bad"}, nil)
	p.wantError(core.CodeUnsupported)
	p = run(t, launch())
	p.want(wire.KindHello)
	p.send(wire.KindVariant, engine.VariantSpec{}, nil)
	p.wantError(core.CodeUnsupported)
}
