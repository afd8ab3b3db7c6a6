// Package device are the words for what a model can compute on besides the processor, and the arithmetic of sharing it: how
// many layers of a model fit into what a device has left. It is pure: it asks no driver (package probe does) and loads
// nothing.
package device

import (
	"cmp"
	"slices"
	"strings"
)

// Backends, as settings and lists name them.
const (
	CPU    = "cpu"
	CUDA   = "cuda"
	ROCm   = "rocm"
	Vulkan = "vulkan"
	Metal  = "metal"
	// System and NVML stand for what can be known without any library for computing: of the machine from its files, and of
	// NVIDIA's cards from their driver.
	System = "system"
	NVML   = "nvml"
)

// Kinds of device.
const (
	KindCPU        = "cpu"
	KindGPU        = "gpu"
	KindIntegrated = "integrated"
)

// Device is one thing to compute on, as it was at the last look.
type Device struct {
	ID       string   `json:"id"`      // "vulkan0"; what settings name
	Backend  string   `json:"backend"` // "cuda", "vulkan", "rocm", "metal", "cpu"
	Kind     string   `json:"kind"`
	Name     string   `json:"name"`             // as the driver calls it
	Vendor   string   `json:"vendor,omitempty"` // "nvidia", "amd", "intel"
	Driver   string   `json:"driver,omitempty"` // with its version, where that is known
	PCI      string   `json:"pci,omitempty"`
	Total    int64    `json:"total"` // bytes of its own memory; 0: not known
	Free     int64    `json:"free"`
	Runtimes []string `json:"runtimes,omitempty"` // those that computed on it rightly
	Software bool     `json:"software,omitempty"` // the processor plays it
	Error    float64  `json:"error,omitempty"`    // of a product of two matrices, against the processor's, relative
	Missing  string   `json:"missing,omitempty"`  // why nothing can use it, and what to do
}

// Part is memory of one device.
type Part struct {
	ID    string
	Bytes int64
}

// Ready reports whether some runtime computed on the device, and rightly.
func (d Device) Ready() bool { return d.Missing == "" && len(d.Runtimes) > 0 }

// Processor is what is known of the processor.
type Processor struct {
	Name     string   `json:"name"`
	Cores    int      `json:"cores"`              // that the machine has
	Usable   int      `json:"usable"`             // that this server may use: affinity and the control groups' quota
	Nodes    int      `json:"nodes"`              // of memory (NUMA)
	Features []string `json:"features,omitempty"` // of its instructions, those that kernels are chosen by
	Memory   int64    `json:"memory"`             // bytes that can still be taken, within the control groups' limit
}

// Report is what one look found.
type Report struct {
	Processor *Processor `json:"processor,omitempty"`
	Devices   []Device   `json:"devices"`
	// Notes are sentences about what could not be looked at.
	Notes []string `json:"notes,omitempty"`
}

// Merge puts the looks of several backends together. What the system knows of a card (its driver, its vendor) completes what
// a backend found on the same bus; a card that no backend found stays by itself, with what is missing.
func Merge(reports ...Report) Report {
	var out Report
	var cards []Device
	for _, r := range reports {
		if r.Processor != nil {
			out.Processor = r.Processor
		}
		out.Notes = append(out.Notes, r.Notes...)
		for _, d := range r.Devices {
			if len(d.Runtimes) == 0 && d.Missing == "" {
				cards = append(cards, d)
			} else {
				out.Devices = append(out.Devices, d)
			}
		}
	}
	for _, c := range cards {
		if complete(out.Devices, c) || told(out.Devices, c) {
			continue
		}
		c.Missing = lacking(c)
		out.Devices = append(out.Devices, c)
	}
	slices.SortStableFunc(out.Devices, func(a, b Device) int {
		return cmp.Or(cmp.Compare(order(a), order(b)), cmp.Compare(a.ID, b.ID))
	})
	return out
}

// complete puts what the system knows of a card into the devices that a backend found on it, and says whether one of them can
// be used.
func complete(found []Device, c Device) bool {
	used := false
	for i := range found {
		d := &found[i]
		if c.PCI == "" || !strings.EqualFold(d.PCI, c.PCI) && (d.PCI != "" || !sameName(d.Name, c.Name)) {
			continue
		}
		used = used || d.Ready()
		d.Driver, d.Vendor = cmp.Or(c.Driver, d.Driver), cmp.Or(c.Vendor, d.Vendor)
		if c.Total > 0 && d.Total == 0 {
			d.Total, d.Free = c.Total, c.Free
		}
	}
	return used
}

// told says whether a card is in the list by itself already: the kernel and NVIDIA's driver both tell of the same, and the driver
// knows its name.
func told(found []Device, c Device) bool {
	i := slices.IndexFunc(found, func(d Device) bool {
		return c.PCI != "" && strings.EqualFold(d.PCI, c.PCI) && (d.Backend == System || d.Backend == NVML)
	})
	if i >= 0 && c.Backend == NVML {
		found[i].Name = c.Name
	}
	return i >= 0
}

func sameName(a, b string) bool {
	return a != "" && b != "" && (strings.Contains(strings.ToLower(a), strings.ToLower(b)) || strings.Contains(strings.ToLower(b), strings.ToLower(a)))
}

// lacking says what a card that nothing can use needs.
func lacking(c Device) string {
	switch c.Vendor {
	case "nvidia":
		return "No runtime can use this card yet: run `ashatai runtime install llamacpp-cuda` (or llamacpp-vulkan) and set gpu.enabled."
	case "amd":
		return "No runtime can use this card yet: run `ashatai runtime install llamacpp-vulkan`, or name a build of your own for ROCm by gpu.library, and set gpu.enabled."
	}
	return "No runtime can use this card yet: run `ashatai runtime install llamacpp-vulkan` and set gpu.enabled."
}

// order is how devices are preferred: those with memory of their own, by the interface made for them, before shared ones,
// before those that the processor plays.
func order(d Device) int {
	n := 0
	switch d.Backend {
	case CUDA, ROCm, Metal:
	case Vulkan:
		n = 1
	default:
		n = 2
	}
	if d.Kind == KindIntegrated {
		n += 10
	}
	if d.Software {
		n += 20
	}
	if !d.Ready() {
		n += 100
	}
	if d.Kind == KindCPU {
		n += 50
	}
	return n
}

// Wish is which devices a model should use.
type Wish struct {
	Policy  string   // PolicyCPU, PolicyPrefer or PolicyRequire; empty is PolicyCPU
	Backend string   // empty or "auto": any
	Devices []string // by id, in this order; empty: the best one
	Index   int      // then that many better ones are passed over
}

// Policies.
const (
	PolicyCPU     = "cpu"
	PolicyPrefer  = "prefer-gpu"
	PolicyRequire = "require-gpu"
)

// Choose picks the devices for a wish. Without one it says why in a sentence.
func Choose(r Report, w Wish) (chosen []Device, why string) {
	if len(w.Devices) > 0 {
		for _, id := range w.Devices {
			i := slices.IndexFunc(r.Devices, func(d Device) bool { return strings.EqualFold(d.ID, id) })
			switch {
			case i < 0:
				return nil, "there is no device " + id + " here"
			case !r.Devices[i].Ready():
				return nil, "the device " + id + " cannot be used: " + strings.TrimSuffix(r.Devices[i].Missing, ".")
			}
			chosen = append(chosen, r.Devices[i])
		}
		return chosen, ""
	}
	for _, d := range r.Devices {
		if d.Kind != KindCPU && d.Ready() && (w.Backend == "" || w.Backend == "auto" || d.Backend == w.Backend) {
			if w.Index--; w.Index < 0 {
				return []Device{d}, ""
			}
		}
	}
	why = "no device of this machine can be used"
	if w.Backend != "" && w.Backend != "auto" {
		why = "no device can be used through " + w.Backend
	}
	for _, d := range r.Devices {
		if d.Missing != "" && (w.Backend == "" || w.Backend == "auto" || d.Backend == w.Backend) {
			return nil, why + " (" + d.ID + ": " + strings.TrimSuffix(d.Missing, ".") + ")"
		}
	}
	for _, n := range r.Notes {
		return nil, why + " (" + strings.TrimSuffix(n, ".") + ")"
	}
	return nil, why
}
