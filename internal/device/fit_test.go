package device

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

const mib = 1 << 20

func shape() Shape {
	return Shape{Layers: []int64{10 * mib, 10 * mib, 10 * mib, 10 * mib}, Output: 20 * mib, Rest: 20 * mib, KV: 1024, SmallKV: 544}
}

func TestPlan(t *testing.T) {
	// All of it takes 60 MiB of weights and 32 MiB of keys and values, and 5 MiB to compute.
	for _, c := range []struct {
		name    string
		ask     Ask
		room    int64
		layers  int
		context int
		small   bool
		note    string
	}{
		{"all of it fits", Ask{Context: 8192, Sequences: 1, Layers: -1, LeastContext: 4096}, 97 * mib, 5, 8192, false, ""},
		{"keys and values are made smaller first", Ask{Context: 8192, Sequences: 1, Layers: -1, LeastContext: 4096}, 96 * mib, 5, 8192, true, "q8_0"},
		{"then the context", Ask{Context: 8192, Sequences: 1, Layers: -1, LeastContext: 4096}, 75 * mib, 5, 4096, true, "4096 instead of 8192"},
		{"then the layers", Ask{Context: 8192, Sequences: 1, Layers: -1, LeastContext: 4096}, 60 * mib, 3, 8192, true, "3 of 5 layers"},
		{"the output alone", Ask{Context: 8192, Sequences: 1, Layers: -1, LeastContext: 4096}, 26 * mib, 1, 8192, true, "1 of 5 layers"},
		{"nothing", Ask{Context: 8192, Sequences: 1, Layers: -1, LeastContext: 4096}, 10 * mib, 0, 8192, false, "0 of 5 layers"},
		{"as many as asked for", Ask{Context: 8192, Sequences: 1, Layers: 2}, 1000 * mib, 2, 8192, false, ""},
		{"more than there are", Ask{Context: 8192, Sequences: 1, Layers: 99}, 1000 * mib, 5, 8192, false, ""},
		{"a shared space", Ask{Context: 8192, Sequences: 4, Cells: 8192, Layers: -1}, 97 * mib, 5, 8192, false, ""},
		{"four sequences", Ask{Context: 8192, Sequences: 4, Layers: -1, LeastContext: 4096}, 97 * mib, 3, 8192, true, "3 of 5 layers"},
	} {
		f := shape().Plan(c.ask, []Room{{"vulkan0", c.room}}, 5*mib)
		if f.Layers != c.layers || f.Context != c.context || f.SmallKV != c.small || !strings.Contains(strings.Join(f.Notes, ", "), c.note) || (c.note == "") != (f.Notes == nil) {
			t.Errorf("%s: %+v", c.name, f)
		}
	}
	f := shape().Plan(Ask{Context: 1024, Sequences: 1, Layers: -1}, []Room{{"cuda0", 300 * mib}, {"cuda1", 100 * mib}}, 5*mib)
	if f.Layers != 5 || f.Split[0] <= 2*f.Split[1] {
		t.Errorf("two devices: %+v", f)
	}
}

// TestPlanKeepsWithinTheRoom: whatever is asked for, what is planned fits, and nothing more fits where layers were left out.
func TestPlanKeepsWithinTheRoom(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := Shape{Output: rapid.Int64Range(0, 100*mib).Draw(t, "output"), KV: rapid.Int64Range(1, 1<<16).Draw(t, "kv")}
		for range rapid.IntRange(1, 40).Draw(t, "layers") {
			s.Layers = append(s.Layers, rapid.Int64Range(1, 50*mib).Draw(t, "layer"))
		}
		if rapid.Bool().Draw(t, "small") {
			s.SmallKV = max(1, s.KV/2)
		}
		a := Ask{
			Context: rapid.IntRange(64, 1<<15).Draw(t, "context"), Sequences: rapid.IntRange(1, 8).Draw(t, "sequences"),
			Layers: rapid.IntRange(-1, 50).Draw(t, "wanted"), LeastContext: 64,
		}
		rooms := []Room{{"a", rapid.Int64Range(-mib, 4<<30).Draw(t, "room a")}, {"b", rapid.Int64Range(-mib, 4<<30).Draw(t, "room b")}}
		compute := rapid.Int64Range(0, 64*mib).Draw(t, "compute")
		f := s.Plan(a, rooms, compute)
		free := max(0, rooms[0].Bytes-compute) + max(0, rooms[1].Bytes-compute)
		if need := s.Need(f.Layers, f.Context*a.Sequences, f.SmallKV, 0); f.Layers > 0 && need > free {
			t.Fatalf("%d bytes are planned and %d free: %+v", need, free, f)
		}
		if f.Layers < 0 || f.Layers > f.Of || a.Layers >= 0 && f.Layers > a.Layers || f.Context > a.Context {
			t.Fatalf("more than asked for: %+v", f)
		}
		for i, n := range f.Split {
			if n > max(0, rooms[i].Bytes)+1 {
				t.Fatalf("%d bytes on %s, which has %d", n, rooms[i].ID, rooms[i].Bytes)
			}
		}
	})
}
