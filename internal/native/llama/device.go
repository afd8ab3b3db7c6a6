package llama

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"strings"
	"unsafe"

	"ashatai/internal/native"
)

// DeviceKind is what a device is, as ggml sorts them.
type DeviceKind int32

// The kinds that the product tells apart.
const (
	DeviceCPU        DeviceKind = 0
	DeviceGPU        DeviceKind = 1
	DeviceIntegrated DeviceKind = 2
)

// Device is one that a backend found. Memory is what it said when it was asked.
type Device struct {
	Name        string // as ggml numbers them: "Vulkan0"
	Description string // as the driver calls it
	Backend     string // "Vulkan", "CUDA", "ROCm", "Metal", "CPU"
	PCI         string // "0000:c1:00.0"; empty where it is on no bus
	Kind        DeviceKind
	Free, Total int64

	ptr uintptr
}

// maxName bounds a name that a driver gives.
const maxName = 256

// ErrDevice is wrapped by the errors of a device that could not be used.
var ErrDevice = errors.New("device not usable")

// LoadBackend opens a library of devices besides the processor's, which must fit the opened ones. It adds its devices to
// Devices.
func (l *Library) LoadBackend(path string) error {
	l.log.take()
	// The loader's own message says which library is missing; ggml logs it at a level that is not kept.
	if _, err := native.Open(path); err != nil {
		return fmt.Errorf("%w: %w", ErrDevice, err)
	}
	if l.fn.BackendLoad(path) == 0 {
		return fmt.Errorf("%w: %s: %s", ErrDevice, path, l.log.take())
	}
	return nil
}

// Devices asks the backends for their devices, memory included.
func (l *Library) Devices() []Device {
	var out []Device
	for i := range l.fn.DevCount() {
		ptr := l.fn.DevGet(i)
		if ptr == 0 {
			continue
		}
		var p cDevProps
		l.fn.DevProps(ptr, &p)
		d := Device{
			Name: text(p.Name), Description: strings.TrimSpace(text(p.Description)), PCI: text(p.DeviceID), Kind: DeviceKind(p.Type),
			Free: int64(min(p.MemoryFree, math.MaxInt64)), Total: int64(min(p.MemoryTotal, math.MaxInt64)), ptr: ptr,
		}
		if reg := l.fn.DevReg(ptr); reg != 0 {
			d.Backend = l.fn.RegName(reg)
		}
		out = append(out, d)
	}
	return out
}

func text(p *byte) string {
	if p == nil {
		return ""
	}
	return cString(p, maxName)
}

// typeF32 is GGML_TYPE_F32.
const typeF32 = 0

// MulMat multiplies on one device: a has n rows of k numbers, b has m rows of k, and the result m rows of n, each number the
// product of a row of a and a row of b.
func (l *Library) MulMat(d Device, a, b []float32, k int) ([]float32, error) {
	if k < 1 || len(a) == 0 || len(b) == 0 || len(a)%k != 0 || len(b)%k != 0 {
		return nil, fmt.Errorf("%w: matrices of %d and %d numbers have no rows of %d", ErrDevice, len(a), len(b), k)
	}
	n, m := len(a)/k, len(b)/k
	l.log.take()
	backend := l.fn.DevInit(d.ptr, 0)
	if backend == 0 {
		return nil, fmt.Errorf("%w: %s: %s", ErrDevice, d.Name, l.log.take())
	}
	defer l.fn.BackendFree(backend)
	const tensors = 4
	ctx := l.fn.Init(cInitParams{MemSize: tensors*l.fn.TensorOverhead() + l.fn.GraphOverhead(), NoAlloc: true})
	if ctx == 0 {
		return nil, fmt.Errorf("%w: no memory for a graph", ErrDevice)
	}
	defer l.fn.Free(ctx)
	ta, tb := l.fn.NewTensor2D(ctx, typeF32, int64(k), int64(n)), l.fn.NewTensor2D(ctx, typeF32, int64(k), int64(m))
	product := l.fn.MulMat(ctx, ta, tb)
	graph := l.fn.NewGraph(ctx)
	l.fn.GraphExpand(graph, product)
	buf := l.fn.AllocTensors(ctx, backend)
	if buf == 0 {
		return nil, fmt.Errorf("%w: %s has no memory for a small product: %s", ErrDevice, d.Name, l.log.take())
	}
	defer l.fn.BufferFree(buf)
	l.fn.TensorSet(ta, &a[0], 0, size(a))
	l.fn.TensorSet(tb, &b[0], 0, size(b))
	if status := l.fn.GraphCompute(backend, graph); status != 0 {
		return nil, fmt.Errorf("%w: %s computed nothing (status %d): %s", ErrDevice, d.Name, status, l.log.take())
	}
	out := make([]float32, n*m)
	l.fn.TensorGet(product, &out[0], 0, size(out))
	return out, nil
}

// On says where a model's layers go besides the processor.
type On struct {
	Devices []Device  // those that may be used; none: the processor alone
	Layers  int       // the output and the last layers; more than there are means all
	Row     bool      // each matrix is split by rows, instead of whole layers
	Split   []float32 // what part each device gets; none: by what is free
	Dry     bool      // nothing is allocated: only the sizes of the compute buffers are found out
}

// The values of llama_split_mode, and the load mode that maps no file.
const (
	splitNone, splitLayer, splitRow = 0, 1, 2
	loadPlain                       = 0
	// maxDevices is the length of a split, at least llama_max_devices.
	maxDevices = 64
)

// LoadModelOn reads a GGUF file and puts layers on devices. See LoadModel. Besides the model it returns what memory was made
// for it.
func (l *Library) LoadModelOn(path string, p ModelParams, on On) (*Model, []Buffer, error) {
	var pin runtime.Pinner
	defer pin.Unpin()
	list := make([]uintptr, len(on.Devices)+1) // ends with a null pointer
	for i, d := range on.Devices {
		list[i] = d.ptr
	}
	pin.Pin(&list[0])
	p.Devices = uintptr(unsafe.Pointer(&list[0]))                               //nolint:gosec // pinned above
	p.NGPULayers, p.SplitMode = int32(min(on.Layers, math.MaxInt32)), splitNone //nolint:gosec // bounded here
	if len(on.Devices) > 1 {
		p.SplitMode = splitLayer
	}
	if on.Row {
		p.SplitMode = splitRow
	}
	if len(on.Split) > 0 {
		split := make([]float32, maxDevices)
		copy(split, on.Split)
		pin.Pin(&split[0])
		p.TensorSplit = uintptr(unsafe.Pointer(&split[0])) //nolint:gosec // pinned above
	}
	if on.Dry {
		p.NoAlloc, p.LoadMode = true, loadPlain
	}
	l.log.buffers()
	m, err := l.LoadModel(path, p)
	return m, l.log.buffers(), err
}

// Buffers returns what memory was made since it was last asked.
func (l *Library) Buffers() []Buffer { return l.log.buffers() }

// Layers is the number of repeating layers.
func (m *Model) Layers() int { return int(m.lib.fn.ModelNLayer(m.ptr)) }

func size(v []float32) uint64 { return uint64(len(v)) * uint64(unsafe.Sizeof(v[0])) }
