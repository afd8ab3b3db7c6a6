package tf

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"time"
	"unsafe"
)

// Options say how a session computes.
type Options struct {
	Threads int // of one operator; at least 1
}

// Port is a value in the graph: an output of an operator.
type Port struct {
	Node  string
	Index int
}

// Session is a loaded model. Any number of goroutines may run it; Close must come after all of them, Stop before.
type Session struct {
	l     *Library
	h     handle
	graph handle
}

// Load loads the graph of a SavedModel that has exactly these tags. The folder's saved_model.pb must have been accepted by
// package savedmodel.
func (l *Library) Load(dir string, tags []string, o Options) (*Session, error) {
	opt := l.fn.NewOptions()
	defer l.fn.DeleteOptions(opt)
	// A ConfigProto: threads of an operator (2), operators at once (5), and that the CPU alone is used (1: none of "GPU").
	config := number(number(nil, 2, uint64(o.Threads)), 5, 1) //nolint:gosec // a number of processors
	config = append(config, 0x0a, 7, 0x0a, 3, 'G', 'P', 'U', 0x10, 0)
	if err := l.checked(func(st handle) {
		l.fn.SetConfig(opt, unsafe.Pointer(unsafe.SliceData(config)), uint64(len(config)), st) //nolint:gosec // memory of this call, which the library copies
	}); err != nil {
		return nil, err
	}
	var pin runtime.Pinner
	defer pin.Unpin()
	list := make([]unsafe.Pointer, len(tags))
	for i, t := range tags {
		p := text(t)
		pin.Pin(p)
		list[i] = unsafe.Pointer(p) //nolint:gosec // memory of this call, which the library copies
	}
	s := &Session{l: l, graph: l.fn.NewGraph()}
	err := l.checked(func(st handle) {
		s.h = l.fn.Load(opt, 0, text(dir), unsafe.SliceData(list), int32(len(list)), s.graph, 0, st) //nolint:gosec // few
	})
	if err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// Has says whether the graph has a value.
func (s *Session) Has(p Port) bool {
	op := s.l.fn.Operation(s.graph, text(p.Node))
	return op != 0 && p.Index >= 0 && p.Index < int(s.l.fn.OutputCount(op))
}

// Run computes the values at some places from others. limit bounds it in the same way as Stop; 0: no bound. The caller closes the results.
func (s *Session) Run(in []Port, values []*Value, out []Port, limit time.Duration) ([]*Value, error) {
	l := s.l
	if len(in) != len(values) {
		return nil, fmt.Errorf("%d values are given for %d places", len(values), len(in))
	}
	inPorts, err := s.ports(in)
	if err != nil {
		return nil, err
	}
	outPorts, err := s.ports(out)
	if err != nil {
		return nil, err
	}
	given, made := make([]handle, len(values)), make([]handle, len(out))
	for i, v := range values {
		given[i] = v.h
	}
	var run handle
	if limit > 0 {
		b := number(nil, 2, uint64(max(limit.Milliseconds(), 1)))
		run = l.fn.BufferOf(unsafe.Pointer(unsafe.SliceData(b)), uint64(len(b))) //nolint:gosec // memory of this call, which the library copies
		defer l.fn.DeleteBuffer(run)
	}
	err = l.checked(func(st handle) {
		l.fn.Run(s.h, run, unsafe.SliceData(inPorts), unsafe.SliceData(given), int32(len(given)), //nolint:gosec // few
			unsafe.SliceData(outPorts), unsafe.SliceData(made), int32(len(made)), nil, 0, 0, st) //nolint:gosec // few
	})
	if err != nil {
		return nil, err
	}
	results := make([]*Value, len(made))
	for i, h := range made {
		results[i] = &Value{l: l, h: h}
	}
	return results, nil
}

func (s *Session) ports(list []Port) ([]port, error) {
	out := make([]port, len(list))
	for i, p := range list {
		out[i] = port{Oper: s.l.fn.Operation(s.graph, text(p.Node)), Index: int32(p.Index)} //nolint:gosec // few
		if out[i].Oper == 0 {
			return nil, fmt.Errorf("%w: the graph has no operator %q", ErrFailed, p.Node)
		}
	}
	return out, nil
}

// Stop ends the runs of the session as soon as an operator looks, which those that only compute never do; later runs fail at
// once.
func (s *Session) Stop() error {
	return s.l.checked(func(st handle) { s.l.fn.CloseSession(s.h, st) })
}

// Close frees the session.
func (s *Session) Close() {
	if s.h != 0 {
		_ = s.l.checked(func(st handle) { s.l.fn.DeleteSession(s.h, st) }) // it is gone in any case
		s.h = 0
	}
	if s.graph != 0 {
		s.l.fn.DeleteGraph(s.graph)
		s.graph = 0
	}
}

// number writes a field of protobuf.
func number(b []byte, field int, v uint64) []byte {
	return binary.AppendUvarint(append(b, byte(field<<3)), v) //nolint:gosec // fields below 16
}
