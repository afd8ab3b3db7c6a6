package fleet

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ashatai/internal/core"
	"ashatai/internal/device"
	"ashatai/internal/engine"
)

// TestEvictionFromADevice: what is idle on a device gives way to a model that wants it, though there is memory for both.
func TestEvictionFromADevice(t *testing.T) {
	r := &fakeRuntime{loadTime: time.Second, step: time.Second, memory: 60, offload: []engine.DeviceUse{{ID: "gpu0", Weights: 60}}}
	synctest.Test(t, func(t *testing.T) {
		f := started(t, r, Config{Budget: 1000, Devices: map[string]int64{"gpu0": 100}})
		a, b := target("a"), target("b")
		a.Memory, b.Memory = 60, 60
		if o := generate(t.Context(), f, a, Item{}, request(1)); o.err != nil {
			t.Fatal(o.err)
		}
		<-time.After(time.Minute)
		if o := generate(t.Context(), f, b, Item{}, request(1)); o.err != nil {
			t.Fatal(o.err)
		}
		if n := names(t, f); n != "b" {
			t.Errorf("loaded: %s", n)
		}
	})
}

// TestAskedDevices: a request gives the beginning of a device, and no part of a number or of a name.
func TestAskedDevices(t *testing.T) {
	for dev, asks := range map[string]map[string]bool{
		"cuda10":       {"": true, "CU": true, "cuda": true, "cuda10": true, "cuda1": false, "cpu": false, "cuda100": false},
		"cuda1+cuda2":  {"cuda1": true, "cuda": true, "cuda2": false},
		"remote:box-2": {"remote": true, "remote:": true, "Remote:Box-2": true, "remote:box": false, "remote:box-": false, "remote:box-21": false},
	} {
		for asked, want := range asks {
			if got := !(Target{Where: engine.Where{Device: asked}}).elsewhere(dev); got != want {
				t.Errorf("%q gets %s: %v", asked, dev, got)
			}
		}
	}
}

// TestDeviceOfARequest: a request for a device is judged by where its model would be loaded, and by where it came to lie once it was.
func TestDeviceOfARequest(t *testing.T) {
	for name, c := range map[string]struct {
		parts []device.Part // foretold; in the end every model lies on the abacus
		asks  string
		want  string // the error says
		loads int
	}{
		"where it will be":        {[]device.Part{{ID: "abacus"}}, "Aba", "", 1},
		"on several":              {[]device.Part{{ID: "abacus"}, {ID: "gpu1"}}, "abacus", "", 1},
		"where it will not be":    {[]device.Part{{ID: "abacus"}}, "cpu", "fake: the request asks for the device cpu", 0},
		"nobody knows, and it is": {nil, "abacus", "", 1},
		"nobody knows":            {nil, "cpu", "The model m is on abacus (slow), and the request asks for the device cpu", 1},
		"it fell back":            {[]device.Part{{ID: "gpu0"}}, "gpu0", "The model m is on abacus (slow), and the request asks for the device gpu0", 1},
	} {
		t.Run(name, func(t *testing.T) {
			r, met := &fakeRuntime{foretold: c.parts}, &counted{}
			synctest.Test(t, func(t *testing.T) {
				f := started(t, r, Config{Metrics: met})
				m := target("m")
				m.Spec.Offload, m.Where.Device = &engine.Offload{Policy: device.PolicyPrefer}, c.asks
				o := generate(t.Context(), f, m, Item{}, request(1))
				switch {
				case c.want == "" && o.err != nil:
					t.Error(o.err)
				case c.want != "":
					if e := wantError(t, o.err, core.CodeUnsupported); !strings.Contains(e.Message, c.want) {
						t.Error(e.Message)
					}
				}
				if n := r.count(); n != c.loads {
					t.Errorf("%d loads", n)
				}
				if synctest.Wait(); met.queued != 0 {
					t.Errorf("%d requests are told to wait", met.queued)
				}
				m.Where.Device = "" // whoever asks for nothing is served
				if o := generate(t.Context(), f, m, Item{}, request(1)); o.err != nil {
					t.Error(o.err)
				}
			})
		})
	}
}
