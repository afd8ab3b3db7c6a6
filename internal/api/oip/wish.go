package oip

import (
	"context"
	"time"

	"ashatai/internal/core"
)

// Wish is a request for tensors.
type Wish struct {
	Model, Version, ID string
	Inputs             []core.Tensor
	Outputs            []Output      // nil: all of the model's
	Timeout            time.Duration // 0: the server's
}

// Output is an output that is asked for.
type Output struct {
	Name    string
	Classes int // above 0: only the highest values, so many, with their places and labels
}

// NewWish begins a request by what it says of itself, which is checked: an id, how many inputs and outputs follow, and its time limit
// in microseconds, of which 0 is the server's. Every error is a core.CodeInvalidRequest, here and in the rest of a Wish.
func NewWish(id string, inputs, outputs int, timeout int64) (*Wish, error) {
	switch {
	case len(id) > maxID:
		return nil, core.Invalid("id", "id has %d bytes; at most %d are allowed.", len(id), maxID)
	case inputs > MaxTensors || outputs > MaxTensors:
		return nil, core.Invalid("inputs", "The request has %d inputs and %d outputs; at most %d are allowed.", inputs, outputs, MaxTensors)
	case timeout < 0 || timeout > maxTimeout.Microseconds():
		return nil, core.Invalid("parameters.timeout", "parameters.timeout is %d; it must be between 0 and %d microseconds.", timeout, maxTimeout.Microseconds())
	}
	return &Wish{ID: id, Timeout: time.Duration(timeout) * time.Microsecond}, nil
}

// MaxTensors is how many inputs, and how many outputs, a request may have.
const MaxTensors = 1024

const (
	maxID      = 256
	maxTimeout = 24 * time.Hour
)

// Take adds an input.
func (w *Wish) Take(t core.Tensor) error {
	if err := t.Check(); err != nil {
		return err
	}
	w.Inputs = append(w.Inputs, t)
	return nil
}

// Ask asks for an output; classes above 0 ask for its highest values alone.
func (w *Wish) Ask(name string, classes int) error {
	if classes < 0 {
		return core.Invalid("outputs", "classification of the output %.80q is %d; it must not be negative.", name, classes)
	}
	w.Outputs = append(w.Outputs, Output{Name: name, Classes: classes})
	return nil
}

// Answer are the tensors of a Wish.
type Answer struct {
	Version   string
	Outputs   []core.Tensor
	Placement core.Placement
}

// Infer computes tensors.
func (s *Service) Infer(ctx context.Context, w *Wish) (*Answer, error) {
	m, err := s.find(ctx, w.Model, w.Version)
	if err != nil {
		return nil, err
	}
	if w.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, w.Timeout)
		defer cancel()
	}
	req := &core.TensorRequest{ID: w.ID, Principal: core.PrincipalFrom(ctx), Model: m.Name, Inputs: w.Inputs}
	for _, o := range w.Outputs {
		req.Outputs = append(req.Outputs, o.Name)
	}
	began := time.Now()
	got, err := s.cfg.Tensors.Infer(ctx, req)
	s.count(m.Name, began, got, err)
	if err != nil {
		return nil, err
	}
	s.back(m.Name)
	out := &Answer{Version: tag(m), Outputs: got.Outputs, Placement: got.Placement}
	return out, s.classify(ctx, m, w.Outputs, out.Outputs)
}
