package oip

import (
	"cmp"
	"context"
	"slices"
	"strconv"

	"ashatai/internal/core"
)

// maxText is how many bytes of an answer may be written as text, as many as a request may have.
const maxText = MaxBody

// leastClass is the shortest text of a class, "0.000000:0", behind its length.
const leastClass = 4 + 10

// classify is the protocol's extension for classification: of each row of a tensor the k highest values, as texts
// "value:place:label"; the label is left out where the model has none. The texts of a tensor have at most room bytes.
func classify(t core.Tensor, k int, labels []string, room int) (core.Tensor, error) {
	size := t.Type.Size()
	if size == 0 || len(t.Shape) == 0 || t.Shape[len(t.Shape)-1] < 1 {
		return t, core.Invalid(t.Name, "The output %.80q is %s %v; classification takes rows of numbers.", t.Name, t.Type, t.Shape)
	}
	width := int(t.Shape[len(t.Shape)-1])
	rows := len(t.Data) / (width * size)
	k = min(k, width)
	if rows > 0 && k > room/leastClass/rows {
		return t, tooMuchText(t.Name, k, rows)
	}
	out := core.Tensor{Name: t.Name, Type: core.Bytes, Shape: append(slices.Clone(t.Shape[:len(t.Shape)-1]), int64(k))}
	for row := range rows {
		value := func(at int) float64 {
			at += row * width
			f, whole, isFloat := number(t.Type, t.Data[at*size:(at+1)*size])
			switch {
			case isFloat:
				return f
			case t.Type == core.Uint64:
				return float64(uint64(whole)) //nolint:gosec // its bits
			}
			return float64(whole)
		}
		for _, p := range highest(width, value, k) {
			text := strconv.FormatFloat(value(p), 'f', 6, 64) + ":" + strconv.Itoa(p)
			if p < len(labels) && labels[p] != "" {
				text += ":" + labels[p]
			}
			if out.Data = core.AppendText(out.Data, text); len(out.Data) > room {
				return t, tooMuchText(t.Name, k, rows)
			}
		}
	}
	return out, nil
}

func tooMuchText(name string, k, rows int) error {
	return core.Errorf(core.CodeTooLarge, "The %d highest values of the %d rows of the output %.80q are more than the %d MiB of text that an answer may have. Ask for fewer, or for the numbers as bytes.", k, rows, name, maxText>>20)
}

// highest are the places of the k highest of n values, the highest first, and of equal ones the first. It sorts few at a time: a row may
// be as long as a vocabulary, and there may be hundreds.
func highest(n int, value func(int) float64, k int) []int {
	order := func(a, b int) int { return cmp.Or(cmp.Compare(value(b), value(a)), cmp.Compare(a, b)) }
	var places []int
	least := -1 // the last of those that were chosen so far; -1: not so many came yet
	for i := range n {
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
	room := maxText
	for i, o := range wish {
		if o.Classes == 0 || i >= len(got) {
			continue
		}
		sig, err := s.cfg.Tensors.Signature(ctx, m.Name)
		if err != nil {
			return err
		}
		if got[i], err = classify(got[i], o.Classes, sig.Labels, room); err != nil {
			return err
		}
		room -= len(got[i].Data)
	}
	return nil
}
