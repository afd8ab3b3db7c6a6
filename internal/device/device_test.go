package device

import (
	"slices"
	"strings"
	"testing"
)

func TestMerge(t *testing.T) {
	r := Merge(
		Report{Processor: &Processor{Name: "p", Cores: 8}, Devices: []Device{
			{ID: "amd0", Backend: System, Kind: KindGPU, Vendor: "amd", Name: "AMD 73bf", PCI: "0000:03:00.0", Driver: "amdgpu 6.1", Total: 16 << 30},
			{ID: "nvidia0", Backend: System, Kind: KindGPU, Vendor: "nvidia", Name: "NVIDIA 2335", PCI: "0000:41:00.0", Driver: "nvidia 580"},
			{ID: "intel0", Backend: System, Kind: KindIntegrated, Vendor: "intel", Name: "INTEL 46a6", PCI: "0000:00:02.0"},
		}},
		Report{Notes: []string{"n"}, Devices: []Device{
			{ID: "vulkan1", Backend: Vulkan, Kind: KindGPU, Name: "llvmpipe", Runtimes: []string{"llamacpp"}, Software: true},
			{ID: "vulkan0", Backend: Vulkan, Kind: KindGPU, Name: "RADV", PCI: "0000:03:00.0", Runtimes: []string{"llamacpp"}},
		}},
		Report{Devices: []Device{{ID: "nvidia0", Backend: NVML, Kind: KindGPU, Vendor: "nvidia", Name: "NVIDIA H200", PCI: "0000:41:00.0", Total: 140 << 30}}},
		Report{Devices: []Device{{ID: "cuda0", Backend: CUDA, Kind: KindGPU, Name: "NVIDIA H200", PCI: "0000:41:00.0", Missing: "It computed wrongly."}}},
	)
	var ids []string
	for _, d := range r.Devices {
		ids = append(ids, d.ID)
	}
	if r.Processor == nil || len(r.Notes) != 1 || !slices.Equal(ids, []string{"vulkan0", "vulkan1", "cuda0", "nvidia0", "intel0"}) {
		t.Fatalf("%v %+v", ids, r)
	}
	if d := r.Devices[0]; d.Driver != "amdgpu 6.1" || d.Vendor != "amd" || d.Total != 16<<30 || !d.Ready() {
		t.Errorf("what the system knows of a card is not with the device: %+v", d)
	}
	if d := r.Devices[3]; d.Ready() || !strings.Contains(d.Missing, "llamacpp-cuda") || d.Name != "NVIDIA H200" || d.Total != 140<<30 {
		t.Errorf("a card that nothing can use: %+v", d)
	}
	if d := r.Devices[4]; !strings.Contains(d.Missing, "llamacpp-vulkan") {
		t.Errorf("a card that nothing can use: %+v", d)
	}
	if m := lacking(Device{Vendor: "amd"}); !strings.Contains(m, "ROCm") {
		t.Error(m)
	}
}

func TestChoose(t *testing.T) {
	r := Report{Devices: []Device{
		{ID: "cuda0", Backend: CUDA, Kind: KindGPU, Runtimes: []string{"x"}},
		{ID: "vulkan0", Backend: Vulkan, Kind: KindGPU, Runtimes: []string{"x"}},
		{ID: "rocm0", Backend: ROCm, Kind: KindGPU, Missing: "Its driver is gone."},
	}}
	for _, c := range []struct {
		wish Wish
		want string
		why  string
	}{
		{Wish{}, "cuda0", ""},
		{Wish{Backend: "auto"}, "cuda0", ""},
		{Wish{Index: 1}, "vulkan0", ""},
		{Wish{Index: 2}, "", "no device of this machine"},
		{Wish{Backend: "vulkan"}, "vulkan0", ""},
		{Wish{Devices: []string{"VULKAN0", "cuda0"}}, "vulkan0 cuda0", ""},
		{Wish{Devices: []string{"cuda7"}}, "", "no device cuda7"},
		{Wish{Devices: []string{"rocm0"}}, "", "driver is gone"},
		{Wish{Backend: "rocm"}, "", "through rocm (rocm0: Its driver is gone)"},
		{Wish{Backend: "metal"}, "", "through metal"},
	} {
		got, why := Choose(r, c.wish)
		var ids []string
		for _, d := range got {
			ids = append(ids, d.ID)
		}
		if strings.Join(ids, " ") != c.want || !strings.Contains(why, c.why) || (c.why == "") != (why == "") {
			t.Errorf("%+v: %v, %q", c.wish, ids, why)
		}
	}
	if _, why := Choose(Report{Notes: []string{"The driver hangs."}}, Wish{}); !strings.Contains(why, "(The driver hangs)") {
		t.Error(why)
	}
}

func TestOrder(t *testing.T) {
	best := []Device{
		{Backend: CUDA, Kind: KindGPU, Runtimes: []string{"x"}},
		{Backend: Vulkan, Kind: KindGPU, Runtimes: []string{"x"}},
		{Backend: "other", Kind: KindGPU, Runtimes: []string{"x"}},
		{Backend: Vulkan, Kind: KindIntegrated, Runtimes: []string{"x"}},
		{Backend: Vulkan, Kind: KindGPU, Software: true, Runtimes: []string{"x"}},
		{Backend: CPU, Kind: KindCPU, Runtimes: []string{"x"}},
		{Backend: CUDA, Kind: KindGPU},
	}
	for i := 1; i < len(best); i++ {
		if order(best[i-1]) >= order(best[i]) {
			t.Errorf("%+v is not before %+v", best[i-1], best[i])
		}
	}
}
