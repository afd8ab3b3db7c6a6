package ort

import (
	"fmt"
	"unsafe"
)

// Options say how a session computes.
type Options struct {
	Threads int // of one operator; at least 1
}

// Info says what a session takes or gives under a name. Type is an ONNX element type; a dimension of −1 is free. What is no
// tensor has the type 0.
type Info struct {
	Name  string
	Type  int
	Shape []int64
}

// Session is a loaded model. Any number of goroutines may run it; Close must come after all of them.
type Session struct {
	l       *Library
	h       handle
	Inputs  []Info
	Outputs []Info
}

// NewSession loads a model file. The file must have been accepted by package onnxfile.
func (l *Library) NewSession(path string, o Options) (*Session, error) {
	var opt handle
	if err := l.check(l.fn.CreateOptions(&opt)); err != nil {
		return nil, err
	}
	defer l.fn.ReleaseOptions(opt)
	const (
		sequential = 0
		allPasses  = 99
	)
	for _, s := range []status{
		l.fn.SetExecutionMode(opt, sequential), l.fn.SetOptimization(opt, allPasses),
		l.fn.SetIntraThreads(opt, int32(o.Threads)), l.fn.SetInterThreads(opt, 1), //nolint:gosec // a number of processors
		// Threads that spin between operators take processors from everything else.
		l.fn.AddConfig(opt, text("session.intra_op.allow_spinning"), text("0")),
	} {
		if err := l.check(s); err != nil {
			return nil, err
		}
	}
	s := &Session{l: l}
	if err := l.check(l.fn.CreateSession(l.env, text(path), opt, &s.h)); err != nil {
		return nil, err
	}
	var err error
	if s.Inputs, err = s.infos(l.fn.InputCount, l.fn.InputName, l.fn.InputType); err == nil {
		s.Outputs, err = s.infos(l.fn.OutputCount, l.fn.OutputName, l.fn.OutputType)
	}
	if err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// Close frees the session.
func (s *Session) Close() {
	if s.h != 0 {
		s.l.fn.ReleaseSession(s.h)
		s.h = 0
	}
}

func (s *Session) infos(count func(handle, *uint64) status, name func(handle, uint64, handle, *unsafe.Pointer) status, typ func(handle, uint64, *handle) status) ([]Info, error) {
	var n uint64
	if err := s.l.check(count(s.h, &n)); err != nil {
		return nil, err
	}
	out := make([]Info, 0, n)
	for i := range n {
		var p unsafe.Pointer
		if err := s.l.check(name(s.h, i, s.l.allocator, &p)); err != nil {
			return nil, err
		}
		info := Info{Name: goText(p)}
		if err := s.l.check(s.l.fn.Free(s.l.allocator, p)); err != nil {
			return nil, err
		}
		var t handle
		if err := s.l.check(typ(s.h, i, &t)); err != nil {
			return nil, err
		}
		var tensor handle // lives as long as t
		err := s.l.check(s.l.fn.TensorInfo(t, &tensor))
		if err == nil && tensor != 0 {
			info.Type, info.Shape, err = s.l.typeAndShape(tensor)
		}
		s.l.fn.ReleaseType(t)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", info.Name, err)
		}
		out = append(out, info)
	}
	return out, nil
}

// typeAndShape reads an OrtTensorTypeAndShapeInfo.
func (l *Library) typeAndShape(info handle) (int, []int64, error) {
	var typ int32
	var rank uint64
	if err := l.check(l.fn.ElementType(info, &typ)); err != nil {
		return 0, nil, err
	}
	if err := l.check(l.fn.DimCount(info, &rank)); err != nil {
		return 0, nil, err
	}
	shape := make([]int64, rank)
	return int(typ), shape, l.check(l.fn.Dims(info, unsafe.SliceData(shape), rank)) //nolint:gosec // the library counts them
}

// Stop ends the runs that were begun with it. It may be called from anywhere, until Close.
type Stop struct {
	l *Library
	h handle
}

// NewStop makes a Stop.
func (l *Library) NewStop() (*Stop, error) {
	s := &Stop{l: l}
	return s, l.check(l.fn.CreateRunOptions(&s.h))
}

// Now ends them. The operator that computes is finished first.
func (s *Stop) Now() error { return s.l.check(s.l.fn.SetTerminate(s.h)) }

// Close frees it.
func (s *Stop) Close() {
	if s.h != 0 {
		s.l.fn.ReleaseRunOptions(s.h)
		s.h = 0
	}
}

// Binding joins values to a session's inputs and outputs. One goroutine uses it.
type Binding struct {
	s *Session
	h handle
}

// NewBinding makes an empty binding.
func (s *Session) NewBinding() (*Binding, error) {
	b := &Binding{s: s}
	return b, s.l.check(s.l.fn.CreateBinding(s.h, &b.h))
}

// Input gives a value to an input, without a copy. The value must live until the next run has ended.
func (b *Binding) Input(name string, v *Value) error {
	return b.s.l.check(b.s.l.fn.BindInput(b.h, text(name), v.h))
}

// Output has an output written into a value.
func (b *Binding) Output(name string, v *Value) error {
	return b.s.l.check(b.s.l.fn.BindOutput(b.h, text(name), v.h))
}

// Fresh has the library make the value of an output, on the CPU, at each run anew.
func (b *Binding) Fresh(name string) error {
	return b.s.l.check(b.s.l.fn.BindOutputTo(b.h, text(name), b.s.l.memory))
}

// Run computes. stop may be nil.
func (b *Binding) Run(stop *Stop) error {
	var h handle
	if stop != nil {
		h = stop.h
	}
	return b.s.l.check(b.s.l.fn.RunBound(b.s.h, h, b.h))
}

// Values returns the outputs of the last run in the order in which they were bound. The caller closes them.
func (b *Binding) Values() ([]*Value, error) {
	l := b.s.l
	var list unsafe.Pointer
	var n uint64
	if err := l.check(l.fn.BoundValues(b.h, l.allocator, &list, &n)); err != nil {
		return nil, err
	}
	var out []*Value
	for _, h := range unsafe.Slice((*handle)(list), n) { //nolint:gosec // the library counts them
		out = append(out, &Value{l: l, h: h})
	}
	return out, l.check(l.fn.Free(l.allocator, list))
}

// Clear forgets what was bound.
func (b *Binding) Clear() {
	b.s.l.fn.ClearInputs(b.h)
	b.s.l.fn.ClearOutputs(b.h)
}

// Close frees the binding.
func (b *Binding) Close() {
	if b.h != 0 {
		b.s.l.fn.ReleaseBinding(b.h)
		b.h = 0
	}
}
