package devices

import (
	"context"
	"fmt"

	"ashatai/internal/api/v1/hardware"
	"ashatai/internal/device"
	"ashatai/internal/device/fallback"
	"ashatai/internal/node/checkup"
)

// Shown gives the API its view of the registry.
type Shown struct{ *fallback.Registry }

// Taken implements hardware.Devices.
func (s Shown) Taken() map[string]hardware.Ledger {
	out := map[string]hardware.Ledger{}
	for id, l := range s.Ledgers() {
		out[id] = hardware.Ledger(l)
	}
	return out
}

// Findings is what doctor says of the devices. Where models must use one, that none can be used is a failure.
func Findings(ctx context.Context, r *fallback.Registry, policy string) []checkup.Finding {
	report := r.Look(ctx)
	var out []checkup.Finding
	ready := false
	for _, d := range report.Devices {
		f := checkup.Finding{Name: "device " + d.ID, State: checkup.OK, Detail: fmt.Sprintf("%s, %d of %d MiB free", d.Name, d.Free>>20, d.Total>>20)}
		if d.Driver != "" {
			f.Detail += ", driver " + d.Driver
		}
		if d.Ready() {
			ready = true
			f.Detail += fmt.Sprintf("; computes rightly (relative error %.1g)", d.Error)
		} else {
			f.State, f.Remedy = checkup.Warn, d.Missing
		}
		out = append(out, f)
	}
	if policy == "" || policy == device.PolicyCPU {
		return out // nothing is asked of devices, so nothing is missing
	}
	state := checkup.Warn
	if policy == device.PolicyRequire {
		state = checkup.Fail
	}
	for _, n := range report.Notes {
		out = append(out, checkup.Finding{Name: "devices", State: checkup.Warn, Detail: n})
	}
	if !ready {
		out = append(out, checkup.Finding{Name: "devices", State: state, Detail: "no device can be used, and the settings ask for one (" + policy + ")", Remedy: "See docs/gpu.md for what each kind of device needs."})
	}
	return out
}
