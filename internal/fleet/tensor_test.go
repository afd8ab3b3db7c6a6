package fleet

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"ashatai/internal/core"
)

func (m *fakeModel) Infer(ctx context.Context, inputs []core.Tensor, _ []string) ([]core.Tensor, error) {
	if err := m.wait(ctx, m.r.step); err != nil {
		return nil, err
	}
	return inputs, nil
}

func TestInfer(t *testing.T) {
	r := &fakeRuntime{loadTime: time.Second, step: 10 * time.Second, tensors: []core.TensorInfo{{Name: "x", Type: core.FP32, Shape: []int64{-1}}}}
	synctest.Test(t, func(t *testing.T) {
		f := started(t, r, Config{})
		in := []core.Tensor{{Name: "x", Type: core.FP32, Shape: []int64{1}, Data: make([]byte, 4)}}
		done := make(chan error, 1)
		go func() {
			out, u, p, err := f.Infer(t.Context(), target("e"), Item{}, in, []string{"x"})
			if err == nil && (len(out) != 1 || u.Queued == 0 || u.Prefill != 10*time.Second || p.Device != "abacus") {
				err = errors.New("wrong answer")
			}
			done <- err
		}()
		<-time.After(5 * time.Second)
		r.model(0).kill() // it is asked again
		must(t, <-done)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, _, p, err := f.Infer(ctx, target("e"), Item{}, in, nil); core.CodeOf(err) != core.CodeCancelled || p != (core.Placement{}) {
			t.Errorf("%v, at %+v", err, p)
		}
		for name, c := range map[string]struct {
			in  []core.Tensor
			out []string
		}{"no input": {nil, nil}, "an unknown output": {in, []string{"y"}}} {
			if _, _, _, err := f.Infer(t.Context(), target("e"), Item{}, c.in, c.out); core.CodeOf(err) != core.CodeInvalidRequest {
				t.Errorf("%s: %v", name, err)
			}
		}
		r.tensors = nil
		if _, _, _, err := f.Infer(t.Context(), target("f"), Item{}, in, nil); core.CodeOf(err) != core.CodeUnsupported {
			t.Errorf("a model without tensors: %v", err)
		}
	})
}
