package onnx

import (
	"context"
	"encoding/binary"
	"math"

	"ashatai/internal/core"
	"ashatai/internal/native/ort"
)

// kept is what a model remembers of some tokens. It does not change, so several texts may go on from it.
type kept struct {
	tokens int
	values []*ort.Value // by place in causal.past
	users  int
}

func (k *kept) release() {
	if k.users--; k.users == 0 {
		for _, v := range k.values {
			v.Close()
		}
	}
}

// nothing is what is remembered before the first token.
func (m *model) nothing() (*kept, error) {
	k := &kept{users: 1}
	for _, p := range m.causal.past {
		v, err := m.lib.Over(p.typ, p.shape, nil)
		if err != nil {
			k.release()
			return nil, internal(err)
		}
		k.values = append(k.values, v)
	}
	return k, nil
}

// prefill computes a prompt, a piece at a time, and returns the scores of the token that follows.
func (m *model) prefill(ctx context.Context, ids []int) (*kept, []float32, error) {
	k, err := m.nothing()
	if err != nil {
		return nil, nil, err
	}
	var logits []float32
	for len(ids) > 0 {
		n := min(m.causal.batch, len(ids))
		if m.causal.branch != "" {
			n = len(ids) // such a model has one way for a prompt as a whole, and one for the tokens after it
		}
		next, scores, err := m.advance(ctx, k, ids[:n])
		k.release()
		if err != nil {
			return nil, nil, err
		}
		m.prompt.Add(uint64(n))
		k, logits, ids = next, scores, ids[n:]
	}
	return k, logits, nil
}

// advance computes tokens after what is remembered. No key and no value is copied: what the library makes of one step is
// the input of the next.
func (m *model) advance(ctx context.Context, k *kept, ids []int) (*kept, []float32, error) {
	outputs := []string{m.causal.logits}
	past := make([]ort.Input, len(m.causal.past))
	for i, p := range m.causal.past {
		past[i] = ort.Input{Name: p.in, Value: k.values[i]}
		outputs = append(outputs, p.out)
	}
	values, err := m.compute(ctx, m.causal.tensors(k.tokens, ids), past, outputs)
	if err != nil {
		return nil, nil, err
	}
	next := &kept{tokens: k.tokens + len(ids), values: values[1:], users: 1}
	defer values[0].Close()
	logits, err := m.last(values[0])
	if err == nil {
		err = m.causal.grown(next)
	}
	if err != nil {
		next.release()
		return nil, nil, err
	}
	return next, logits, nil
}

// tensors are the inputs, besides what is remembered, for tokens that follow n others.
func (c *causal) tensors(n int, ids []int) []core.Tensor {
	one := []int64{1, int64(len(ids))}
	t := []core.Tensor{{Name: c.ids, Type: core.Int64, Shape: one, Data: int64s(len(ids), func(i int) int { return ids[i] })}}
	if c.mask != "" {
		all := n + len(ids)
		t = append(t, core.Tensor{Name: c.mask, Type: core.Int64, Shape: []int64{1, int64(all)}, Data: int64s(all, func(int) int { return 1 })})
	}
	if c.positions != "" {
		t = append(t, core.Tensor{Name: c.positions, Type: core.Int64, Shape: one, Data: int64s(len(ids), func(i int) int { return n + i })})
	}
	if c.branch != "" {
		after := []byte{0}
		if n > 0 {
			after[0] = 1
		}
		t = append(t, core.Tensor{Name: c.branch, Type: core.Bool, Shape: []int64{1}, Data: after})
	}
	if c.keep != "" {
		t = append(t, core.Tensor{Name: c.keep, Type: core.Int64, Shape: []int64{}, Data: int64s(1, func(int) int { return 1 })})
	}
	return t
}

func int64s(n int, at func(int) int) []byte {
	b := make([]byte, 0, 8*n)
	for i := range n {
		b = binary.LittleEndian.AppendUint64(b, uint64(at(i))) //nolint:gosec // ids and places
	}
	return b
}

// last copies the scores of the last token.
func (m *model) last(v *ort.Value) ([]float32, error) {
	typ, shape, data, err := v.Data()
	if err != nil {
		return nil, internal(err)
	}
	n := m.causal.vocabulary
	if len(shape) != 3 || shape[0] != 1 || shape[1] < 1 || shape[2] < int64(n) {
		return nil, core.Errorf(core.CodeBadModel, "The model's scores have the shape %v, where [1 tokens %d] is expected; its files do not belong together.", shape, n)
	}
	out := make([]float32, n)
	size := ort.Size(typ)
	row := data[len(data)-int(shape[2])*size:]
	for i := range out {
		if typ == ort.Float16 {
			out[i] = half(binary.LittleEndian.Uint16(row[2*i:]))
			continue
		}
		out[i] = math.Float32frombits(binary.LittleEndian.Uint32(row[4*i:]))
	}
	return out, nil
}

// half makes a number of its 16 bits (IEEE 754 binary16).
func half(b uint16) float32 {
	sign := float32(1)
	if b&0x8000 != 0 {
		sign = -1
	}
	exp, frac := int(b>>10&0x1f), float64(b&0x3ff)
	switch exp {
	case 0:
		return sign * float32(math.Ldexp(frac, -24))
	case 0x1f:
		if frac != 0 {
			return float32(math.NaN())
		}
		return sign * float32(math.Inf(1))
	}
	return sign * float32(math.Ldexp(frac+1024, exp-25))
}

// grown checks that the memory has one place for each token, since the next step believes it.
func (c *causal) grown(k *kept) error {
	for i, v := range k.values {
		_, shape, err := v.Info()
		if err != nil {
			return internal(err)
		}
		p := c.past[i]
		if len(shape) != 4 || shape[p.tokens] != int64(k.tokens) {
			return core.Errorf(core.CodeBadModel, "The model's output %.80q has the shape %v after %d tokens; it must grow by one place for each token. Export the model again.", p.out, shape, k.tokens)
		}
	}
	return nil
}
