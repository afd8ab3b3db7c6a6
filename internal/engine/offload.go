package engine

import (
	"context"

	"ashatai/internal/device"
)

// Offload says what of a model shall be computed on devices besides the processor.
type Offload struct {
	Policy  string    `json:"policy"`            // one of device's policies
	Backend string    `json:"backend,omitempty"` // "cuda", "vulkan"; empty: any
	Wanted  []string  `json:"wanted,omitempty"`  // ids of devices; empty: the best one
	Index   int       `json:"index,omitempty"`   // which of those that fit, the best being 0, where no id is wanted
	Layers  int       `json:"layers"`            // the output counted; negative: all that fit
	Row     bool      `json:"row,omitempty"`     // matrices are split among devices by rows, instead of by layers
	Split   []float64 `json:"split,omitempty"`   // part of each device; empty: by what is free

	// Devices are those that were chosen. Whoever calls the runtime fills them in; the settings do not.
	Devices []DeviceShare `json:"devices,omitempty"`
}

// DeviceShare is a device with what a model may take of it.
type DeviceShare struct {
	ID    string `json:"id"`
	Limit int64  `json:"limit,omitempty"` // bytes; 0: what is free
	// Beyond is by how many bytes the last load of the model took more of the device than was computed.
	Beyond int64 `json:"beyond,omitempty"`
}

// DeviceUse is what a loaded model has on a device, in bytes.
type DeviceUse struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Weights int64  `json:"weights"`
	KV      int64  `json:"kv"`
	Compute int64  `json:"compute"`
	Layers  int    `json:"layers"` // of the model on all its devices, the output counted
	Of      int    `json:"of"`
	Planned int64  `json:"planned"` // bytes that were computed before the load
}

// Total is the sum of all parts.
func (u DeviceUse) Total() int64 { return u.Weights + u.KV + u.Compute }

// Prober is a Runtime that can look for devices. It opens drivers, which may hang and crash, so it belongs into a worker.
type Prober interface {
	// Devices looks for what a backend finds, and computes a small product on each device. The backend device.System is the
	// machine itself, without any library for computing.
	Devices(ctx context.Context, backend string) (device.Report, error)
}
