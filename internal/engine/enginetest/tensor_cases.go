package enginetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"ashatai/internal/core"
	"ashatai/internal/engine"
)

// TensorOptions say what a runtime is tested with that takes tensors.
type TensorOptions struct {
	Spec   engine.LoadSpec // of a model that takes tensors
	Inputs []core.Tensor   // what it computes something of; nil: zeros, with 1 for each free dimension
	Bound  time.Duration   // how soon an ended request must be gone; default 30 s
}

// RunTensors tests a runtime with a model that takes tensors. open makes it.
func RunTensors(t *testing.T, open func(t *testing.T) engine.Runtime, opt TensorOptions) {
	t.Helper()
	before := goleak.IgnoreCurrent()
	if opt.Bound == 0 {
		opt.Bound = 30 * time.Second
	}
	s := &suite{opt: Options{Bound: opt.Bound}, rt: open(t)}
	s.m = load(t, s.rt, opt.Spec)
	if opt.Inputs == nil {
		var err error
		if opt.Inputs, err = zeros(s.m.Facts().Inputs); err != nil {
			t.Fatal(errors.Join(err, s.m.Close()))
		}
	}
	for _, c := range []struct {
		name string
		test func(t *testing.T, s *suite, opt TensorOptions)
	}{
		{"facts name the tensors", tensorFacts},
		{"the same inputs give the same outputs", tensorsRepeat},
		{"outputs come as they are asked for", tensorsInOrder},
		{"many at once", tensorsAtOnce},
		{"garbage is refused by name", tensorGarbage},
		{"a caller leaves", tensorsCancelled},
		{"the time is up", tensorsLate},
		{"a closed model refuses tensors", tensorsClosed}, // the last: none is loaded for it alone, which takes some runtimes seconds
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, s, opt) })
	}
	shut(t, s.m)
	t.Run("leaves no goroutine", func(t *testing.T) {
		if err := goleak.Find(before, goleak.IgnoreTopFunction("testing.(*T).Run"), goleak.IgnoreTopFunction("testing.tRunner.func1")); err != nil {
			t.Error(err)
		}
	})
}

func tensorFacts(t *testing.T, s *suite, opt TensorOptions) {
	t.Helper()
	f := s.m.Facts()
	if !slices.Contains(f.Capabilities, core.CapTensors) || len(f.Outputs) == 0 || f.Device == "" || f.Runtime != s.rt.Descriptor().Name {
		t.Errorf("facts %+v", f)
	}
	if err := core.Fits(f.Inputs, opt.Inputs); err != nil {
		t.Errorf("the inputs of the test do not fit: %v", err)
	}
}

// tensors computes outputs that must come, and be what they say they are.
func (s *suite) tensors(t *testing.T, inputs []core.Tensor, names []string) []core.Tensor {
	t.Helper()
	out, err := as[engine.TensorModel](t, s).Infer(t.Context(), inputs, names)
	if err != nil {
		t.Fatal(err)
	}
	if want := len(s.m.Facts().Outputs); names == nil && len(out) != want {
		t.Fatalf("%d outputs; the facts name %d", len(out), want)
	}
	for i := range out {
		if err := out[i].Check(); err != nil {
			t.Error(err)
		}
	}
	return out
}

func sameTensors(a, b []core.Tensor) bool {
	return slices.EqualFunc(a, b, func(a, b core.Tensor) bool {
		return a.Name == b.Name && a.Type == b.Type && slices.Equal(a.Shape, b.Shape) && slices.Equal(a.Data, b.Data)
	})
}

func tensorsRepeat(t *testing.T, s *suite, opt TensorOptions) {
	t.Helper()
	first := s.tensors(t, opt.Inputs, nil)
	for range 3 {
		if !sameTensors(first, s.tensors(t, opt.Inputs, nil)) {
			t.Error("the same inputs gave other outputs")
		}
	}
}

func tensorsInOrder(t *testing.T, s *suite, opt TensorOptions) {
	t.Helper()
	all := s.tensors(t, opt.Inputs, nil)
	var names []string
	for _, o := range slices.Backward(all) {
		names = append(names, o.Name)
	}
	slices.Reverse(all)
	if !sameTensors(all, s.tensors(t, opt.Inputs, names)) {
		t.Error("outputs that are asked for by name are others")
	}
	if got := s.tensors(t, opt.Inputs, names[:1]); !sameTensors(all[:1], got) {
		t.Errorf("asked for one output, got %d", len(got))
	}
}

func tensorsAtOnce(t *testing.T, s *suite, opt TensorOptions) {
	t.Helper()
	want := s.tensors(t, opt.Inputs, nil)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			got, err := as[engine.TensorModel](t, s).Infer(t.Context(), opt.Inputs, nil)
			if err != nil || !sameTensors(want, got) {
				t.Errorf("beside others: %v", err)
			}
		})
	}
	wg.Wait()
}

// garbage is what cannot be computed, by what is wrong with it.
func garbage(inputs []core.Tensor) map[string][]core.Tensor {
	change := func(f func(t *core.Tensor)) []core.Tensor {
		out := slices.Clone(inputs)
		out[0].Shape = slices.Clone(out[0].Shape)
		f(&out[0])
		return out
	}
	return map[string][]core.Tensor{
		"nothing":   nil,
		"missing":   inputs[1:],
		"twice":     append(slices.Clone(inputs), inputs[0]),
		"extra":     append(slices.Clone(inputs), core.Tensor{Name: "no such input", Type: core.FP32, Shape: []int64{1}, Data: make([]byte, 4)}),
		"name":      change(func(t *core.Tensor) { t.Name = "no such input" }),
		"no name":   change(func(t *core.Tensor) { t.Name = "" }),
		"type":      change(func(t *core.Tensor) { t.Type, t.Data = core.Uint16, make([]byte, 2*len(t.Data)/max(t.Type.Size(), 1)) }),
		"no type":   change(func(t *core.Tensor) { t.Type = "FP8" }),
		"rank":      change(func(t *core.Tensor) { t.Shape = append(t.Shape, 1, 1, 1) }),
		"negative":  change(func(t *core.Tensor) { t.Shape = append(t.Shape[:0:0], -1) }),
		"too short": change(func(t *core.Tensor) { t.Data = t.Data[:len(t.Data)-1] }),
		"too long":  change(func(t *core.Tensor) { t.Data = append(slices.Clone(t.Data), 0) }),
		"huge":      change(func(t *core.Tensor) { t.Shape = append(t.Shape[:0:0], 1<<30, 1<<30) }),
	}
}

func tensorGarbage(t *testing.T, s *suite, opt TensorOptions) {
	t.Helper()
	want := s.tensors(t, opt.Inputs, nil)
	m := as[engine.TensorModel](t, s)
	for name, inputs := range garbage(opt.Inputs) {
		if _, err := m.Infer(t.Context(), inputs, nil); core.CodeOf(err) != core.CodeInvalidRequest {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, names := range [][]string{{"no such output"}, {want[0].Name, want[0].Name}} {
		if _, err := m.Infer(t.Context(), opt.Inputs, names); core.CodeOf(err) != core.CodeInvalidRequest {
			t.Errorf("the outputs %q: %v", names, err)
		}
	}
	if !sameTensors(want, s.tensors(t, opt.Inputs, nil)) {
		t.Error("after garbage the outputs are others")
	}
}

func tensorsCancelled(t *testing.T, s *suite, opt TensorOptions) {
	t.Helper()
	m := as[engine.TensorModel](t, s)
	gone, leave := context.WithCancel(t.Context())
	leave()
	s.within(t, "a request of a caller who left", func() {
		_, err := m.Infer(gone, opt.Inputs, nil)
		wantCode(t, err, core.CodeCancelled)
	})
	want := s.tensors(t, opt.Inputs, nil)
	var wg sync.WaitGroup
	s.within(t, "requests whose callers leave", func() {
		for range 8 {
			ctx, leave := context.WithCancel(t.Context())
			started := make(chan struct{})
			wg.Go(func() {
				close(started)
				if _, err := m.Infer(ctx, opt.Inputs, nil); err != nil { // it may have been quicker
					wantCode(t, err, core.CodeCancelled)
				}
			})
			<-started
			leave()
		}
		wg.Wait()
	})
	if !sameTensors(want, s.tensors(t, opt.Inputs, nil)) {
		t.Error("after callers left the outputs are others")
	}
}

func tensorsLate(t *testing.T, s *suite, opt TensorOptions) {
	t.Helper()
	ctx, cancel := context.WithDeadline(t.Context(), time.Unix(1, 0))
	defer cancel()
	s.within(t, "a request whose time is up", func() {
		_, err := as[engine.TensorModel](t, s).Infer(ctx, opt.Inputs, nil)
		wantCode(t, err, core.CodeDeadline)
	})
}

func tensorsClosed(t *testing.T, s *suite, opt TensorOptions) {
	t.Helper()
	s.within(t, "close", func() {
		shut(t, s.m)
		shut(t, s.m)
	})
	s.within(t, "a request to a closed model", func() {
		_, err := as[engine.TensorModel](t, s).Infer(t.Context(), opt.Inputs, nil)
		wantCode(t, err, core.CodeUnavailable)
	})
}

// zeros are inputs that fit what a model takes: free dimensions are 1.
func zeros(inputs []core.TensorInfo) ([]core.Tensor, error) {
	var out []core.Tensor
	for _, in := range inputs {
		t := core.Tensor{Name: in.Name, Type: in.Type, Shape: slices.Clone(in.Shape)}
		n := 1
		for i, d := range t.Shape {
			t.Shape[i] = max(d, 1)
			n *= int(t.Shape[i])
		}
		if t.Data = make([]byte, n*t.Type.Size()); t.Type == core.Bytes {
			for range n {
				t.Data = core.AppendText(t.Data, "x")
			}
		}
		if err := t.Check(); err != nil {
			return nil, fmt.Errorf("zeros for %s: %w", in.Name, err)
		}
		out = append(out, t)
	}
	return out, nil
}
