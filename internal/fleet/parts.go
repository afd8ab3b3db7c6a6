package fleet

import (
	"ashatai/internal/device"
	"ashatai/internal/engine"
)

// expecter is what a runtime also is that puts models on devices.
type expecter interface {
	// Expect is what a load that takes so much memory is expected to take of devices. It answers at once.
	Expect(spec engine.LoadSpec, estimate int64) []device.Part
}

// expected is what the load of a target would take of devices, as far as that is known.
func (l *loop) expected(t Target) []device.Part {
	if r, ok := l.f.cfg.Runtimes[t.Runtime].(expecter); ok {
		return r.Expect(t.Spec, t.Memory)
	}
	return nil
}

// parts is what a loaded model takes of devices.
func parts(uses []engine.DeviceUse) []device.Part {
	var out []device.Part
	for _, u := range uses {
		out = append(out, device.Part{ID: u.ID, Bytes: u.Total()})
	}
	return out
}
