package litert

import (
	"fmt"
	"runtime"
	"unsafe"
)

// Model is a loaded file, ready to run. One goroutine at a time uses it.
type Model struct {
	l        *Library
	sig      uint64
	model    handle
	compiled handle
	In, Out  []*Buffer
	keep     runtime.Pinner // of the file's bytes, where it was loaded from those
}

// Buffer is the memory of an input or an output, which keeps its place.
type Buffer struct {
	Name string
	l    *Library
	h    handle
	size int
}

const (
	onCPU     = 1
	forRead   = 0
	forWrite  = 1
	maxOutput = 1 << 12
)

// Load loads a file, which package tflite has accepted, and one of its signatures.
func (l *Library) Load(path string, signature int) (*Model, error) {
	m := &Model{l: l, sig: uint64(signature)} //nolint:gosec // not negative
	name := append([]byte(path), 0)
	return m.loaded(l.fn.LoadModel(l.env, unsafe.SliceData(name), &m.model)) //nolint:gosec // ends with a zero
}

// LoadBytes loads a file from its bytes, which nobody changes while the model lives.
func (l *Library) LoadBytes(file []byte, signature int) (*Model, error) {
	m := &Model{l: l, sig: uint64(signature)} //nolint:gosec // not negative
	first := unsafe.SliceData(file)           //nolint:gosec // read by the library, and pinned meanwhile
	m.keep.Pin(first)
	return m.loaded(l.fn.LoadBytes(l.env, first, uint64(len(file)), &m.model))
}

func (m *Model) loaded(st status) (*Model, error) {
	err := m.l.check("load the file", st)
	if err == nil {
		err = m.compile()
	}
	if err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

func (m *Model) compile() error {
	fn := &m.l.fn
	var opt handle
	if err := m.l.check("make options", fn.CreateOptions(&opt)); err != nil {
		return err
	}
	defer fn.DestroyOptions(opt)
	if err := m.l.check("choose the CPU", fn.SetAccelerators(opt, onCPU)); err != nil {
		return err
	}
	if err := m.l.check("prepare the model", fn.Compile(m.l.env, m.model, opt, &m.compiled)); err != nil {
		return err
	}
	var sig handle
	if err := m.l.check("find the signature", fn.Signature(m.model, m.sig, &sig)); err != nil {
		return err
	}
	var err error
	if m.In, err = m.buffers(sig, fn.InputCount, fn.InputName, fn.InputTensor, fn.InputNeeds); err != nil {
		return err
	}
	m.Out, err = m.buffers(sig, fn.OutputCount, fn.OutputName, fn.OutputTensor, fn.OutputNeeds)
	return err
}

// buffers makes the memory of the inputs, or of the outputs.
func (m *Model) buffers(sig handle, count func(handle, *uint64) status, name func(handle, uint64, *unsafe.Pointer) status,
	tensor func(handle, uint64, *handle) status, needs func(handle, uint64, uint64, *handle) status,
) (list []*Buffer, err error) {
	var n uint64
	if err := m.l.check("count the tensors", count(sig, &n)); err != nil || n > maxOutput {
		return nil, fmt.Errorf("%d tensors: %w", n, err)
	}
	for i := range n {
		b := &Buffer{l: m.l}
		var t, need handle
		var typ tensorType
		var text unsafe.Pointer
		var size uint64
		for _, step := range []func() status{
			func() status { return name(sig, i, &text) },
			func() status { return tensor(sig, i, &t) },
			func() status { return m.l.fn.TypeOf(t, &typ) },
			func() status { return needs(m.compiled, m.sig, i, &need) },
			func() status { fixed(&typ); return m.l.fn.CreateBuffer(m.l.env, &typ, need, &b.h) },
			func() status { return m.l.fn.PackedSize(b.h, &size) },
		} {
			if err := m.l.check("make room for a tensor", step()); err != nil {
				return list, err
			}
		}
		b.Name, b.size = goText(text), int(size)
		list = append(list, b)
	}
	return list, nil
}

// fixed has a free dimension be 1, as the file's own shape has it.
func fixed(t *tensorType) {
	for i := range min(int(t.Rank&127), len(t.Dims)) {
		if t.Dims[i] < 0 {
			t.Dims[i] = 1
		}
	}
}

// Size is the number of bytes of the tensor.
func (b *Buffer) Size() int { return b.size }

// Write fills the tensor; data has its size.
func (b *Buffer) Write(data []byte) error {
	if len(data) != b.size {
		return fmt.Errorf("%w: %d bytes for a tensor of %d", ErrFailed, len(data), b.size)
	}
	return b.with(forWrite, func(memory []byte) { copy(memory, data) })
}

// Read copies the tensor.
func (b *Buffer) Read() ([]byte, error) {
	var data []byte
	err := b.with(forRead, func(memory []byte) { data = append([]byte{}, memory...) })
	return data, err
}

func (b *Buffer) with(mode int32, f func(memory []byte)) error {
	var p unsafe.Pointer
	if err := b.l.check("reach a tensor", b.l.fn.Lock(b.h, &p, mode)); err != nil {
		return err
	}
	f(unsafe.Slice((*byte)(p), b.size)) //nolint:gosec // memory of the library, of this size
	return b.l.check("leave a tensor", b.l.fn.Unlock(b.h))
}

// Run computes the outputs from the inputs.
func (m *Model) Run() error {
	in, out := handles(m.In), handles(m.Out)
	return m.l.check("run the model", m.l.fn.Run(m.compiled, m.sig, uint64(len(in)), unsafe.SliceData(in), uint64(len(out)), unsafe.SliceData(out))) //nolint:gosec // of these lengths
}

func handles(list []*Buffer) []handle {
	out := make([]handle, len(list))
	for i, b := range list {
		out[i] = b.h
	}
	return out
}

// Close frees the model.
func (m *Model) Close() {
	for _, b := range append(m.In, m.Out...) {
		m.l.fn.DestroyBuffer(b.h)
	}
	m.In, m.Out = nil, nil
	if m.compiled != 0 {
		m.l.fn.DestroyCompiled(m.compiled)
		m.compiled = 0
	}
	if m.model != 0 {
		m.l.fn.DestroyModel(m.model)
		m.model = 0
	}
	m.keep.Unpin()
}

// goText copies a C text.
func goText(p unsafe.Pointer) string {
	if p == nil {
		return ""
	}
	n := 0
	for *(*byte)(unsafe.Add(p, n)) != 0 {
		n++
	}
	return string(unsafe.Slice((*byte)(p), n)) //nolint:gosec // memory of the library
}
