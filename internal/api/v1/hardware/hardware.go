// Package hardware is the part of the server's own API that shows what models can compute on. It changes nothing.
package hardware

import (
	"context"
	"net/http"

	"ashatai/internal/api"
	"ashatai/internal/core"
	"ashatai/internal/device"
)

// Devices knows what there is.
type Devices interface {
	// Report is what was found a moment ago. It may take as long as a driver does.
	Report(ctx context.Context) device.Report
	// Taken says what models may take of each device, and take now, in bytes.
	Taken() map[string]Ledger
}

// Ledger is the memory of one device, in bytes.
type Ledger struct {
	Limit int64 `json:"limit" doc:"what all models together may take of it by the setting gpu.memory_limits; 0: what is free"`
	Used  int64 `json:"used" doc:"what the loaded ones take"`
}

// Device is one thing to compute on.
type Device struct {
	ID       string   `json:"id" doc:"what settings name, as vulkan0"`
	Backend  string   `json:"backend" doc:"the interface through which it was found: cuda, vulkan, rocm, metal; system and nvml for a card that no runtime can use"`
	Kind     string   `json:"kind" doc:"gpu, or integrated where it has no memory of its own"`
	Name     string   `json:"name" doc:"as its driver calls it"`
	Vendor   string   `json:"vendor,omitempty"`
	Driver   string   `json:"driver,omitempty" doc:"with its version, where that is known"`
	PCI      string   `json:"pci,omitempty" doc:"where it is on the bus"`
	Software bool     `json:"software" doc:"whether the processor plays it"`
	Ready    bool     `json:"ready" doc:"whether a runtime computed a small product on it, and rightly"`
	Error    float64  `json:"error" doc:"by how much that product differs from the processor's, relative"`
	Runtimes []string `json:"runtimes" doc:"those that can use it"`
	Missing  string   `json:"missing,omitempty" doc:"why nothing can use it, and what to do"`
	Memory   Memory   `json:"memory"`
}

// Memory is that of a device, in bytes.
type Memory struct {
	Total  int64  `json:"total" doc:"0: not known"`
	Free   int64  `json:"free" doc:"at the last look"`
	Models Ledger `json:"models"`
}

// Processor is what is known of the processor.
type Processor struct {
	Name     string   `json:"name"`
	Cores    int      `json:"cores" doc:"that the machine has"`
	Usable   int      `json:"usable" doc:"that this server may use, by its affinity and its control groups"`
	Nodes    int      `json:"nodes" doc:"of memory (NUMA)"`
	Features []string `json:"features" doc:"the instructions that kernels are chosen by"`
	Memory   int64    `json:"memory" doc:"bytes that can still be taken"`
}

// DeviceList is the answer of GET /api/v1/devices.
type DeviceList struct {
	Processor *Processor `json:"processor"`
	Devices   []Device   `json:"devices" doc:"the best first"`
	Notes     []string   `json:"notes" doc:"what could not be looked at, and why"`
}

// Routes are the rows.
func Routes(d Devices) []api.Route {
	return []api.Route{{
		Method: http.MethodGet, Path: "/api/v1/devices", Summary: "Lists what models can compute on, with its memory, its driver and what is missing.",
		Scope: core.ScopeRead, Limit: api.LimitRead, Response: DeviceList{},
		Handle: func(w http.ResponseWriter, r *http.Request) error {
			return api.WriteJSON(w, http.StatusOK, list(d.Report(r.Context()), d.Taken()))
		},
	}}
}

func list(r device.Report, taken map[string]Ledger) DeviceList {
	out := DeviceList{Devices: []Device{}, Notes: append([]string{}, r.Notes...)}
	if p := r.Processor; p != nil {
		out.Processor = &Processor{Name: p.Name, Cores: p.Cores, Usable: p.Usable, Nodes: p.Nodes, Features: append([]string{}, p.Features...), Memory: p.Memory}
	}
	for _, d := range r.Devices {
		out.Devices = append(out.Devices, Device{
			ID: d.ID, Backend: d.Backend, Kind: d.Kind, Name: d.Name, Vendor: d.Vendor, Driver: d.Driver, PCI: d.PCI, Software: d.Software,
			Ready: d.Ready(), Error: d.Error, Runtimes: append([]string{}, d.Runtimes...), Missing: d.Missing,
			Memory: Memory{Total: d.Total, Free: d.Free, Models: taken[d.ID]},
		})
	}
	return out
}
