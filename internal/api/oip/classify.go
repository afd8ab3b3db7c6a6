package oip

import (
	"cmp"
	"context"
	"slices"
	"strconv"

	"ashatai/internal/core"
)

// classify is the protocol's extension for classification: of each row of a tensor the k highest values, as texts
// "value:place:label"; the label is left out where the model has none.
func classify(t core.Tensor, k int, labels []string) (core.Tensor, error) {
	size := t.Type.Size()
	if size == 0 || len(t.Shape) == 0 || t.Shape[len(t.Shape)-1] < 1 {
		return t, core.Invalid(t.Name, "The output %.80q is %s %v; classification takes rows of numbers.", t.Name, t.Type, t.Shape)
	}
	width := int(t.Shape[len(t.Shape)-1])
	k = min(k, width)
	out := core.Tensor{Name: t.Name, Type: core.Bytes, Shape: append(slices.Clone(t.Shape[:len(t.Shape)-1]), int64(k))}
	value := func(at int) float64 {
		f, whole, isFloat := number(t.Type, t.Data[at*size:(at+1)*size])
		switch {
		case isFloat:
			return f
		case t.Type == core.Uint64:
			return float64(uint64(whole)) //nolint:gosec // its bits
		}
		return float64(whole)
	}
	values := make([]float64, width)
	for row := 0; (row+1)*width*size <= len(t.Data); row++ {
		for i := range values {
			values[i] = value(row*width + i)
		}
		for _, p := range highest(values, k) {
			text := strconv.FormatFloat(values[p], 'f', 6, 64) + ":" + strconv.Itoa(p)
			if p < len(labels) && labels[p] != "" {
				text += ":" + labels[p]
			}
			out.Data = core.AppendText(out.Data, text)
		}
	}
	return out, nil
}

// highest are the places of the k highest values, the highest first, and of equal ones the first. It sorts few at a time: a row may
// be as long as a vocabulary, and there may be hundreds.
func highest(values []float64, k int) []int {
	order := func(a, b int) int { return cmp.Or(cmp.Compare(values[b], values[a]), cmp.Compare(a, b)) }
	var places []int
	least := -1 // the last of those that were chosen so far; -1: not so many came yet
	for i := range values {
		if least >= 0 && order(least, i) < 0 {
			continue
		}
		if places = append(places, i); len(places) == 2*k {
			slices.SortFunc(places, order)
			places = places[:k]
			least = places[k-1]
		}
	}
	slices.SortFunc(places, order)
	return places[:min(k, len(places))]
}

// classify puts the highest values in the place of outputs that are asked for so.
func (s *Service) classify(ctx context.Context, m *core.Manifest, wish []Output, got []core.Tensor) error {
	for i, o := range wish {
		if o.Classes == 0 || i >= len(got) {
			continue
		}
		sig, err := s.cfg.Tensors.Signature(ctx, m.Name)
		if err != nil {
			return err
		}
		if got[i], err = classify(got[i], o.Classes, sig.Labels); err != nil {
			return err
		}
	}
	return nil
}
