package offload

import (
	"strings"

	"ashatai/internal/core"
	"ashatai/internal/device"
	"ashatai/internal/engine"
	"ashatai/internal/gguf"
	"ashatai/internal/native/llama"
)

// Want is a load as it was asked for, before it is fitted.
type Want struct {
	Path      string
	File      *gguf.File
	KV        gguf.Type
	Context   int // tokens of one sequence
	Sequences int
	Cells     int  // tokens that all sequences share; 0: each has its own
	KeepKV    bool // the type of keys and values must stay as it is
	Params    func(kv gguf.Type) llama.ContextParams
}

// Use is how the load will be made.
type Use struct {
	On      llama.On
	Fit     device.Fit
	KV      gguf.Type
	devices []llama.Device
	before  []int64 // free bytes
	planned []int64
	made    []llama.Buffer
}

// leastContext is what a context is not made smaller than to fit more layers on a device.
const leastContext = 4096

// spare stays free on a device, for what its driver takes as it goes.
const spare = 64 << 20

// Prepare opens the backends of the devices that a load names, asks how much is free now, and fits the model in. A model of
// which nothing fits is CodeOutOfMemory; a device that is gone, CodeUnavailable.
func (l Libraries) Prepare(lib *llama.Library, o *engine.Offload, w Want) (*Use, error) {
	var ids []string
	for _, d := range o.Devices {
		ids = append(ids, d.ID)
	}
	names, err := l.backends(ids)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if err := l.Open(lib, name); err != nil {
			return nil, err
		}
	}
	u := &Use{KV: w.KV}
	if u.devices, err = find(lib, ids); err != nil {
		return nil, err
	}
	shape := ShapeOf(w.File, w.KV)
	if w.KeepKV {
		shape.SmallKV = 0
	}
	u.On = llama.On{Devices: u.devices, Layers: len(shape.Layers) + 1, Row: o.Row}
	if o.Layers >= 0 {
		u.On.Layers = min(o.Layers, u.On.Layers)
	}
	if u.On.Layers == 0 {
		return nil, core.Errorf(core.CodeInvalidRequest, "No layer shall be on a device; set gpu_policy to cpu instead.")
	}
	compute, err := dry(lib, w, u.On)
	if err != nil {
		return nil, err
	}
	var rooms []device.Room
	for i, d := range u.devices {
		u.before = append(u.before, d.Free)
		room := d.Free - spare
		if limit := o.Devices[i].Limit; limit > 0 {
			room = min(room, limit)
		}
		rooms = append(rooms, device.Room{ID: ids[i], Bytes: room - o.Devices[i].Beyond})
	}
	u.Fit = shape.Plan(device.Ask{
		Context: w.Context, Sequences: w.Sequences, Cells: w.Cells, Layers: o.Layers, LeastContext: leastContext,
	}, rooms, compute)
	if u.Fit.Layers == 0 {
		return nil, core.Errorf(core.CodeOutOfMemory, "Not one layer of the model fits on %s, where %d MiB are free for it.", strings.Join(ids, " and "), total(rooms)>>20)
	}
	if u.Fit.SmallKV {
		u.KV = gguf.Q8_0
	}
	u.On.Layers, u.planned = u.Fit.Layers, u.Fit.Split
	if len(u.devices) > 1 {
		for i := range u.devices {
			part := float64(u.Fit.Split[i])
			if len(o.Split) == len(u.devices) {
				part = o.Split[i]
			}
			u.On.Split = append(u.On.Split, float32(part))
		}
	}
	return u, nil
}

func total(rooms []device.Room) int64 {
	var sum int64
	for _, r := range rooms {
		sum += max(0, r.Bytes)
	}
	return sum
}

// ShapeOf is what a file says of its model's parts.
func ShapeOf(f *gguf.File, kv gguf.Type) device.Shape {
	var s device.Shape
	s.Layers, s.Output, s.Rest = f.LayerBytes()
	n := int64(max(len(s.Layers), 1))
	s.KV = f.KVBytesPerToken(kv, kv) / n
	if kv != gguf.Q8_0 {
		s.SmallKV = f.KVBytesPerToken(gguf.Q8_0, gguf.Q8_0) / n
	}
	return s
}

// dry loads the model without its weights and makes its context without memory, to learn how large the compute buffers will
// be on a device.
func dry(lib *llama.Library, w Want, on llama.On) (int64, error) {
	on.Dry = true
	m, _, err := lib.LoadModelOn(w.Path, lib.ModelDefaults(), on)
	if err != nil {
		return 0, core.Wrap(core.CodeBadModel, err, "llama.cpp cannot load %s: %v.", w.Path, err)
	}
	defer m.Close()
	c, err := m.NewContext(w.Params(w.KV), nil)
	if err != nil {
		return 0, core.Wrap(core.CodeOutOfMemory, err, "llama.cpp could not plan a context of %d sequences of %d tokens: %v", w.Sequences, w.Context, err)
	}
	defer c.Close()
	var most int64
	for _, b := range lib.Buffers() {
		for _, d := range on.Devices {
			if b.Kind == "compute" && b.Where == d.Name {
				most = max(most, b.Bytes)
			}
		}
	}
	return most, nil
}

// Load reads the model's file with the layers where they belong.
func (u *Use) Load(lib *llama.Library, path string) (*llama.Model, error) {
	m, made, err := lib.LoadModelOn(path, lib.ModelDefaults(), u.On)
	u.made = made
	return m, err
}

// Facts tells what lies on the devices once the context was made too.
func (u *Use) Facts(lib *llama.Library) []engine.DeviceUse {
	u.made = append(u.made, lib.Buffers()...)
	var out []engine.DeviceUse
	for i, d := range u.devices {
		x := engine.DeviceUse{ID: idOf(d), Name: d.Description, Layers: u.Fit.Layers, Of: u.Fit.Of, Planned: u.planned[i]}
		for _, b := range u.made {
			switch {
			case b.Where != d.Name:
			case b.Kind == "model":
				x.Weights += b.Bytes
			case b.Kind == "KV":
				x.KV += b.Bytes
			default:
				x.Compute += b.Bytes
			}
		}
		out = append(out, x)
	}
	return out
}

// Device is what a model's facts call the devices: "vulkan0", or "vulkan0+cpu" where the processor computes layers too.
func (u *Use) Device() string {
	var ids []string
	for _, d := range u.devices {
		ids = append(ids, idOf(d))
	}
	if u.Fit.Layers < u.Fit.Of {
		ids = append(ids, device.CPU)
	}
	return strings.Join(ids, "+")
}

// Note says what was given up to fit; empty where nothing was.
func (u *Use) Note() string { return strings.Join(u.Fit.Notes, ", ") }

// Spared is what the processor's memory need not hold, because it lies on devices that have memory of their own.
func (u *Use) Spared() int64 {
	var sum int64
	for i, d := range u.devices {
		if !describe(d).Software && d.Kind == llama.DeviceGPU {
			sum += u.planned[i]
		}
	}
	return sum
}
