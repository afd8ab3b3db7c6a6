package ort

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
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
	names   map[string]*byte // of both, as C has them
	pin     runtime.Pinner   // which holds them in place
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
	s.names = map[string]*byte{}
	for _, info := range slices.Concat(s.Inputs, s.Outputs) {
		if s.names[info.Name] == nil {
			p := text(info.Name)
			s.pin.Pin(p)
			s.names[info.Name] = p
		}
	}
	return s, nil
}

// Close frees the session.
func (s *Session) Close() {
	if s.h != 0 {
		s.l.fn.ReleaseSession(s.h)
		s.h = 0
		s.pin.Unpin()
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

// Stop ends the runs that were begun with it. It may be called from anywhere, also after Close.
type Stop struct {
	l *Library

	mu    sync.Mutex
	h     handle // 0: closed
	ended bool
}

// NewStop makes a Stop.
func (l *Library) NewStop() (*Stop, error) {
	s := &Stop{l: l}
	select {
	case s.h = <-l.stops:
		return s, nil
	default:
		return s, l.check(l.fn.CreateRunOptions(&s.h))
	}
}

// Now ends them. The operator that computes is finished first. After Close there is nothing to end.
func (s *Stop) Now() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.h == 0 {
		return nil
	}
	s.ended = true
	return s.l.check(s.l.fn.SetTerminate(s.h))
}

// Close gives it back, when its runs are over.
func (s *Stop) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.h == 0 {
		return
	}
	if !s.ended {
		select {
		case s.l.stops <- s.h: // as good as new
			s.h = 0
			return
		default:
		}
	}
	s.l.fn.ReleaseRunOptions(s.h)
	s.h = 0
}

// Input is a value for an input. The value must live until the run has ended.
type Input struct {
	Name  string
	Value *Value
}

// Run computes outputs, in their order, each a new value on the CPU, which the caller closes. Nothing is copied: a value that a run
// made may be the input of the next. stop may be nil.
func (s *Session) Run(stop *Stop, inputs []Input, outputs []string) ([]*Value, error) {
	var run handle
	if stop != nil {
		run = stop.h
	}
	names, values := make([]*byte, 0, len(inputs)+len(outputs)), make([]handle, len(inputs)+len(outputs))
	for i, in := range inputs {
		names, values[i] = append(names, s.names[in.Name]), in.Value.h
	}
	for _, name := range outputs {
		names = append(names, s.names[name])
	}
	switch i := slices.Index(names, nil); {
	case i >= len(inputs):
		return nil, fmt.Errorf("%w: the model has no output %q", ErrFailed, outputs[i-len(inputs)])
	case i >= 0:
		return nil, fmt.Errorf("%w: the model has no input %q", ErrFailed, inputs[i].Name)
	}
	from, to := values[:len(inputs)], values[len(inputs):]
	err := s.l.check(s.l.fn.Run(s.h, run, unsafe.SliceData(names), unsafe.SliceData(from), uint64(len(from)), //nolint:gosec // memory of this call
		unsafe.SliceData(names[len(from):]), uint64(len(to)), unsafe.SliceData(to))) //nolint:gosec // memory of this call
	if err != nil {
		return nil, err
	}
	made := make([]*Value, len(to))
	for i, h := range to {
		made[i] = &Value{l: s.l, h: h}
	}
	return made, nil
}
