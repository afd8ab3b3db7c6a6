// Package probe finds out what a machine can compute on: the processor and the cards from the kernel's files, and NVIDIA's
// cards from their driver. A driver can hang and crash, so it runs in a process that may be lost. It computes nothing on
// what it finds; the runtimes do.
package probe

import (
	"cmp"
	"fmt"
	"io/fs"
	"os"
	"path"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"ashatai/internal/device"
	"ashatai/internal/proc"
)

// System reads the kernel's files. It opens no driver.
func System() device.Report {
	r := within(os.DirFS("/"))
	r.Processor.Cores, r.Processor.Usable, r.Processor.Memory = runtime.NumCPU(), proc.CPUs(), proc.AvailableMemory()
	return r
}

func within(root fs.FS) device.Report {
	return device.Report{Processor: processor(root), Devices: cards(root)}
}

// features are the instructions that kernels for matrices are chosen by, as /proc/cpuinfo spells them.
func features() []string {
	return []string{
		"avx", "avx2", "avx512f", "avx512bw", "avx512vl", "avx512_vnni", "avx512_bf16", "avx_vnni", "amx_tile", "amx_int8", "amx_bf16", "f16c", "fma", "bmi2",
		"asimd", "asimdhp", "asimddp", "i8mm", "bf16", "sve", "sve2", "sme",
	}
}

func processor(root fs.FS) *device.Processor {
	p := &device.Processor{Name: runtime.GOARCH}
	text, _ := fs.ReadFile(root, "proc/cpuinfo")
	for line := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		switch strings.TrimSpace(key) {
		case "model name":
			p.Name = value
		case "flags", "Features":
			have := strings.Fields(value)
			if p.Features == nil {
				p.Features = slices.DeleteFunc(features(), func(f string) bool { return !slices.Contains(have, f) })
			}
		}
	}
	nodes, _ := fs.Glob(root, "sys/devices/system/node/node[0-9]*")
	p.Nodes = max(1, len(nodes))
	return p
}

// vendors are the makers of cards, by their number on the PCI bus.
func vendorOf(id string) string {
	switch strings.ToUpper(id) {
	case "10DE":
		return "nvidia"
	case "1002":
		return "amd"
	case "8086":
		return "intel"
	}
	return ""
}

// cards lists the graphics cards that the kernel knows, by /sys/class/drm.
func cards(root fs.FS) []device.Device {
	found, _ := fs.Glob(root, "sys/class/drm/card[0-9]*")
	var out []device.Device
	count := map[string]int{}
	for _, dir := range found {
		if strings.Contains(path.Base(dir), "-") {
			continue // a connector
		}
		event := pairs(root, dir+"/device/uevent")
		maker, model, _ := strings.Cut(event["PCI_ID"], ":")
		vendor := vendorOf(maker)
		if vendor == "" {
			continue // what only shows pictures
		}
		d := device.Device{
			Kind: device.KindGPU, Vendor: vendor, PCI: strings.ToLower(event["PCI_SLOT_NAME"]), Backend: device.System,
			Driver: strings.TrimSpace(event["DRIVER"] + " " + line(root, "sys/module/"+cmp.Or(event["DRIVER"], "-")+"/version")),
			Name:   cmp.Or(line(root, dir+"/device/product_name"), fmt.Sprintf("%s %s", strings.ToUpper(vendor), strings.ToLower(model))),
			Total:  number(root, dir+"/device/mem_info_vram_total"),
		}
		if d.Total > 0 {
			d.Free = max(0, d.Total-number(root, dir+"/device/mem_info_vram_used"))
		}
		if vendor == "amd" {
			if gfx := target(root, d.PCI); gfx != "" {
				d.Name += " (" + gfx + ")"
			}
		}
		d.ID = vendor + strconv.Itoa(count[vendor])
		count[vendor]++
		out = append(out, d)
	}
	return out
}

// target is the name of the instructions of an AMD card ("gfx1030"), from the kernel's compute driver; empty where that does
// not know the card.
func target(root fs.FS, pci string) string {
	var bus, dev, fn uint64
	var domain uint64
	if _, err := fmt.Sscanf(pci, "%x:%x:%x.%x", &domain, &bus, &dev, &fn); err != nil {
		return ""
	}
	nodes, _ := fs.Glob(root, "sys/class/kfd/kfd/topology/nodes/*/properties")
	for _, n := range nodes {
		p := map[string]uint64{}
		text, _ := fs.ReadFile(root, n)
		for l := range strings.Lines(string(text)) {
			if key, value, ok := strings.Cut(strings.TrimSpace(l), " "); ok {
				p[key], _ = strconv.ParseUint(value, 10, 64)
			}
		}
		if v := p["gfx_target_version"]; v > 0 && p["location_id"] == bus<<8|dev<<3|fn && p["domain"] == domain {
			return fmt.Sprintf("gfx%d%x%x", v/10000, v/100%100, v%100)
		}
	}
	return ""
}

func pairs(root fs.FS, name string) map[string]string {
	out := map[string]string{}
	text, _ := fs.ReadFile(root, name)
	for l := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(strings.TrimSpace(l), "="); ok {
			out[key] = value
		}
	}
	return out
}

func line(root fs.FS, name string) string {
	if !fs.ValidPath(name) {
		return ""
	}
	text, _ := fs.ReadFile(root, name)
	return strings.TrimSpace(string(text))
}

func number(root fs.FS, name string) int64 {
	n, _ := strconv.ParseInt(line(root, name), 10, 64)
	return max(0, n)
}
