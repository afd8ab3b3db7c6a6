package probe

import (
	"bytes"
	"fmt"
	"reflect"
	"runtime"
	"strings"

	"github.com/ebitengine/purego"

	"ashatai/internal/device"
	"ashatai/internal/native"
)

// nvml are the functions of NVIDIA's management library (nvml.h of CUDA 13) that are called. It comes with the driver.
type nvml struct {
	Init       func() int32                                     `c:"nvmlInit_v2"`
	Shutdown   func() int32                                     `c:"nvmlShutdown"`
	Driver     func(text *byte, size uint32) int32              `c:"nvmlSystemGetDriverVersion"`
	Count      func(n *uint32) int32                            `c:"nvmlDeviceGetCount_v2"`
	Handle     func(i uint32, dev *uintptr) int32               `c:"nvmlDeviceGetHandleByIndex_v2"`
	Name       func(dev uintptr, text *byte, size uint32) int32 `c:"nvmlDeviceGetName"`
	Memory     func(dev uintptr, m *nvmlMemory) int32           `c:"nvmlDeviceGetMemoryInfo"`
	PCI        func(dev uintptr, p *nvmlPCI) int32              `c:"nvmlDeviceGetPciInfo_v3"`
	Capability func(dev uintptr, major, minor *int32) int32     `c:"nvmlDeviceGetCudaComputeCapability"`
}

// nvmlMemory is nvmlMemory_t.
type nvmlMemory struct{ Total, Free, Used uint64 }

// nvmlPCI is nvmlPciInfo_t.
type nvmlPCI struct {
	Legacy                             [16]byte
	Domain, Bus, Device, ID, SubSystem uint32
	BusID                              [32]byte
}

const maxCards = 256

// NVIDIA asks NVIDIA's driver for its cards, through the library at path; empty: the one that comes with the driver. Where
// there is no such driver the report is empty.
func NVIDIA(path string) device.Report {
	if path == "" {
		path = "libnvidia-ml.so.1"
		if runtime.GOOS == "windows" {
			path = "nvml.dll"
		}
	}
	h, err := native.Open(path)
	if err != nil {
		return device.Report{}
	}
	var fn nvml
	v := reflect.ValueOf(&fn).Elem()
	for i := range v.NumField() {
		addr, err := h.Symbol(v.Type().Field(i).Tag.Get("c"))
		if err != nil {
			return note("NVIDIA's management library is too old: %v. Update the driver.", err)
		}
		purego.RegisterFunc(v.Field(i).Addr().Interface(), addr)
	}
	if status := fn.Init(); status != 0 {
		return note("NVIDIA's driver does not answer (NVML status %d). See what nvidia-smi says; after an update of the driver, restart the machine.", status)
	}
	defer fn.Shutdown()
	return fn.list()
}

func note(format string, args ...any) device.Report {
	return device.Report{Notes: []string{fmt.Sprintf(format, args...)}}
}

func (fn *nvml) list() device.Report {
	var out device.Report
	var text [96]byte
	driver := "nvidia"
	if fn.Driver(&text[0], uint32(len(text))) == 0 {
		driver += " " + cText(text[:])
	}
	var n uint32
	if status := fn.Count(&n); status != 0 {
		return note("NVIDIA's driver does not count its cards (NVML status %d). See what nvidia-smi says.", status)
	}
	for i := range min(n, maxCards) {
		var dev uintptr
		if status := fn.Handle(i, &dev); status != 0 {
			out.Notes = append(out.Notes, fmt.Sprintf("NVIDIA's card %d cannot be asked (NVML status %d).", i, status))
			continue
		}
		d := device.Device{ID: fmt.Sprintf("nvidia%d", i), Backend: device.NVML, Kind: device.KindGPU, Vendor: "nvidia", Driver: driver, Name: "NVIDIA card"}
		if fn.Name(dev, &text[0], uint32(len(text))) == 0 {
			d.Name = cText(text[:])
		}
		var major, minor int32
		if fn.Capability(dev, &major, &minor) == 0 {
			d.Name += fmt.Sprintf(" (compute %d.%d)", major, minor)
		}
		var m nvmlMemory
		if fn.Memory(dev, &m) == 0 {
			d.Total, d.Free = int64(min(m.Total, 1<<62)), int64(min(m.Free, m.Total, 1<<62))
		}
		var p nvmlPCI
		if fn.PCI(dev, &p) == 0 {
			d.PCI = busID(cText(p.BusID[:]))
		}
		out.Devices = append(out.Devices, d)
	}
	return out
}

// busID writes a place on the PCI bus as the kernel does: NVML has eight digits for the domain, and capitals.
func busID(s string) string {
	s = strings.ToLower(s)
	domain, rest, ok := strings.Cut(s, ":")
	if ok && len(domain) > 4 {
		domain = domain[len(domain)-4:]
	}
	if !ok {
		return s
	}
	return domain + ":" + rest
}

func cText(b []byte) string {
	before, _, _ := bytes.Cut(b, []byte{0})
	return string(before)
}
