package probe

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

func file(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }

func TestFiles(t *testing.T) {
	root := fstest.MapFS{
		"proc/cpuinfo":                          file("processor\t: 0\nmodel name\t: AMD EPYC\nflags\t\t: fpu avx2 avx512f sse\n"),
		"sys/devices/system/node/node0/cpulist": file("0-1"), "sys/devices/system/node/node1/cpulist": file("2-3"),
		"sys/class/drm/card0/device/uevent":              file("DRIVER=amdgpu\nPCI_ID=1002:73BF\nPCI_SLOT_NAME=0000:03:00.0\n"),
		"sys/class/drm/card0/device/mem_info_vram_total": file("17163091968\n"), "sys/class/drm/card0/device/mem_info_vram_used": file("1163091968\n"),
		"sys/class/drm/card0/device/product_name":       file("Radeon RX 6800\n"),
		"sys/class/drm/card0-DP-1/status":               file("connected"),
		"sys/class/drm/card1/device/uevent":             file("DRIVER=i915\nPCI_ID=8086:46A6\nPCI_SLOT_NAME=0000:00:02.0\n"),
		"sys/class/drm/card2/device/uevent":             file("DRIVER=ast\nPCI_ID=1A03:2000\nPCI_SLOT_NAME=0000:05:00.0\n"),
		"sys/module/amdgpu/version":                     file("6.7.0\n"),
		"sys/class/kfd/kfd/topology/nodes/0/properties": file("cpu_cores_count 8\ngfx_target_version 0\n"),
		"sys/class/kfd/kfd/topology/nodes/1/properties": file("gfx_target_version 100300\nlocation_id 768\ndomain 0\n"),
	}
	r := within(root)
	if p := r.Processor; p.Name != "AMD EPYC" || p.Nodes != 2 || !slices.Equal(p.Features, []string{"avx2", "avx512f"}) {
		t.Errorf("%+v", r.Processor)
	}
	if len(r.Devices) != 2 {
		t.Fatalf("%+v", r.Devices)
	}
	if d := r.Devices[0]; d.ID != "amd0" || d.Name != "Radeon RX 6800 (gfx1030)" || d.Driver != "amdgpu 6.7.0" || d.Total != 17163091968 || d.Free != 16000000000 || d.PCI != "0000:03:00.0" {
		t.Errorf("%+v", d)
	}
	if d := r.Devices[1]; d.ID != "intel0" || d.Name != "INTEL 46a6" || d.Driver != "i915" {
		t.Errorf("%+v", d)
	}
	if got := target(root, "nonsense"); got != "" {
		t.Error(got)
	}
	if vendorOf("10de") != "nvidia" {
		t.Error("NVIDIA's number")
	}
}

func TestSystem(t *testing.T) {
	r := System()
	if r.Processor == nil || r.Processor.Usable < 1 || r.Processor.Cores < r.Processor.Usable {
		t.Errorf("%+v", r.Processor)
	}
}

// standIn compiles a library with NVML's functions.
func standIn(t *testing.T, flags ...string) string {
	t.Helper()
	cc, err := exec.LookPath("cc")
	if err != nil || runtime.GOOS != "linux" {
		t.Skip("there is no C compiler to make a stand-in for NVIDIA's library")
	}
	out := filepath.Join(t.TempDir(), "libnvidia-ml.so.1")
	args := append([]string{"-shared", "-fPIC", "-o", out, "testdata/nvml.c"}, flags...)
	if text, err := exec.CommandContext(t.Context(), cc, args...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return out
}

func TestNVIDIA(t *testing.T) {
	r := NVIDIA(standIn(t))
	if len(r.Devices) != 2 || len(r.Notes) != 1 || !strings.Contains(r.Notes[0], "card 2") {
		t.Fatalf("%+v", r)
	}
	d := r.Devices[1]
	if d.ID != "nvidia1" || d.Name != "NVIDIA H200 (compute 9.0)" || d.Driver != "nvidia 580.65.06" || d.PCI != "0000:41:00.0" || d.Total != 150<<30 || d.Free != 149<<30 || d.Vendor != "nvidia" {
		t.Errorf("%+v", d)
	}
}

func TestNVIDIAThatDoesNotAnswer(t *testing.T) {
	for flag, want := range map[string]string{"-DNO_INIT": "does not answer (NVML status 9)", "-DNO_COUNT": "does not count", "-DOLD": "too old"} {
		if r := NVIDIA(standIn(t, flag)); len(r.Notes) != 1 || !strings.Contains(r.Notes[0], want) {
			t.Errorf("%s: %+v", flag, r)
		}
	}
	if r := NVIDIA(filepath.Join(t.TempDir(), "none.so")); len(r.Devices)+len(r.Notes) != 0 {
		t.Errorf("without a driver: %+v", r)
	}
	if _, err := os.Stat("/dev/nvidiactl"); err != nil {
		if r := NVIDIA(""); len(r.Devices) != 0 {
			t.Errorf("without a card: %+v", r)
		}
	}
}

func TestBusID(t *testing.T) {
	for in, want := range map[string]string{"00000000:C1:00.0": "0000:c1:00.0", "0001:02:00.0": "0001:02:00.0", "odd": "odd"} {
		if got := busID(in); got != want {
			t.Errorf("%s: %s", in, got)
		}
	}
}
