package fleet

import (
	"testing"
	"testing/synctest"
	"time"

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
